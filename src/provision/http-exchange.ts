/** One HTTP exchange with a server that is known by its certificate: bounded in size and time, never redirected. */
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { type PeerCertificate, type TLSSocket, checkServerIdentity } from "node:tls";
import { toHex } from "../base/bytes.ts";
import { AssayError, fail } from "../base/errors.ts";
import { request as requestHttp } from "../base/node-http.ts";
import { readAtMost } from "../base/read-at-most.ts";
import type { Certificate } from "../x509/certificate.ts";
import { peerCertificates } from "../x509/peer-certificates.ts";
import { encodePem } from "../x509/pem.ts";

/** Where the server is, and by what it is known. */
export interface ServerAddress {
  /** `https:`, or `http:` where the user said so. */
  readonly url: URL;
  /** Authorities of the server's own certificate. */
  readonly roots: readonly Certificate[];
  /** Its certificate may be the server's SVID of this trust domain, in place of one with the host's name. */
  readonly trustDomain?: string;
  readonly timeoutMs: number;
}

export interface ExchangeRequest {
  readonly method: "GET" | "PUT" | "POST";
  /** Below the address. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM. */
  readonly client?: { readonly cert: string; readonly key: string };
  /** Nobody is known yet: what comes back counts for nothing but its fingerprint. */
  readonly isUnverified?: boolean;
}

export interface Exchanged {
  readonly status: number;
  /** Without parameters, lower case. */
  readonly contentType: string;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** As the server presented them, DER; empty without TLS. */
  readonly presented: readonly Uint8Array[];
}

/** @throws unavailable, deadline, unauthenticated (the server is not the one it should be), cancelled */
export async function exchange(
  address: ServerAddress,
  { method, path, headers = {}, body, client, isUnverified = false }: ExchangeRequest,
  signal: AbortSignal,
): Promise<Exchanged> {
  const { url, timeoutMs } = address;
  const late = AbortSignal.timeout(timeoutMs);
  const isTls = url.protocol === "https:";
  const options: RequestOptions = {
    method,
    agent: false,
    signal: AbortSignal.any([signal, late]),
    headers: {
      "user-agent": "assay",
      accept: "application/pem-certificate-chain, application/problem+json;q=0.5",
      ...headers,
      ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
    },
    ...(isTls ? tlsOptions(address, client, isUnverified) : {}),
  };
  const target = new URL(`${url.pathname.replace(/\/+$/, "")}${path}`, url);
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = isTls ? requestHttps(target, options) : requestHttp(target, options);
      sent.on("error", reject);
      sent.on("response", resolve);
      sent.end(body);
    });
    const presented = isTls ? peerCertificates(answer.socket as TLSSocket) : [];
    return {
      status: answer.statusCode ?? 0,
      contentType: (answer.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "",
      headers: answer.headers,
      body: await bounded(answer),
      presented,
    };
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    signal.throwIfAborted();
    if (late.aborted) {
      throw fail("deadline", `${url.host} took longer than ${timeoutMs / 1000} s`, { cause });
    }
    throw wireError(cause, url);
  }
}

/** Of a certificate, as `openssl x509 -fingerprint -sha256` shows it, without colons and in lower case. */
export function fingerprintOf(der: Uint8Array): string {
  return toHex(createHash("sha256").update(der).digest());
}

function tlsOptions(
  { roots, trustDomain }: ServerAddress,
  client: ExchangeRequest["client"],
  isUnverified: boolean,
): object {
  return {
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: !isUnverified,
    ca: roots.map(({ raw }) => encodePem("CERTIFICATE", raw)),
    // What was named as the anchor is one, whether or not it signed itself.
    allowPartialTrustChain: true,
    checkServerIdentity(host: string, certificate: PeerCertificate): Error | undefined {
      if (trustDomain !== undefined && isServerSvid(certificate, trustDomain)) return undefined;
      const problem = checkServerIdentity(host, certificate);
      if (problem === undefined) return undefined;
      return fail(
        "unauthenticated",
        `the certificate of the server is for ${shownNames(certificate)}, not for ${host}; name it as it is, or give its --trust-domain`,
      );
    },
    ...client,
  };
}

/** Nobody else of the trust domain has an ID below `/spire/` (SPIFFE-ID, reserved by SPIRE and by us). */
function isServerSvid({ subjectaltname = "" }: PeerCertificate, trustDomain: string): boolean {
  return subjectaltname.split(", ").includes(`URI:spiffe://${trustDomain}/spire/server`);
}

function shownNames({ subjectaltname }: PeerCertificate): string {
  const names = subjectaltname ?? "no name";
  return names.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, MAX_SHOWN);
}

async function bounded(answer: IncomingMessage): Promise<string> {
  const bytes = await readAtMost(answer, MAX_ANSWER_BYTES);
  if (bytes !== undefined) return Buffer.from(bytes).toString("utf8");
  throw fail(
    "unauthenticated",
    `the server's answer is refused: it is longer than ${MAX_ANSWER_BYTES} bytes`,
  );
}

function wireError(cause: unknown, { host }: URL): AssayError {
  const { code = "", message } = cause as NodeJS.ErrnoException;
  if (code.startsWith("ERR_SSL") || code.startsWith("EPROTO")) {
    return fail(
      "unavailable",
      `${host} does not speak TLS with us (${code}); 'http://' and --plain-http are for a server without it`,
      { cause },
    );
  }
  if (CERTIFICATE_CODES.test(code)) {
    return fail(
      "unauthenticated",
      `the certificate of ${host} leads to no authority that was named (${code}); give the right --ca-file or --ca-fingerprint`,
      { cause },
    );
  }
  return fail("unavailable", `${host} does not answer (${code === "" ? message : code})`, {
    cause,
  });
}

const CERTIFICATE_CODES = /CERT|SELF_SIGNED|UNABLE_TO_|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE/;
/** A chain of RSA-4096 with a text dump before it is below 32 KiB. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_SHOWN = 200;
