import { toHex } from "../../base/bytes.ts";
import type { Signer } from "../../keys/contract.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { createCsr } from "../../x509/csr.ts";
import { NO_URIS } from "../../x509/name-constraints.ts";
import { type NameAttribute, distinguishedName } from "../../x509/names.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";

/** Whose authority it is: the trust domain's own, or that of a set beside it. */
export interface CaOwner {
  readonly trustDomain: Pick<TrustDomain, "id" | "name">;
  readonly set?: string;
}

/** How such an authority is named. Only the trust domain's own has its SPIFFE ID. */
export function caNames({ trustDomain, set }: CaOwner): {
  readonly subject: readonly NameAttribute[];
  readonly uri?: string;
} {
  if (set === undefined) {
    const subject = [
      { type: "C", value: "US" },
      { type: "O", value: "SPIFFE" },
    ] as const;
    return { subject, uri: trustDomain.id };
  }
  return {
    subject: [
      { type: "O", value: trustDomain.name.slice(0, MAX_NAME) },
      { type: "CN", value: `${trustDomain.name} ${set}`.slice(0, MAX_NAME) },
    ],
  };
}

/**
 * The request of an authority, DER PKCS #10, signed by its key.
 * @param constrained whether that of a set asks for name constraints that leave no URI; whoever signs decides
 */
export function requestFor(
  signer: Signer,
  owner: CaOwner,
  constrained = true,
): Promise<Uint8Array> {
  const { subject, uri } = caNames(owner);
  // Names are unique where whoever signs takes the subject over: some path builders look for the issuer by name alone.
  const keyId = toHex(subjectKeyId(signer.publicKey).subarray(0, 16));
  return createCsr({
    uris: uri === undefined ? [] : [uri],
    subject: distinguishedName([
      ...subject,
      { type: "serialNumber", value: BigInt(`0x${keyId}`).toString() },
    ]),
    ...(uri === undefined && constrained ? { nameConstraints: NO_URIS } : {}),
    signer,
  });
}

/** RFC 5280 appendix A.1: ub-common-name and ub-organization-name. */
const MAX_NAME = 64;
