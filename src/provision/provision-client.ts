import { type AssayError, fail } from "../base/errors.ts";
import { bytesEqual } from "../base/bytes.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { signerFromPem } from "../keys/pem-key.ts";
import { decodePem } from "../x509/pem.ts";
import { readCertificates } from "./answer.ts";
import { NEWEST_HEADER, PROOF_HEADER, digestOf, proveRenewal } from "./renewal-proof.ts";
import { type Exchanged, type ServerAddress, exchange, fingerprintOf } from "./http-exchange.ts";

/** PEM: a chain, leaf first, and the leaf's key. */
export interface HeldCertificate {
  readonly cert: string;
  readonly key: string;
}

/** The calls of the front end `provision` that a client makes. */
export class ProvisionClient {
  readonly #given: readonly Certificate[];
  #address: ServerAddress;

  constructor(address: ServerAddress) {
    this.#address = address;
    this.#given = address.roots;
  }

  /**
   * Spends a token.
   * @returns certificates (PEM), of which nothing is checked yet
   * @throws denied, invalid, limited, unavailable, deadline, unauthenticated
   */
  async sign(token: string, csrPem: string, signal: AbortSignal): Promise<string> {
    const answer = await exchange(
      this.#address,
      {
        method: "PUT",
        // Not in the path: a proxy on the way keeps paths in its log.
        path: "/v1/sign",
        headers: { authorization: `Bearer ${token}`, "content-type": PEM_REQUEST },
        body: csrPem,
      },
      signal,
    );
    return certificatesOf(answer, "the token is unknown, used, or was made for another name");
  }

  /**
   * As `sign`, with the certificate that is about to end in place of a token: shown by TLS, and by a signature where TLS
   * shows none (plain HTTP, a proxy that ends TLS).
   */
  async renew(csrPem: string, held: HeldCertificate, signal: AbortSignal): Promise<string> {
    const unknown = "the certificate is not known there, or may not be renewed";
    let answer = await this.#renew(csrPem, held, digestOf(derOf(held.cert)), signal);
    const newest = answer.headers[NEWEST_HEADER];
    // An answer was lost: there is a newer certificate than ours, whose key is lost with it.
    if (answer.status === 409 && typeof newest === "string" && /^[0-9a-f]{64}$/.test(newest)) {
      answer = await this.#renew(csrPem, held, newest, signal);
    }
    return certificatesOf(answer, unknown);
  }

  async #renew(
    csrPem: string,
    held: HeldCertificate,
    follows: string,
    signal: AbortSignal,
  ): Promise<Exchanged> {
    const proof = await proveRenewal(signerFromPem(held.key), derOf(csrPem), follows);
    const request = {
      method: "PUT",
      path: "/v1/renew",
      headers: { "content-type": PEM_REQUEST, [PROOF_HEADER]: proof },
      body: `${csrPem}${held.cert}`,
    } as const;
    const isTls = this.#address.url.protocol === "https:";
    return exchange(this.#address, isTls ? { ...request, client: held } : request, signal);
  }

  /**
   * Has a token count.
   * @param fields of `POST /v1/authorize`
   * @throws denied, invalid, limited, unavailable, deadline, unauthenticated
   */
  async authorize(fields: URLSearchParams, apiToken: string, signal: AbortSignal): Promise<void> {
    const answer = await exchange(
      this.#address,
      {
        method: "POST",
        path: "/v1/authorize",
        headers: {
          authorization: `Bearer ${apiToken}`,
          "content-type": "application/x-www-form-urlencoded",
        },
        body: fields.toString(),
      },
      signal,
    );
    if (answer.status !== 200) throw statusError(answer, "the API token is unknown, or has ended");
  }

  /**
   * The authorities of what the server hands out, by its own word; none where it does not say, or could be anybody.
   * Those of its own certificate are asked for, too, and known from then on: authorities rotate, while this one renews.
   * @throws unavailable, deadline, unauthenticated
   */
  async authorities(signal: AbortSignal): Promise<readonly Certificate[]> {
    if (this.#address.url.protocol !== "https:") return [];
    const [own, listener] = await Promise.all([
      exchange(this.#address, CA_REQUEST, signal),
      exchange(this.#address, LISTENER_CA_REQUEST, signal),
    ]);
    const roots = listener.status === 200 ? readCertificates(listener.body) : [];
    this.#address = { ...this.#address, roots: union(this.#given, roots) };
    return own.status === 200 ? readCertificates(own.body) : [];
  }
}

/** Those of `first`, then what of `second` is not among them. */
export function union(
  first: readonly Certificate[],
  second: readonly Certificate[],
): readonly Certificate[] {
  return [
    ...first,
    ...second.filter((each) => !first.some(({ raw }) => bytesEqual(raw, each.raw))),
  ];
}

/**
 * The authority with this fingerprint (SHA-256 of the certificate, hex): whoever shows it, in the handshake or as its
 * list of authorities, may have copied it; it is what follows that has to be signed by it.
 * @throws unauthenticated when the server shows no such certificate; unavailable, deadline
 */
export async function authorityByFingerprint(
  address: ServerAddress,
  fingerprint: string,
  signal: AbortSignal,
): Promise<Certificate> {
  const request = { ...LISTENER_CA_REQUEST, isUnverified: true };
  const { status, body, presented } = await exchange(address, request, signal);
  const listed = status === 200 ? certificatesIn(body) : [];
  const found = [...presented, ...listed].find((der) => fingerprintOf(der) === fingerprint);
  if (found !== undefined) return parseCertificate(found);
  throw fail(
    "unauthenticated",
    `${address.url.host} shows no authority with the fingerprint ${fingerprint.slice(0, 16)}...; it is another server, or the fingerprint is of something else than its authority's certificate (SHA-256)`,
  );
}

function certificatesIn(body: string): Uint8Array[] {
  try {
    return readCertificates(body).map(({ raw }) => raw);
  } catch {
    // A stranger's words: as good as none.
    return [];
  }
}

/** Of the first block. */
function derOf(pem: string): Uint8Array {
  return decodePem(pem)[0]?.der ?? new Uint8Array();
}

function certificatesOf(answer: Exchanged, unknown: string): string {
  const { status, contentType, body } = answer;
  if (status !== 200) throw statusError(answer, unknown);
  if (!CERTIFICATE_TYPES.has(contentType)) {
    const type = contentType.replaceAll(/[^!-~]/g, "?").slice(0, 64);
    throw fail(
      "unauthenticated",
      `the server's answer is refused: its type is ${type === "" ? "not said" : type}, and certificates (PEM) were asked for`,
    );
  }
  return body;
}

function statusError({ status, body, headers }: Exchanged, unknown: string): AssayError {
  const said = detailOf(body);
  const why = said === undefined ? "" : `: ${said}`;
  switch (status) {
    case 401:
      return fail("denied", `the server refuses (401)${why === "" ? `: ${unknown}` : why}`);
    case 403:
      return fail("denied", `the server refuses (403)${why}`);
    case 400:
    case 404:
    case 405:
    case 409:
    case 413:
    case 415:
    case 422:
      return fail("invalid", `the server cannot take the request (${status})${why}`);
    case 429:
    case 503: {
      const retryAfter = headers["retry-after"];
      const wait = retryAfter === undefined ? "" : `; it asks to wait ${retryAfter.slice(0, 32)}`;
      return fail("unavailable", `the server takes no more requests now (${status})${why}${wait}`);
    }
    default:
      return fail("unavailable", `the server failed (${status})${why}`);
  }
}

/** RFC 9457 §3.1.4. */
function detailOf(body: string): string | undefined {
  try {
    const { detail, title } = JSON.parse(body) as { detail?: unknown; title?: unknown };
    const said = typeof detail === "string" ? detail : title;
    if (typeof said !== "string" || said === "") return undefined;
    return said.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, MAX_DETAIL);
  } catch {
    // Some proxy's page.
    return undefined;
  }
}

const CA_REQUEST = { method: "GET", path: "/v1/ca" } as const;
const LISTENER_CA_REQUEST = { method: "GET", path: "/v1/ca?for=listener" } as const;
const PEM_REQUEST = "application/pkcs10";
const CERTIFICATE_TYPES: ReadonlySet<string> = new Set([
  "application/pem-certificate-chain",
  "application/x-pem-file",
  "application/x-x509-user-cert",
  "text/plain",
]);
const MAX_DETAIL = 300;
