import { randomBytes, randomFillSync } from "node:crypto";

/** Randomness, injected: `bytes` for secrets and serials, `unit` for jitter only. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). */
  unit(): number;
}

export const systemRandom: Random = {
  bytes: (length) => (length > MAX_POOLED ? randomBytes(length) : fromPool(length)),
  unit: () => Math.random(),
};

/** A version 4 UUID (RFC 9562 §5.4) from the injected source. */
export function uuid(random: Random): string {
  const b = Uint8Array.from(random.bytes(16));
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x40;
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(b).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Asking the system costs the same for few bytes and for many: they are drawn ahead, and wiped as they are given out. */
function fromPool(length: number): Uint8Array {
  if (poolAt + length > POOL_BYTES) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const bytes = pool.slice(poolAt, poolAt + length);
  pool.fill(0, poolAt, poolAt + length);
  poolAt += length;
  return bytes;
}

const MAX_POOLED = 64;
const POOL_BYTES = 4096;
const pool = new Uint8Array(POOL_BYTES);
let poolAt = POOL_BYTES;
