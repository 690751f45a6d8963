import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, open, readlink, stat } from "node:fs/promises";
import { fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";

/** What runs: the path as the kernel names it, and the SHA-256 of its content. */
export interface Executable {
  /** As /proc/PID/exe reads: ` (deleted)` is appended by the kernel when the file was removed or replaced. */
  readonly path: string;
  /** Lower-case hex; absent when the file is larger than the bound. */
  readonly sha256?: string;
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
  #hashing = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: ExecutablesOptions) {
    this.#options = options;
  }

  /** @throws unavailable when the link cannot be read or the process starts another program meanwhile */
  async read(pid: number): Promise<Executable> {
    const link = `${this.#options.procDir}/${pid}/exe`;
    const before = await look(link);
    const { size } = before.stat;
    if (size > BigInt(this.#options.maxBytes)) return { path: before.path };
    const sha256 = await this.#hashOf(link, before.stat);
    const after = await look(link);
    if (after.path !== before.path || fileKey(after.stat) !== fileKey(before.stat)) {
      throw fail("unavailable", "the calling process started another program meanwhile");
    }
    return { path: before.path, sha256 };
  }

  #hashOf(link: string, seen: BigIntStats): Promise<string> {
    const key = fileKey(seen);
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    if (this.#waiting.length >= MAX_WAITING) {
      throw fail("limited", "too many executables wait to be hashed");
    }
    const hash = this.#hash(link, key);
    this.#hashes.set(key, hash);
    hash.catch(() => this.#hashes.delete(key));
    return hash;
  }

  async #hash(link: string, key: string): Promise<string> {
    if (this.#hashing >= MAX_HASHING) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#hashing += 1;
    try {
      await using file = await open(link, "r");
      if (fileKey(await file.stat({ bigint: true })) !== key) {
        throw fail("unavailable", "the calling process started another program meanwhile");
      }
      return await digest(file, this.#options.maxBytes);
    } finally {
      this.#hashing -= 1;
      this.#waiting.shift()?.();
    }
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

async function look(link: string): Promise<{ path: string; stat: BigIntStats }> {
  try {
    const [path, stats] = await Promise.all([readlink(link), stat(link, { bigint: true })]);
    return { path, stat: stats };
  } catch (cause) {
    throw fail("unavailable", "the executable of the calling process cannot be read", { cause });
  }
}

function fileKey(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.ctimeNs}:${stats.size}`;
}

const CHUNK_BYTES = 256 * 1024;
const MAX_HASHES = 1024;
const MAX_HASHING = 2;
const MAX_WAITING = 1024;
