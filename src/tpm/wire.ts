/** The bytes of TPM 2.0 structures: big-endian numbers, and byte strings (TPM2B) behind their length. */
import { asBuffer, concatBytes } from "../base/bytes.ts";
import { type AssayError, fail } from "../base/errors.ts";

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 0xff, value & 0xff);
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return new Uint8Array(bytes);
}

/** A TPM2B: the parts behind their length in two bytes. @throws invalid above 65535 bytes */
export function sized(...parts: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(parts);
  if (content.length > 0xffff) throw fail("invalid", "tpm structure is longer than 65535 bytes");
  return concatBytes([u16(content.length), content]);
}

/** Reads a structure from its start; every length is checked against what is there. */
export class TpmReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what begins messages: `tpm public area` */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** How many bytes were read. */
  get at(): number {
    return this.#at;
  }

  u8(): number {
    return this.take(1)[0] ?? 0;
  }

  u16(): number {
    return asBuffer(this.take(2)).readUInt16BE();
  }

  u32(): number {
    return asBuffer(this.take(4)).readUInt32BE();
  }

  /** A copy. @throws invalid when there are not as many */
  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.malformed("ends too early");
    const part = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return part;
  }

  /** The content of a TPM2B. @throws invalid, also when it is longer than `most` bytes */
  sized(most: number): Uint8Array {
    const length = this.u16();
    if (length > most) throw this.malformed(`has a part that is longer than ${most} bytes`);
    return this.take(length);
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#at);
  }

  /** @throws invalid when something is left */
  end(): void {
    if (this.#at !== this.#bytes.length) throw this.malformed("has something behind it");
  }

  malformed(rule: string): AssayError {
    return fail("invalid", `${this.#what} ${rule}`);
  }
}
