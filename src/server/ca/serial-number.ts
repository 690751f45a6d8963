import type { Random } from "../../base/random.ts";

/** A certificate serial, uniform in 1..2^128-1 (RFC 5280 §4.1.2.2: positive, at most 20 octets): 16 bytes, big-endian. */
export function randomSerial(random: Random): Uint8Array {
  for (;;) {
    const serial = random.bytes(16);
    if (serial.some((byte) => byte !== 0)) return serial;
  }
}
