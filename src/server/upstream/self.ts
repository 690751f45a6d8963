import { toHex } from "../../base/bytes.ts";
import type { Random } from "../../base/random.ts";
import { distinguishedName } from "../../x509/names.ts";
import { signCa } from "../../x509/sign.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import { randomSerial } from "../ca/serial-number.ts";
import type { CaRequest, SignedCa, Upstream } from "./contract.ts";

/** No upstream: each authority is its own root. */
export function selfSigned(random: Random): Upstream {
  return {
    authority: {
      name: "self",
      async sign({ key, trustDomain, now, ttlSeconds }: CaRequest): Promise<SignedCa> {
        const serial = randomSerial(random);
        // The serial keeps names unique across rotations: some path builders look for the issuer by name alone.
        const name = distinguishedName([
          { type: "C", value: "US" },
          { type: "O", value: "SPIFFE" },
          { type: "serialNumber", value: BigInt(`0x${toHex(serial)}`).toString() },
        ]);
        const root = await signCa(
          {
            serial,
            issuer: name,
            subject: name,
            notBefore: now - BACKDATE_SECONDS,
            notAfter: now + ttlSeconds,
            publicKey: key.publicKey,
            uri: trustDomain.id,
            authorityKeyId: subjectKeyId(key.publicKey),
          },
          key,
        );
        return { chain: [root], roots: [root] };
      },
      [Symbol.asyncDispose]: async () => undefined,
    },
  };
}

const BACKDATE_SECONDS = 10;
