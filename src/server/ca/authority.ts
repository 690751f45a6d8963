import { asBuffer } from "../../base/bytes.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import type { Signer } from "../../keys/contract.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import type { KeyManager } from "../keymanager/contract.ts";
import { keyIdOf } from "./check-signed-ca.ts";

/** A journal line with what is needed to sign. */
export interface Authority {
  readonly record: AuthorityRecord;
  /** Absent: the key is gone, or the authority is old and its key was deleted. It never signs again. */
  readonly signer: Signer | undefined;
  /** X.509 only: signs revocation lists, also when the authority is old and its key is kept for that. */
  readonly crlSigner: Signer | undefined;
  /** X.509 only. */
  readonly certificate: Certificate | undefined;
  /** X.509 only: intermediates that go behind a leaf, never the root. */
  readonly intermediates: readonly Uint8Array[];
  /** X.509 only: DER of the root above it, or its own; empty for one that is only requested. */
  readonly root: Uint8Array;
}

/** The signing side of an X.509 authority. */
export interface X509Authority {
  /** Lower-case hex of the subject key identifier. */
  readonly id: string;
  readonly signer: Signer;
  readonly certificate: Certificate;
  /** DER, to be sent after the leaf; empty for a self-signed authority. */
  readonly chain: readonly Uint8Array[];
  /** DER: what verifiers trust. */
  readonly root: Uint8Array;
  readonly notAfter: EpochSeconds;
  /** Other chains of the same key, each to be sent after the leaf, to another root; for as long as all its links last. */
  readonly alternates: readonly {
    readonly chain: readonly Uint8Array[];
    readonly notAfter: EpochSeconds;
  }[];
}

/** The signing side of a JWT authority. */
export interface JwtAuthority {
  readonly keyId: string;
  readonly signer: Signer;
  readonly notAfter: EpochSeconds;
}

/** An X.509 authority whose revocation lists can be signed. */
export interface CrlSigner {
  /** Lower-case hex of the subject key identifier. */
  readonly id: string;
  readonly signer: Signer;
  readonly certificate: Certificate;
}

export function authorityOf(record: AuthorityRecord, key: Signer | undefined): Authority {
  const chain = record.chain.map((der) => Buffer.from(der, "base64"));
  const own = chain[0];
  const certificate = own === undefined ? undefined : parseCertificate(own);
  const selfSigned = record.roots[0] === record.chain[0];
  return {
    record,
    signer: record.status === "old" ? undefined : key,
    crlSigner: certificate === undefined ? undefined : key,
    certificate,
    intermediates: selfSigned ? [] : chain,
    root: Buffer.from(record.roots[0] ?? "", "base64"),
  };
}

/**
 * Hex key id of the root above an authority that others signed; `undefined` for one that is its own root, and for a
 * JWT authority.
 */
export function upstreamIdOf({ chain, roots }: AuthorityRecord): string | undefined {
  const [root] = roots;
  if (root === undefined || root === chain[0]) return undefined;
  return keyIdOf(parseCertificate(Buffer.from(root, "base64")));
}

/** Finds the key of an authority that may sign; one whose key is gone or is another is no signer. */
export async function loadAuthority(
  record: AuthorityRecord,
  keyManager: KeyManager,
  keepsOldKeys: boolean,
): Promise<Authority> {
  if (record.status === "old" && !keepsOldKeys) return authorityOf(record, undefined);
  const signer = await keyManager.get(record.keyName);
  const publicKey = Buffer.from(record.publicKey, "base64");
  const fits = signer !== undefined && publicKey.equals(asBuffer(signer.publicKey));
  return authorityOf(record, fits ? signer : undefined);
}
