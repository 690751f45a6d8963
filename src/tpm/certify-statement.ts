import { GENERATED, TAG } from "./constants.ts";
import { TpmReader } from "./wire.ts";

/** What a key of a TPM says of another that is loaded beside it. */
export interface CertifyStatement {
  /** TPM2B_NAME's content, of the key that is spoken of. */
  readonly name: Uint8Array;
  /** What the one who asked had put in. */
  readonly extraData: Uint8Array;
}

/**
 * Reads exactly one TPMS_ATTEST of TPM2_Certify (TCG TPM 2.0 Library, Part 2 §10.12.12). That it begins with the number
 * which a restricted key signs for nobody from outside is what makes it a TPM's own word.
 * @param what begins messages
 * @throws invalid
 */
export function parseCertifyStatement(raw: Uint8Array, what: string): CertifyStatement {
  const reader = new TpmReader(raw, what);
  if (reader.u32() !== GENERATED) throw reader.malformed("was not made by a tpm");
  if (reader.u16() !== TAG.attestCertify) throw reader.malformed("does not certify a key");
  reader.sized(MAX_NAME_BYTES);
  const extraData = reader.sized(MAX_EXTRA_BYTES);
  // Clock, counters of resets and restarts, whether the clock is safe, version of the firmware.
  reader.take(8 + 4 + 4 + 1 + 8);
  const name = reader.sized(MAX_NAME_BYTES);
  reader.sized(MAX_NAME_BYTES);
  reader.end();
  return { name, extraData };
}

const MAX_NAME_BYTES = 2 + 64;
/** TPM2B_DATA. */
const MAX_EXTRA_BYTES = 2 + 64;
