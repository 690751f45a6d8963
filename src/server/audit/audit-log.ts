import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { syncFolder } from "../../base/durable-file.ts";
import { fail } from "../../base/errors.ts";
import { AUDIT_VERSION, type AuditEvent } from "../../observe/audit.ts";
import type { Logger } from "../../observe/logger.ts";
import {
  MAX_GROUP_BYTES,
  MAX_LINE_BYTES,
  auditFileName,
  findTail,
  listAuditFiles,
} from "./audit-file.ts";

export interface AuditLogOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A file that has grown beyond this is followed by a new one. */
  readonly maxFileBytes?: number;
  /** The disk, for tests of one that is full. */
  readonly openFile?: (path: string) => Promise<AuditFile>;
}

/** What the log needs of a file. A write resolves when its bytes are on disk, not before. */
export type AuditFile = Pick<FileHandle, "write" | "truncate" | "close">;

interface Pending {
  readonly event: AuditEvent;
  readonly owed: boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The log on disk: lines are only ever added, by one writer, in groups. What is asked for while one group is written
 * and flushed makes up the next one; a promise resolves when its line is on disk.
 */
export class AuditLog implements AsyncDisposable {
  readonly #options: AuditLogOptions;
  #file: { path: string; size: number; handle: AuditFile | undefined };
  #nextSeq: number;
  #queue: Pending[] = [];
  /** Of things that are done and could not be written: they come first when the disk takes lines again. */
  #owed: AuditEvent[] = [];
  #failing = false;
  #closed = false;
  #writing: Promise<void> | undefined;
  /** Records that are in the queue, in the group being written, or about to be asked for. */
  #expected = 0;
  #gathered: (() => void) | undefined;
  readonly #listeners = new Set<() => void>();

  private constructor(options: AuditLogOptions, at: { path: string; size: number; seq: number }) {
    this.#options = options;
    this.#file = { path: at.path, size: at.size, handle: undefined };
    this.#nextSeq = at.seq;
  }

  /** Takes up the log where it ends; what a crash left of a last line is cut off. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const { dir, logger } = options;
    const last = (await listAuditFiles(dir)).at(-1);
    if (last === undefined) {
      return new AuditLog(options, { path: join(dir, auditFileName(1)), size: 0, seq: 1 });
    }
    const handle = await open(last.path, "r+");
    try {
      const { size, nextSeq, tornBytes } = await findTail(handle, last.firstSeq);
      if (tornBytes > 0) {
        logger.warn("audit log ended in the middle of a line, which was cut off", {
          path: last.path,
          bytes: tornBytes,
        });
        await handle.truncate(size);
        await handle.sync();
      }
      return new AuditLog(options, { path: last.path, size, seq: nextSeq });
    } finally {
      await handle.close();
    }
  }

  get dir(): string {
    return this.#options.dir;
  }

  /** The number of the last line on disk; 0 = none. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /** Whether the last group could not be written. */
  get failing(): boolean {
    return this.#failing;
  }

  /**
   * @param options `done`: the event has happened already, and is written later when it cannot be now
   * @throws unavailable when the line cannot be written
   */
  append(event: AuditEvent, { done = false }: { readonly done?: boolean } = {}): Promise<void> {
    if (this.#closed) return Promise.reject(fail("unavailable", "the server is stopping"));
    if (this.#queue.length >= MAX_QUEUED) {
      return Promise.reject(fail("unavailable", "the audit log does not keep up; try again later"));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ event, owed: done, resolve, reject });
      this.#writing ??= this.#drain();
      this.#wakeWhenGathered();
    });
  }

  /**
   * A line is about to be asked for: the next group waits for half of those under way, for a millisecond at most. Each group
   * costs a write, a flush and two wake-ups, whatever its size; and while one half is written, the other is worked on.
   */
  expect(): Disposable {
    this.#expected += 1;
    return {
      [Symbol.dispose]: () => {
        this.#expected -= 1;
        this.#wakeWhenGathered();
      },
    };
  }

  /** Told after each group; the returned function ends that. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#gathered?.();
    await this.#writing;
    await this.#file.handle?.close();
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Requests that came in together are answered together.
      for (let turn = 0; turn < GATHER_TURNS; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      await this.#gather();
      await this.#writeGroup();
    }
    this.#writing = undefined;
  }

  async #gather(): Promise<void> {
    if (this.#closed || this.#hasGathered()) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(GATHER_MS, resolve);
      this.#gathered = () => {
        cancel();
        resolve();
      };
    });
    this.#gathered = undefined;
  }

  #wakeWhenGathered(): void {
    if (this.#gathered !== undefined && this.#hasGathered()) this.#gathered();
  }

  #hasGathered(): boolean {
    return this.#queue.length >= Math.min(this.#expected / 2, ENOUGH);
  }

  async #writeGroup(): Promise<void> {
    const { text, lines, owed, group } = this.#takeGroup();
    try {
      await this.#write(Buffer.from(text));
    } catch (cause) {
      this.#fall(group, cause);
      return;
    }
    this.#nextSeq += lines;
    this.#owed.splice(0, owed);
    if (this.#failing) this.#options.logger.info("audit log can be written again");
    this.#failing = false;
    for (const { resolve } of group) resolve();
    for (const listener of this.#listeners) listener();
  }

  #takeGroup(): { text: string; lines: number; owed: number; group: Pending[] } {
    const time = new Date(this.#options.clock.nowMs()).toISOString();
    let text = "";
    let lines = 0;
    let bytes = 0;
    const fits = (event: AuditEvent): boolean => {
      const { line, length } = encodeLine(event, this.#nextSeq + lines, time);
      if (bytes + length > MAX_GROUP_BYTES) return false;
      bytes += length;
      text += line;
      lines += 1;
      return true;
    };
    let owed = 0;
    for (const event of this.#owed) {
      if (!fits(event)) break;
      owed += 1;
    }
    let taken = 0;
    for (const { event } of this.#queue) {
      if (!fits(event)) break;
      taken += 1;
    }
    return { text, lines, owed, group: this.#queue.splice(0, taken) };
  }

  async #write(bytes: Buffer): Promise<void> {
    const { openFile = openForWriting, maxFileBytes = MAX_FILE_BYTES, dir } = this.#options;
    if (this.#file.size >= maxFileBytes) {
      await this.#file.handle?.close();
      this.#file = { path: join(dir, auditFileName(this.#nextSeq)), size: 0, handle: undefined };
    }
    const file = this.#file;
    if (file.handle === undefined) {
      file.handle = await openFile(file.path);
      // What a failed write left behind.
      await file.handle.truncate(file.size);
      if (file.size === 0) await syncFolder(dir);
    }
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await file.handle.write(
        bytes,
        written,
        bytes.length - written,
        file.size + written,
      );
      written += bytesWritten;
    }
    file.size += bytes.length;
  }

  #fall(group: readonly Pending[], cause: unknown): void {
    const { logger, dir } = this.#options;
    if (!this.#failing) logger.error("audit log cannot be written", { dir, error: cause });
    this.#failing = true;
    const { handle } = this.#file;
    this.#file.handle = undefined;
    // The next group opens the file anew and cuts it where this one began; the close has nothing to add.
    handle?.close().catch(() => undefined);
    for (const { event, owed, reject } of group) {
      if (owed && this.#owed.length < MAX_OWED) this.#owed.push(event);
      reject(
        fail(
          "unavailable",
          "the server's audit log cannot be written, and nothing is issued or changed without it; free space on the server's disk",
          { cause },
        ),
      );
    }
  }
}

/** @returns the line and its length in bytes */
function encodeLine(
  event: AuditEvent,
  seq: number,
  time: string,
): { readonly line: string; readonly length: number } {
  const line = `${JSON.stringify({ v: AUDIT_VERSION, seq, time, ...event })}\n`;
  const length = Buffer.byteLength(line);
  if (length <= MAX_LINE_BYTES) return { line, length };
  // Inputs are bounded far below this; a line that is too long after all says at least what it was.
  const { kind, action, outcome, requestId } = event;
  const short = {
    v: AUDIT_VERSION,
    seq,
    time,
    kind,
    action,
    outcome,
    requestId,
    reason: "record was too long",
  };
  const shortLine = `${JSON.stringify(short)}\n`;
  return { line: shortLine, length: Buffer.byteLength(shortLine) };
}

async function openForWriting(path: string): Promise<AuditFile> {
  // Not for appending: a line's place is known, and what a failed write left there is overwritten.
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_DSYNC } = constants;
  // O_DSYNC: write and flush in one way through the thread pool (open(2); fdatasync(2) says what it covers).
  return open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_DSYNC, 0o600);
}

/** A busy server writes some 350 bytes a record. */
const MAX_FILE_BYTES = 32 << 20;
const MAX_QUEUED = 20_000;
const MAX_OWED = 10_000;
/** More of them make fewer flushes and slower answers: measured, one is best at 16 callers at once. */
const GATHER_TURNS = 1;
/** About as long as a flush takes. */
const GATHER_MS = 1;
/** Lines that share the cost of a group well enough. */
const ENOUGH = 16;
