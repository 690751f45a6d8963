import type { Signer } from "../../keys/contract.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { createCsr } from "../../x509/csr.ts";
import { type NameAttribute, distinguishedName } from "../../x509/names.ts";

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

/** The request of an authority, DER PKCS #10, signed by its key. */
export function requestFor(signer: Signer, owner: CaOwner): Promise<Uint8Array> {
  const { subject, uri } = caNames(owner);
  return createCsr({
    uris: uri === undefined ? [] : [uri],
    subject: distinguishedName(subject),
    signer,
  });
}

/** RFC 5280 appendix A.1: ub-common-name and ub-organization-name. */
const MAX_NAME = 64;
