/** Byte helpers that neither allocate twice nor leak `Buffer` into signatures. */

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("hex");
}

export function toBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("base64");
}

export function toBase64Url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("base64url");
}

/** A `Buffer` over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * For small results that are filled at once and soon forgotten. An array of its own for each would cost more than what is
 * put into it, so those that Node would keep outside of V8's heap share memory: one that is kept for long pins some
 * others with it, a few KiB at most.
 */
export function takeBytes(length: number): Uint8Array {
  if (length <= MAX_ON_HEAP || length > MAX_SHARED) return new Uint8Array(length);
  if (sharedAt + length > shared.byteLength) {
    shared = new ArrayBuffer(SHARED_BYTES);
    sharedAt = 0;
  }
  const bytes = new Uint8Array(shared, sharedAt, length);
  sharedAt += length;
  return bytes;
}

/** V8 keeps typed arrays up to this size within its own heap. */
const MAX_ON_HEAP = 64;
const MAX_SHARED = 1024;
const SHARED_BYTES = 8192;
let shared = new ArrayBuffer(SHARED_BYTES);
let sharedAt = 0;
