/** The data types of the SSH protocol (RFC 4251 §5), bounded. */
import { concatBytes } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";

/** Reads one value after the other; every length is checked against what is there. @throws invalid */
export class SshReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** How far it has come, bytes. */
  get position(): number {
    return this.#at;
  }

  uint32(): number {
    return Buffer.from(this.#take(4)).readUInt32BE();
  }

  uint64(): bigint {
    return Buffer.from(this.#take(8)).readBigUInt64BE();
  }

  bytes(): Uint8Array {
    return this.#take(this.uint32());
  }

  /** A string of printable ASCII, as names of algorithms are. */
  name(): string {
    const text = Buffer.from(this.bytes()).toString("latin1");
    if (!/^[\x21-\x7e]{1,64}$/.test(text)) throw this.#malformed();
    return text;
  }

  /** UTF-8. */
  text(): string {
    try {
      return UTF8.decode(this.bytes());
    } catch {
      throw this.#malformed();
    }
  }

  /** An `mpint` that is not negative, big-endian without leading zeros. */
  unsigned(): Uint8Array {
    const bytes = this.bytes();
    const [first = 0, second = 0] = bytes;
    if (bytes.length === 0) return bytes;
    if (first >= 0x80 || (first === 0 && (bytes.length === 1 || second < 0x80))) {
      throw this.#malformed();
    }
    return first === 0 ? bytes.subarray(1) : bytes;
  }

  take(length: number): Uint8Array {
    return this.#take(length);
  }

  /** @throws invalid when something is left */
  end(): void {
    if (!this.isAtEnd) throw this.#malformed();
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.#malformed();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #malformed(): Error {
    return fail("invalid", `${this.#what} is malformed`);
  }
}

/** A `string`: its length, then itself. */
export function sshString(bytes: Uint8Array | string): Uint8Array {
  const content = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return concatBytes([length, content]);
}

/** An `mpint` of a number that is not negative. @param magnitude big-endian */
export function sshMpint(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length && magnitude[start] === 0) start += 1;
  const bare = magnitude.subarray(start);
  return sshString((bare[0] ?? 0) >= 0x80 ? concatBytes([Uint8Array.of(0), bare]) : bare);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
