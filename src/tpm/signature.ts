/** Signatures of keys in a TPM: TPMT_SIGNATURE (TCG TPM 2.0 Library, Part 2 §11.3.4). */
import { constants, verify } from "node:crypto";
import { concatBytes } from "../base/bytes.ts";
import { ALG } from "./constants.ts";
import { readHash } from "./hash.ts";
import { type PublicArea, type TpmScheme, coordinateBytes, keyObjectOf } from "./public-area.ts";
import { TpmReader } from "./wire.ts";

/** RSA: as it is. ECDSA: `r || s`, each as long as a coordinate. */
export interface TpmSignature extends TpmScheme {
  readonly bytes: Uint8Array;
}

/**
 * Reads exactly one TPMT_SIGNATURE of a key.
 * @param what begins messages
 * @throws invalid, also when it is for another kind of key
 */
export function parseTpmSignature(
  raw: Uint8Array,
  { key }: Pick<PublicArea, "key">,
  what: string,
): TpmSignature {
  const reader = new TpmReader(raw, what);
  const number = reader.u16();
  const kind = KINDS.find((name) => ALG[name] === number);
  if (kind === undefined || (kind === "ecdsa") !== (key.type === "ecc")) {
    throw reader.malformed("is not for a key of this kind");
  }
  const hash = readHash(reader);
  const bytes =
    key.type === "rsa"
      ? reader.sized(key.bits / 8)
      : concatBytes([
          half(reader, coordinateBytes(key.curve)),
          half(reader, coordinateBytes(key.curve)),
        ]);
  reader.end();
  return { kind, hash, bytes };
}

/** How a key signs: by its own scheme, or by what we ask of one that leaves the choice. */
export function schemeOf({ scheme, key }: Pick<PublicArea, "scheme" | "key">): TpmScheme {
  return scheme ?? { kind: key.type === "rsa" ? "rsassa" : "ecdsa", hash: "sha256" };
}

/** @param encoding of an ECDSA signature: `raw` as in `TpmSignature` */
export function isSignedBy(
  area: PublicArea,
  data: Uint8Array,
  { kind, hash, bytes }: TpmSignature,
  encoding: "raw" | "der" = "raw",
): Promise<boolean> {
  const own = schemeOf(area);
  if (kind !== own.kind || hash !== own.hash) return Promise.resolve(false);
  const key = keyObjectOf(area);
  const options = {
    rsassa: { key, padding: constants.RSA_PKCS1_PADDING },
    // TPMs differ in what they make of the salt's length (Part 1, annex B.7).
    rsapss: {
      key,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_AUTO,
    },
    ecdsa: { key, dsaEncoding: encoding === "raw" ? ("ieee-p1363" as const) : ("der" as const) },
  }[kind];
  return new Promise((resolve) => {
    verify(hash, data, options, bytes, (error, fits) => resolve(error === null && fits));
  });
}

function half(reader: TpmReader, length: number): Uint8Array {
  const whole = new Uint8Array(length);
  const number = reader.sized(length);
  whole.set(number, length - number.length);
  return whole;
}

const KINDS = ["rsassa", "rsapss", "ecdsa"] as const;
