/**
 * The other signature of an ECDSA signature: where `(r, s)` fits, `(r, n - s)` does as well (SEC 1 §4.1.4), and no key is
 * needed to write it. Whatever is named by a hash over a signature therefore has two names.
 * @param raw `r || s` of P-256, P-384 or P-521: 64, 96 or 132 bytes, `s` below the group's order
 * @returns undefined for another length
 */
export function ecdsaTwin(raw: Uint8Array): Uint8Array | undefined {
  const size = raw.length / 2;
  const order = ORDERS.get(size);
  if (order === undefined) return undefined;
  const s = BigInt(`0x${Buffer.from(raw.subarray(size)).toString("hex")}`);
  const twin = Uint8Array.from(raw);
  const other = (BigInt(`0x${order}`) - s).toString(16).padStart(2 * size, "0");
  twin.set(Buffer.from(other, "hex"), size);
  return twin;
}

/** Of the curves' groups (SEC 2 §2.4.2, §2.5.1, §2.6.1), hex, by the bytes of one half. */
const ORDERS: ReadonlyMap<number, string> = new Map([
  [32, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"],
  [
    48,
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
  ],
  [
    66,
    "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
  ],
]);
