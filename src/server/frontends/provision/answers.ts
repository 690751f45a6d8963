/** Certificates as they are answered. */
import type { HttpAnswer } from "../../../http/http-answer.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { formatName } from "../../../x509/names.ts";
import { encodeCertificates, pemOfBase64 } from "../../../x509/pem.ts";

/**
 * Leaf first, PEM only; whoever asks for text by name gets a summary before it, which PEM readers pass over
 * (RFC 7468 §2).
 * @param chain DER in base64
 */
export function certificateAnswer(
  chain: readonly string[],
  accept: string | undefined,
): HttpAnswer {
  const pem = chain.map((der) => pemOfBase64("CERTIFICATE", der)).join("");
  const [leaf] = chain;
  if (leaf === undefined || !asksForText(accept))
    return { status: 200, type: PEM_CHAIN, body: pem };
  const body = `${summary(parseCertificate(Buffer.from(leaf, "base64")))}${pem}`;
  return { status: 200, type: "text/plain; charset=utf-8", body };
}

export function rootsAnswer(roots: readonly Uint8Array[]): HttpAnswer {
  const body = encodeCertificates(roots);
  return { status: 200, type: PEM_CHAIN, body };
}

function asksForText(accept = ""): boolean {
  return accept.split(",").some((range) => /^\s*text\/plain\s*(;|$)/i.test(range));
}

function summary(certificate: Certificate): string {
  const { serial, subject, issuer, notBefore, notAfter } = certificate;
  const { dnsNames, ipAddresses, uris } = certificate;
  const names = [
    ...dnsNames.map((name) => `DNS:${name}`),
    ...ipAddresses.map((address) => `IP Address:${address}`),
    ...uris.map((uri) => `URI:${uri}`),
  ];
  const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
  return [
    "Certificate:",
    `    Serial Number: ${serial}`,
    `    Issuer: ${formatName(issuer)}`,
    `    Not Before: ${time(notBefore)}`,
    `    Not After : ${time(notAfter)}`,
    `    Subject: ${formatName(subject)}`,
    ...(names.length === 0 ? [] : [`    Subject Alternative Name: ${names.join(", ")}`]),
    "",
  ].join("\n");
}

/** RFC 8555 §9.1. */
const PEM_CHAIN = "application/pem-certificate-chain";
