/** One certificate: a key, the call, and a look at what came back. */
import { X509Certificate } from "node:crypto";
import { bytesEqual } from "../../base/bytes.ts";
import { type EpochSeconds, epochSeconds, systemClock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { DeliveredSvid } from "../../delivery/view.ts";
import type { KeyType } from "../../keys/contract.ts";
import { generateKey, signerFromPkcs8 } from "../../keys/software-signer.ts";
import type { NewCertificateResponse__Output } from "../../rpc/gen/assay/certificate/v1/NewCertificateResponse.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { verifyChain } from "../../x509/chain.ts";
import { createCsr } from "../../x509/csr.ts";
import type { Proof } from "./proof.ts";

export interface Wanted {
  readonly keyType: KeyType;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly spiffeId?: string;
  /** 0: what the server gives. */
  readonly ttlSeconds: number;
}

/** A certificate with its key, checked. */
export interface Obtained extends DeliveredSvid {
  /** When it came; servers date certificates back. */
  readonly since: EpochSeconds;
  /** DER: authorities of the server itself, where `bundle` does not hold them. */
  readonly serverBundle: readonly Uint8Array[];
}

/** Makes keys, and keeps one for as long as the token that it is bound to. */
export class Requester {
  readonly #server: string;
  readonly #wanted: Wanted;
  #kept: { readonly token: string; readonly pkcs8: Uint8Array } | undefined;

  constructor(server: string, wanted: Wanted) {
    this.#server = server;
    this.#wanted = wanted;
  }

  /** @throws what the server answers; unavailable; internal when what came back is not what was asked for */
  async request(proof: Proof, signal: AbortSignal): Promise<Obtained> {
    const { dnsNames, ipAddresses, spiffeId, ttlSeconds } = this.#wanted;
    const pkcs8 = await this.#keyFor(proof);
    const csr = await createCsr({ uris: [], signer: signerFromPkcs8(pkcs8) });
    const { dial } = await import("../../agent/server-client/connection.ts");
    const { trustDomain, bundle, identity, method, fields } = proof;
    const server = this.#server;
    using channel = dial({ server, trustDomain, bundle, svid: identity, untrusted: UNTRUSTED });
    const request = {
      ...fields,
      ...(await proof.fieldsFor?.(csr)),
      csr,
      spiffe_id: spiffeId ?? "",
      dns_names: dnsNames,
      ip_addresses: ipAddresses,
      ttl: ttlSeconds,
    };
    const options = { signal, deadlineMs: DEADLINE_MS };
    const response = await channel
      .unary<NewCertificateResponse__Output>(SERVICE, method, request, options)
      .catch((thrown: unknown) => {
        const error = errorFrom(thrown);
        if (error.kind !== "unavailable") throw error;
        throw fail("unavailable", `the server ${server}: ${error.message}`, { cause: error });
      });
    return checkAnswer(response, pkcs8, this.#wanted);
  }

  async #keyFor({ boundToken }: Proof): Promise<Uint8Array> {
    const kept = this.#kept;
    if (kept !== undefined && kept.token === boundToken) return kept.pkcs8;
    const { pkcs8 } = await generateKey(this.#wanted.keyType);
    this.#kept = boundToken === undefined ? undefined : { token: boundToken, pkcs8 };
    return pkcs8;
  }
}

/** Nothing is written that its user could not use. @throws internal, naming what is wrong */
export async function checkAnswer(
  response: Pick<
    NewCertificateResponse__Output,
    "chain" | "bundle" | "dns_names" | "ip_addresses" | "server_bundle"
  >,
  key: Uint8Array,
  { dnsNames, ipAddresses }: Wanted,
): Promise<Obtained> {
  try {
    const chain = response.chain.map(parseCertificate);
    const roots = response.bundle.map(parseCertificate);
    const [leaf] = chain;
    if (leaf === undefined) throw fail("invalid", "it has no certificate");
    if (!bytesEqual(leaf.publicKey, signerFromPkcs8(key).publicKey)) {
      throw fail("invalid", "the certificate is for another key");
    }
    const now = epochSeconds(systemClock);
    await verifyChain(chain, roots, now);
    checkNames(
      leaf,
      [...dnsNames, ...response.dns_names],
      [...ipAddresses, ...response.ip_addresses],
    );
    return {
      spiffeId: leaf.uris[0] ?? "",
      hint: "",
      serialNumber: leaf.serial,
      since: now,
      expiresAt: leaf.notAfter,
      chain: chain.map(({ raw }) => raw),
      key,
      serverBundle: response.server_bundle.map((der) => parseCertificate(der).raw),
      bundle: roots.map(({ raw, notAfter }) => ({ der: raw, expiresAt: notAfter })),
    };
  } catch (thrown) {
    const { message } = errorFrom(thrown);
    throw fail("internal", `the server's answer cannot be used: ${message}`, { cause: thrown });
  }
}

function checkNames(
  leaf: Certificate,
  dnsNames: readonly string[],
  ipAddresses: readonly string[],
): void {
  const there = new Set(leaf.dnsNames.map((name) => name.toLowerCase()));
  const missing = dnsNames.find((name) => !there.has(name.toLowerCase()));
  const certificate = new X509Certificate(leaf.raw);
  const unlisted = ipAddresses.find((address) => certificate.checkIP(address) === undefined);
  const lost = missing ?? unlisted;
  if (lost !== undefined) throw fail("invalid", `the certificate is not for ${lost}`);
}

const SERVICE = "assay.certificate.v1.Certificates";
const DEADLINE_MS = 30_000;
const UNTRUSTED =
  "the server's certificate is signed by no authority of the trust bundle; take today's: 'assay bundle show > FILE' on the server, then --trust-bundle FILE";
