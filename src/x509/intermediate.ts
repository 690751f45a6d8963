import { toHex } from "../base/bytes.ts";
import type { EpochSeconds } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import type { Signer } from "../keys/contract.ts";
import type { Certificate } from "./certificate.ts";
import type { NameConstraints } from "./name-constraints.ts";
import { type NameAttribute, distinguishedName } from "./names.ts";
import { signCa } from "./sign.ts";
import { subjectKeyId } from "./subject-key-id.ts";

export interface IntermediateParams {
  /** The certificate of the key that signs. */
  readonly issuer: Certificate;
  /** DER SubjectPublicKeyInfo of the new authority. */
  readonly publicKey: Uint8Array;
  /** Its name; a serial number is added to it. */
  readonly subject: readonly NameAttribute[];
  /** The trust domain ID; absent for an authority that signs no SPIFFE IDs. */
  readonly uri?: string;
  /** Magnitude, big-endian, 1..20 bytes. */
  readonly serial: Uint8Array;
  readonly now: EpochSeconds;
  /** Seconds; none outlives its issuer. */
  readonly ttlSeconds: number;
  /** Authorities that may stand below it; as many as the issuer allows when left out (RFC 5280 §4.2.1.9). */
  readonly pathLen?: number;
  readonly nameConstraints?: NameConstraints;
}

/**
 * Signs an authority below another one.
 * @returns the DER certificate
 * @throws precondition when the issuer has ended or allows no authority (of that path length) below it
 */
export async function signIntermediate(
  params: IntermediateParams,
  signer: Signer,
): Promise<Uint8Array> {
  const { issuer, publicKey, uri, serial, now, ttlSeconds, nameConstraints } = params;
  if (now >= issuer.notAfter) {
    throw fail("precondition", "the certificate of the signing authority has ended; renew it");
  }
  const pathLen = pathLenBelow(issuer, params.pathLen);
  const issuerKeyId = issuer.subjectKeyId;
  return signCa(
    {
      serial,
      issuer: issuer.subject,
      // The serial keeps names unique: some path builders look for the issuer by name alone.
      subject: distinguishedName([
        ...params.subject,
        { type: "serialNumber", value: BigInt(`0x${toHex(serial)}`).toString() },
      ]),
      notBefore: Math.max(now - BACKDATE_SECONDS, issuer.notBefore),
      notAfter: Math.min(now + ttlSeconds, issuer.notAfter),
      publicKey,
      ...(uri === undefined ? {} : { uri }),
      authorityKeyId:
        issuerKeyId === undefined
          ? subjectKeyId(issuer.publicKey)
          : Buffer.from(issuerKeyId, "hex"),
      ...(pathLen === undefined ? {} : { pathLen }),
      ...(nameConstraints === undefined ? {} : { nameConstraints }),
    },
    signer,
  );
}

function pathLenBelow(issuer: Certificate, wanted: number | undefined): number | undefined {
  const most = issuer.basicConstraints?.pathLen;
  if (most === undefined) return wanted;
  if (most === 0) {
    throw fail(
      "precondition",
      "the signing authority allows no authority below it (path length 0)",
    );
  }
  if (wanted === undefined) return most - 1;
  if (wanted < most) return wanted;
  throw fail(
    "precondition",
    `the signing authority allows a path length of ${most - 1} below it, not ${wanted}`,
  );
}

const BACKDATE_SECONDS = 10;
