import type { Signer } from "../../keys/contract.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { createCsr } from "../../x509/csr.ts";
import { distinguishedName } from "../../x509/names.ts";

/** The request of an authority of this trust domain, DER PKCS #10, signed by its key. */
export function requestFor(
  signer: Signer,
  trustDomain: Pick<TrustDomain, "id">,
): Promise<Uint8Array> {
  const subject = distinguishedName([
    { type: "C", value: "US" },
    { type: "O", value: "SPIFFE" },
  ]);
  return createCsr({ uris: [trustDomain.id], subject, signer });
}
