import { createHash, createHmac } from "node:crypto";
import { concatBytes } from "../base/bytes.ts";
import type { TpmHash } from "./hash.ts";
import { u32 } from "./wire.ts";

export interface KeyDerivationParams {
  readonly hash: TpmHash;
  /** KDFa: the key of the HMAC. KDFe: the shared x coordinate. */
  readonly secret: Uint8Array;
  /** ASCII, without the zero byte that is put behind it. */
  readonly label: string;
  readonly partyU: Uint8Array;
  readonly partyV: Uint8Array;
  /** Of the result; a multiple of 8. */
  readonly bits: number;
}

/** KDFa: HMAC in counter mode, SP 800-108 (TCG TPM 2.0 Library, Part 1 §11.4.10.2). */
export function kdfa(params: KeyDerivationParams): Uint8Array {
  const { hash, secret, label, partyU, partyV, bits } = params;
  return blocks(bits, (counter) =>
    createHmac(hash, secret)
      .update(concatBytes([u32(counter), labelBytes(label), partyU, partyV, u32(bits)]))
      .digest(),
  );
}

/** KDFe: for secrets of an ECDH, SP 800-56A (Part 1 §11.4.10.3). */
export function kdfe(params: KeyDerivationParams): Uint8Array {
  const { hash, secret, label, partyU, partyV, bits } = params;
  return blocks(bits, (counter) =>
    createHash(hash)
      .update(concatBytes([u32(counter), secret, labelBytes(label), partyU, partyV]))
      .digest(),
  );
}

/** The label with the zero byte that ends it. */
export function labelBytes(label: string): Uint8Array {
  return new TextEncoder().encode(`${label}\0`);
}

function blocks(bits: number, block: (counter: number) => Uint8Array): Uint8Array {
  const out: Uint8Array[] = [];
  const bytes = bits / 8;
  for (let counter = 1, length = 0; length < bytes; counter += 1) {
    const next = block(counter);
    out.push(next);
    length += next.length;
  }
  return concatBytes(out).slice(0, bytes);
}
