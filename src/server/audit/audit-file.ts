/** Files of the audit log: their names, their order, and the way a last line that was cut off is recognised. */
import { type FileHandle, readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../../base/make-folder.ts";
import { AUDIT_VERSION, type AuditRecord } from "../../observe/audit.ts";

/** The first sequence number that a file holds is in its name, so that names sort as records do. */
export function auditFileName(firstSeq: number): string {
  return `audit-${String(firstSeq).padStart(SEQ_DIGITS, "0")}.jsonl`;
}

export interface AuditFileRef {
  readonly path: string;
  readonly firstSeq: number;
}

/** In order; none when the folder is not there. */
export async function listAuditFiles(dir: string): Promise<readonly AuditFileRef[]> {
  makeFolder(dir, 0o700);
  const names = (await readdir(dir)).filter((name) => FILE_NAME.test(name)).sort();
  return names.map((name) => ({
    path: join(dir, name),
    firstSeq: Number(FILE_NAME.exec(name)?.[1]),
  }));
}

/** A record, or undefined for anything that is none. */
export function parseAuditLine(line: string): AuditRecord | undefined {
  try {
    const record = JSON.parse(line) as AuditRecord;
    if (!Number.isSafeInteger(record.seq) || !Number.isSafeInteger(record.v)) return undefined;
    if (record.v < AUDIT_VERSION || typeof record.time !== "string") return undefined;
    return record;
  } catch {
    return undefined; // not JSON: a line that was cut off
  }
}

export interface Tail {
  /** Where the next line goes. */
  readonly size: number;
  /** The next sequence number. */
  readonly nextSeq: number;
  /** Bytes behind `size` that are no records. */
  readonly tornBytes: number;
}

/**
 * Finds the end of the last whole record. A crash can only have hurt the last group, which is not longer than
 * `MAX_GROUP_BYTES`: whatever stands before that is taken as it is.
 */
export async function findTail(handle: FileHandle, firstSeq: number): Promise<Tail> {
  const { size: length } = await handle.stat();
  const start = Math.max(0, length - MAX_GROUP_BYTES - MAX_LINE_BYTES);
  const bytes = Buffer.alloc(length - start);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
  const text = bytes.subarray(0, bytesRead);
  // Not at a line's start unless at the file's.
  let at = start === 0 ? 0 : text.indexOf(NEWLINE) + 1;
  let expected = start === 0 ? firstSeq : undefined;
  for (;;) {
    const end = text.indexOf(NEWLINE, at);
    if (end < 0) break;
    const record = parseAuditLine(text.toString("utf8", at, end));
    if (record === undefined || (expected !== undefined && record.seq !== expected)) break;
    expected = record.seq + 1;
    at = end + 1;
  }
  const size = start + at;
  return { size, nextSeq: expected ?? firstSeq, tornBytes: length - size };
}

/** One write and one flush carry at most so much. */
export const MAX_GROUP_BYTES = 1 << 20;
export const MAX_LINE_BYTES = 32 << 10;
const SEQ_DIGITS = 15;
const FILE_NAME = /^audit-(\d{15})\.jsonl$/;
const NEWLINE = 0x0a;
