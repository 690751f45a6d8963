import { toHex } from "../../base/bytes.ts";
import type { Random } from "../../base/random.ts";
import { distinguishedName } from "../../x509/names.ts";
import { signCa } from "../../x509/sign.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import { randomSerial } from "../ca/serial-number.ts";
import type { CaRequest, SignedCa, Upstream } from "./contract.ts";
import { caNames } from "./request.ts";

/** No upstream: each authority is its own root. */
export function selfSigned(random: Random): Upstream {
  return {
    authority: {
      name: "self",
      async sign({ key, now, ttlSeconds, ...owner }: CaRequest): Promise<SignedCa> {
        const { subject, uri } = caNames(owner);
        const serial = randomSerial(random);
        // The serial keeps names unique across rotations: some path builders look for the issuer by name alone.
        const name = distinguishedName([
          ...subject,
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
            ...(uri === undefined ? {} : { uri }),
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
