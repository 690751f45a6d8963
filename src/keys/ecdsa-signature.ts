import { fail } from "../base/errors.ts";

/**
 * DER `Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 §2.2.3) to the fixed-width `r || s` of
 * JWS (RFC 7518 §3.4).
 * @param size bytes of one half: 32 for P-256, 48 for P-384
 * @throws invalid when `der` is not exactly that structure or a number does not fit
 */
export function ecdsaRawFromDer(der: Uint8Array, size: number): Uint8Array {
  // Both halves of at most 48 bytes: every length is of the one-byte form.
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || der.length > 127) throw malformed();
  const raw = new Uint8Array(size * 2);
  const afterR = copyInteger(der, 2, raw.subarray(0, size));
  const end = copyInteger(der, afterR, raw.subarray(size));
  if (end !== der.length) throw malformed();
  return raw;
}

/**
 * The way back: `r || s` to DER.
 * @throws invalid when `raw` is not two halves of 32 or 48 bytes
 */
export function ecdsaDerFromRaw(raw: Uint8Array): Uint8Array {
  if (raw.length !== 64 && raw.length !== 96) throw malformed();
  const half = raw.length / 2;
  const r = integerOf(raw.subarray(0, half));
  const s = integerOf(raw.subarray(half));
  return Uint8Array.from([0x30, r.length + s.length, ...r, ...s]);
}

/** Copies one INTEGER, right-aligned, into `out`; returns the offset behind it. */
function copyInteger(der: Uint8Array, at: number, out: Uint8Array): number {
  const length = der[at + 1] ?? 0;
  const end = at + 2 + length;
  if (der[at] !== 0x02 || length === 0 || end > der.length) throw malformed();
  let start = at + 2;
  const first = der[start] ?? 0;
  if ((first & 0x80) !== 0) throw malformed();
  if (first === 0) {
    // A leading zero is only right in front of a set top bit; a lone zero is no ECDSA value at all.
    if (length === 1 || ((der[start + 1] ?? 0) & 0x80) === 0) throw malformed();
    start += 1;
  }
  if (end - start > out.length) throw malformed();
  out.set(der.subarray(start, end), out.length - (end - start));
  return end;
}

function integerOf(half: Uint8Array): number[] {
  let start = 0;
  while (start < half.length - 1 && half[start] === 0) start += 1;
  const digits = [...half.subarray(start)];
  if (((digits[0] ?? 0) & 0x80) !== 0) digits.unshift(0);
  return [0x02, digits.length, ...digits];
}

function malformed(): Error {
  return fail("invalid", "ecdsa signature is malformed");
}
