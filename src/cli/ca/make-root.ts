import { toHex } from "../../base/bytes.ts";
import { systemRandom } from "../../base/random.ts";
import type { KeyType } from "../../keys/contract.ts";
import { generateKey } from "../../keys/software-signer.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { distinguishedName } from "../../x509/names.ts";
import { signCa } from "../../x509/sign.ts";

export interface MadeRoot {
  /** DER. */
  readonly certificate: Uint8Array;
  /** Unencrypted. */
  readonly pkcs8: Uint8Array;
}

/** A new root of a trust domain: key, and the certificate that it signed for itself. */
export async function makeRoot({
  trustDomain,
  keyType,
  ttlSeconds,
}: {
  readonly trustDomain: TrustDomain;
  readonly keyType: KeyType;
  readonly ttlSeconds: number;
}): Promise<MadeRoot> {
  const { signer, pkcs8 } = await generateKey(keyType);
  const serial = systemRandom.bytes(16);
  const name = distinguishedName([
    { type: "C", value: "US" },
    { type: "O", value: "SPIFFE" },
    { type: "CN", value: `${trustDomain.name} root`.slice(0, MAX_COMMON_NAME) },
    { type: "serialNumber", value: BigInt(`0x${toHex(serial)}`).toString() },
  ]);
  const now = Math.floor(Date.now() / 1000);
  const certificate = await signCa(
    {
      serial,
      issuer: name,
      subject: name,
      notBefore: now - BACKDATE_SECONDS,
      notAfter: now + ttlSeconds,
      publicKey: signer.publicKey,
      uri: trustDomain.id,
    },
    signer,
  );
  return { certificate, pkcs8 };
}

const BACKDATE_SECONDS = 10;
/** X.520 ub-common-name. */
const MAX_COMMON_NAME = 64;
