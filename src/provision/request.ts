import type { KeyType } from "../keys/contract.ts";
import { generateKey } from "../keys/software-signer.ts";
import { createCsr } from "../x509/csr.ts";
import { distinguishedName } from "../x509/names.ts";
import { encodePem } from "../x509/pem.ts";
import type { IdentityNames } from "./names.ts";

/** A key that was made for one certificate, and the request for it. */
export interface IdentityRequest {
  /** PKCS #8 (PEM); for files in memory and TLS, nothing else. */
  readonly keyPem: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly csrPem: string;
}

/** Makes a new key and asks for these names with it. */
export async function makeRequest(
  names: IdentityNames,
  keyType: KeyType,
): Promise<IdentityRequest> {
  const { signer, pkcs8 } = await generateKey(keyType);
  const { commonName, dnsNames, ipAddresses } = names;
  const csr = await createCsr({
    uris: [],
    dnsNames,
    ipAddresses,
    subject: distinguishedName([{ type: "CN", value: commonName }]),
    signer,
  });
  return {
    keyPem: encodePem("PRIVATE KEY", pkcs8),
    publicKey: signer.publicKey,
    csrPem: encodePem("CERTIFICATE REQUEST", csr),
  };
}
