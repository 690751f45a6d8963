import { ALG } from "./constants.ts";
import type { TpmReader } from "./wire.ts";

/** Hashes that keys in a TPM are named and sign with here; SHA-1 is not among them. Node's names. */
const HASHES = ["sha256", "sha384", "sha512"] as const;
export type TpmHash = (typeof HASHES)[number];

/** A TPMI_ALG_HASH (TCG TPM 2.0 Library, Part 2). @throws invalid for any other hash */
export function readHash(reader: TpmReader): TpmHash {
  const number = reader.u16();
  const hash = HASHES.find((name) => ALG[name] === number);
  if (hash === undefined) throw reader.malformed("has a hash other than sha-256, 384 and 512");
  return hash;
}
