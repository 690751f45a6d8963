import { createHash } from "node:crypto";
import { type BigIntStats, readlinkSync, stat } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type AssayError, fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import { Slots } from "./slots.ts";

/** What runs: the path as the kernel names it, and the SHA-256 of its content. */
export interface Executable {
  /** As /proc/PID/exe reads: ` (deleted)` is appended by the kernel when the file was removed or replaced. */
  readonly path: string;
  /** Lower-case hex; absent when the file is larger than the bound, or not hashed yet. */
  readonly sha256?: string;
  /** The caller's patience was over before the hash: it goes on for the next one. */
  readonly isLate?: true;
}

export interface ExecutablesOptions {
  readonly procDir: string;
  /** Larger files have no hash; 0 = never hash. */
  readonly maxBytes: number;
}

/**
 * Reads executables through the /proc/PID/exe link, so that the running file is hashed whatever its path now leads to.
 * Hashes are kept by device, inode, change time and size, never by PID.
 */
export class Executables {
  readonly #options: ExecutablesOptions;
  readonly #hashes = new LruMap<string, Promise<string>>(MAX_HASHES);
  /** Looking takes microseconds and hashing seconds: neither waits for the other. */
  readonly #looking = new Slots(2, MAX_WAITING);
  readonly #hashing = new Slots(1, MAX_WAITING);

  constructor(options: ExecutablesOptions) {
    this.#options = options;
  }

  /** @throws unavailable when the link cannot be read or the process starts another program meanwhile; limited */
  async read(pid: number, signal?: AbortSignal): Promise<Executable> {
    const link = `${this.#options.procDir}/${pid}/exe`;
    // The link itself is the kernel's and never waits for a file system; what it leads to may.
    const path = readLink(link);
    const hashed = this.#hashed(link, path);
    const found = await (signal === undefined ? hashed : orAborted(hashed, signal));
    if (found !== undefined) return found;
    if (readLink(link) !== path) throw changed();
    return { path, isLate: true };
  }

  async #hashed(link: string, path: string): Promise<Executable> {
    const stats = await this.#looking.run(() => look(link));
    if (stats.size > BigInt(this.#options.maxBytes)) {
      if (readLink(link) !== path) throw changed();
      return { path };
    }
    const key = fileKey(stats);
    const known = this.#hashes.get(key);
    const sha256 = await (known ?? this.#startHash(link, key));
    const after = known === undefined ? await this.#looking.run(() => look(link)) : stats;
    if (readLink(link) !== path || fileKey(after) !== key) throw changed();
    return { path, sha256 };
  }

  #startHash(link: string, key: string): Promise<string> {
    const hash = this.#hashing.run(() => this.#hash(link, key));
    this.#hashes.set(key, hash);
    hash.catch(() => this.#hashes.delete(key));
    return hash;
  }

  async #hash(link: string, key: string): Promise<string> {
    await using file = await open(link, "r");
    if (fileKey(await file.stat({ bigint: true })) !== key) throw changed();
    return await digest(file, this.#options.maxBytes);
  }
}

async function digest(file: FileHandle, maxBytes: number): Promise<string> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let total = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return hash.digest("hex");
    total += bytesRead;
    if (total > maxBytes) throw fail("unavailable", "the executable grew while it was hashed");
    hash.update(chunk.subarray(0, bytesRead));
  }
}

/** Undefined when the signal comes first. */
function orAborted<T>(found: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const onAbort = (): void => resolve(undefined);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([found, promise]).finally(() => signal.removeEventListener("abort", onAbort));
}

function readLink(link: string): string {
  try {
    return readlinkSync(link);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function look(link: string): Promise<BigIntStats> {
  return new Promise((resolve, reject) => {
    stat(link, { bigint: true }, (error, stats) => {
      if (error !== null) reject(unreadable(error));
      else resolve(stats);
    });
  });
}

function fileKey(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.ctimeNs}:${stats.size}`;
}

function unreadable(cause: unknown): AssayError {
  return fail("unavailable", "the executable of the calling process cannot be read", { cause });
}

function changed(): AssayError {
  return fail("unavailable", "the calling process started another program meanwhile");
}

const CHUNK_BYTES = 256 * 1024;
const MAX_HASHES = 1024;
const MAX_WAITING = 4096;
