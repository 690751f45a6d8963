import { fail } from "../../base/errors.ts";
import { isExperimental } from "../../keys/contract.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";

/**
 * @param experimental whether the operator asked for experimental key types
 * @throws invalid for a key of such a type when nobody did
 */
export function requireAllowedKey(publicKey: Uint8Array, experimental: boolean | undefined): void {
  if (experimental === true) return;
  const keyType = keyTypeOfSpki(publicKey);
  if (!isExperimental(keyType)) return;
  throw fail(
    "invalid",
    `keys of type ${keyType} are experimental and off; use another type, or set experimental: [ml-dsa] on the server`,
  );
}
