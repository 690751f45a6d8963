import { fail } from "../base/errors.ts";
import { toBase64 } from "../base/bytes.ts";

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, ... */
  readonly label: string;
  readonly der: Uint8Array;
}

/** One PEM block (RFC 7468 §2), 64 characters a line, with a newline at the end. */
export function encodePem(label: string, der: Uint8Array): string {
  return pemOfBase64(label, toBase64(der));
}

/** The same of what is in base64 already, without line breaks and padded (RFC 4648 §4). */
export function pemOfBase64(label: string, base64: string): string {
  let text = `-----BEGIN ${label}-----\n`;
  for (let at = 0; at < base64.length; at += 64) text += `${base64.slice(at, at + 64)}\n`;
  return `${text}-----END ${label}-----\n`;
}

/**
 * All PEM blocks of a text, in order; what stands around them is ignored (RFC 7468 §2).
 * @throws invalid when a block is not closed, is of mixed labels or is not base64, or the text is too long
 */
export function decodePem(text: string): PemBlock[] {
  if (text.length > MAX_PEM_LENGTH) {
    throw fail("invalid", `pem text is longer than ${MAX_PEM_LENGTH} characters`);
  }
  const blocks: PemBlock[] = [];
  let label: string | undefined;
  let body = "";
  for (const line of text.split(/\r\n|\n|\r/)) {
    const begin = BEGIN.exec(line)?.[1];
    const end = END.exec(line)?.[1];
    if (begin !== undefined) {
      if (label !== undefined) throw fail("invalid", `pem block '${label}' is not closed`);
      label = begin;
      body = "";
    } else if (end !== undefined) {
      if (label !== end) throw fail("invalid", `pem block '${end}' ends but did not begin`);
      blocks.push({ label, der: decodeBody(label, body) });
      label = undefined;
    } else if (label !== undefined) {
      body += line.trim();
    }
  }
  if (label !== undefined) throw fail("invalid", `pem block '${label}' is not closed`);
  return blocks;
}

/** Certificates as PEM, one behind the other. @param ders of each */
export function encodeCertificates(ders: readonly Uint8Array[]): string {
  return ders.map((der) => encodePem(CERTIFICATE, der)).join("");
}

/** The certificates of a text in PEM, each as DER; other blocks are passed over. @throws invalid as `decodePem` */
export function decodeCertificates(text: string): Uint8Array[] {
  return decodePem(text)
    .filter(({ label }) => label === CERTIFICATE)
    .map(({ der }) => der);
}

/** The same of a text that has to have one. @throws invalid when there is none, too */
export function requireCertificates(text: string): Uint8Array[] {
  const ders = decodeCertificates(text);
  if (ders.length === 0) throw fail("invalid", "there is no certificate in it");
  return ders;
}

function decodeBody(label: string, body: string): Uint8Array {
  const der = Buffer.from(body, "base64");
  // Node ignores what is not base64; coming back the same proves there was nothing to ignore.
  if (body === "" || der.toString("base64") !== body) {
    throw fail("invalid", `pem block '${label}' is not base64`);
  }
  return new Uint8Array(der);
}

const CERTIFICATE = "CERTIFICATE";
const BEGIN = /^-----BEGIN ([A-Z0-9 ]+)-----\s*$/;
const END = /^-----END ([A-Z0-9 ]+)-----\s*$/;
const MAX_PEM_LENGTH = 2 * 1024 * 1024;
