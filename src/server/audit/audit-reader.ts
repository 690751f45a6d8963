import { type FileHandle, open } from "node:fs/promises";
import type { AuditRecord } from "../../observe/audit.ts";
import { listAuditFiles, parseAuditLine } from "./audit-file.ts";
import type { AuditLog } from "./audit-log.ts";

/** Conditions that hold together. */
export interface AuditFilter {
  /** The subject's or the caller's. */
  readonly spiffeId?: string;
  readonly serial?: string;
  readonly requestId?: string;
  readonly entryId?: string;
  readonly authorityId?: string;
  /** One of those in a front end's certificate; letters of either case. */
  readonly name?: string;
  /** Empty = every kind. */
  readonly kinds: readonly string[];
  /** Actions, methods or the last words of methods; absent = every one. */
  readonly actions?: readonly string[];
  /** Epoch seconds; 0 = from the beginning. */
  readonly since: number;
  /** Epoch seconds, the whole of the last one included; absent = to the end. */
  readonly until?: number;
}

export interface AuditLine {
  readonly seq: number;
  /** As it stands in the file, without its line break. */
  readonly text: string;
}

export interface ReadAuditOptions {
  readonly filter: AuditFilter;
  readonly signal: AbortSignal;
  /** Goes on with records to come. */
  readonly follow: boolean;
  /** Only the newest so many of those that are there; 0 = all. */
  readonly last: number;
}

/** The log's records in order, in bunches; only what is on disk. */
export async function* readAudit(
  log: Pick<AuditLog, "dir" | "lastSeq" | "onAppend">,
  { filter, signal, follow, last }: ReadAuditOptions,
): AsyncGenerator<readonly AuditLine[], void, void> {
  const cursor = new Cursor(log.dir);
  try {
    const there = log.lastSeq;
    let newest: AuditLine[] = [];
    for await (const lines of cursor.read(there, filter, signal)) {
      if (last === 0) yield lines;
      else newest = [...newest, ...lines].slice(-last);
    }
    if (newest.length > 0) yield newest;
    if (!follow) return;
    while (!signal.aborted) {
      await appended(log, cursor.nextSeq, signal);
      yield* cursor.read(log.lastSeq, filter, signal);
    }
  } finally {
    await cursor.close();
  }
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly firstSeq: number;
  offset: number;
}

/** A place in the files that only moves on. */
class Cursor {
  readonly #dir: string;
  #file: OpenFile | undefined;
  /** The next record that was not read. */
  nextSeq = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async *read(
    lastSeq: number,
    filter: AuditFilter,
    signal: AbortSignal,
  ): AsyncGenerator<readonly AuditLine[], void, void> {
    while (this.nextSeq <= lastSeq && !signal.aborted) {
      const chunk = await this.#chunk();
      // Fewer records than there should be: nothing to wait for here.
      if (chunk === undefined) this.nextSeq = lastSeq + 1;
      const lines = this.#consume(chunk ?? Buffer.of(), lastSeq, filter);
      if (lines.length > 0) yield lines;
    }
  }

  async close(): Promise<void> {
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  /** Behind the last record on disk there may be lines that are not flushed, or never will be: they stay unread. */
  #consume(chunk: Buffer, lastSeq: number, filter: AuditFilter): readonly AuditLine[] {
    const lines: AuditLine[] = [];
    let at = 0;
    while (this.nextSeq <= lastSeq) {
      const end = chunk.indexOf(NEWLINE, at);
      if (end < 0) break;
      const text = chunk.toString("utf8", at, end);
      at = end + 1;
      const record = parseAuditLine(text);
      if (record === undefined) continue;
      this.nextSeq = record.seq + 1;
      if (matches(record, filter)) lines.push({ seq: record.seq, text });
    }
    if (this.#file !== undefined) this.#file.offset += at;
    return lines;
  }

  /** From the present place on, at least one line; undefined when there are no more files. */
  async #chunk(): Promise<Buffer | undefined> {
    for (;;) {
      const file = (this.#file ??= await this.#open(-1));
      if (file === undefined) return undefined;
      const bytes = Buffer.alloc(CHUNK_BYTES);
      const { bytesRead } = await file.handle.read(bytes, 0, CHUNK_BYTES, file.offset);
      const read = bytes.subarray(0, bytesRead);
      if (read.includes(NEWLINE)) return read;
      const next = await this.#open(file.firstSeq);
      if (next === undefined) return undefined;
      await file.handle.close();
      this.#file = next;
    }
  }

  async #open(afterSeq: number): Promise<OpenFile | undefined> {
    const next = (await listAuditFiles(this.#dir)).find(({ firstSeq }) => firstSeq > afterSeq);
    if (next === undefined) return undefined;
    return { handle: await open(next.path, "r"), firstSeq: next.firstSeq, offset: 0 };
  }
}

function matches(record: AuditRecord, filter: AuditFilter): boolean {
  const { kind, time, subject, caller, requestId } = record;
  const { spiffeId, kinds, since, until } = filter;
  if (kinds.length > 0 && !kinds.includes(kind)) return false;
  if (since > 0 && Date.parse(time) < since * 1000) return false;
  if (until !== undefined && Date.parse(time) >= (until + 1) * 1000) return false;
  if (!isSame(filter.requestId, requestId)) return false;
  if (!isSame(filter.serial, subject?.serial)) return false;
  if (!isSame(filter.entryId, subject?.entryId)) return false;
  if (!isSame(filter.authorityId, subject?.authorityId)) return false;
  if (!hasName(subject?.names, filter.name) || !hasAction(record, filter.actions)) return false;
  if (spiffeId === undefined) return true;
  return subject?.spiffeId === spiffeId || caller?.id === spiffeId;
}

function isSame(wanted: string | undefined, value: string | undefined): boolean {
  return wanted === undefined || wanted === value;
}

function hasName(names: readonly string[] | undefined, wanted: string | undefined): boolean {
  if (wanted === undefined) return true;
  return names?.some((name) => name.toLowerCase() === wanted.toLowerCase()) ?? false;
}

function hasAction(
  { action, method }: AuditRecord,
  wanted: readonly string[] | undefined,
): boolean {
  if (wanted === undefined) return true;
  return [action, method].some(
    (text) =>
      text !== undefined &&
      (wanted.includes(text) || wanted.includes(text.slice(text.lastIndexOf("/") + 1))),
  );
}

/** Resolves when the record is on disk, or the signal says that nobody waits any more. */
function appended(
  log: Pick<AuditLog, "lastSeq" | "onAppend">,
  seq: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      if (log.lastSeq < seq && !signal.aborted) return;
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const stop = log.onAppend(done);
    signal.addEventListener("abort", done, { once: true });
    done();
  });
}

/** Longer than the longest line. */
const CHUNK_BYTES = 256 << 10;
const NEWLINE = 0x0a;
