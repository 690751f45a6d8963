import type { Datastore } from "../datastore/contract.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { fail } from "../../base/errors.ts";
import { parseCertificate } from "../../x509/certificate.ts";

/**
 * A data folder belongs to one trust domain: its authorities, entries and nodes mean nothing in another.
 * @throws precondition when the folder's authorities are another trust domain's
 */
export async function checkFolderOwner(
  datastore: Datastore,
  trustDomain: TrustDomain,
): Promise<void> {
  for (const { chain } of await datastore.authorities.list(TRUST_DOMAIN_SET)) {
    const [own] = chain;
    if (own === undefined) continue;
    const [uri] = parseCertificate(Buffer.from(own, "base64")).uris;
    if (uri === undefined || uri === trustDomain.id) continue;
    throw fail(
      "precondition",
      `the data folder belongs to ${uri}; choose another folder for '${trustDomain.name}'`,
    );
  }
}
