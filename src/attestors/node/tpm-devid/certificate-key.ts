import { bytesEqual } from "../../../base/bytes.ts";
import { type PublicArea, keyObjectOf, spkiOf } from "../../../tpm/public-area.ts";
import type { Certificate } from "../../../x509/certificate.ts";
import { TAG, octetsOfBitString, oidOf, openDer } from "../../../x509/der.ts";

/**
 * Whether a certificate is for a key of a TPM. RSA keys may stand there under the algorithm that they are used with,
 * as endorsement certificates of older TPMs have it (RSAES-OAEP, RFC 4055 §4.1).
 * @throws invalid when the key is none
 */
export function isKeyOf({ publicKey }: Pick<Certificate, "publicKey">, area: PublicArea): boolean {
  if (bytesEqual(publicKey, spkiOf(area))) return true;
  if (area.key.type !== "rsa") return false;
  const spki = openDer(publicKey, TAG.sequence, "public key");
  const algorithm = oidOf(spki.enter(TAG.sequence).read(TAG.oid), "public key");
  if (algorithm !== RSAES_OAEP) return false;
  const key = octetsOfBitString(spki.read(TAG.bitString), "public key");
  return bytesEqual(key, keyObjectOf(area).export({ format: "der", type: "pkcs1" }));
}

const RSAES_OAEP = "1.2.840.113549.1.1.7";
