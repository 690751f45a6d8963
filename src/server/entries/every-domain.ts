import { createHash } from "node:crypto";
import type { EntryRecord } from "../datastore/contract.ts";

/** In place of a trust domain's name: every foreign domain that has a bundle, also those to come. */
export const EVERY_DOMAIN = "*";

/** What the entry federates with by name, for readers that know no `*`. */
export function withDomainNames(entry: EntryRecord, names: readonly string[]): EntryRecord {
  return entry.federatesWith.includes(EVERY_DOMAIN) ? { ...entry, federatesWith: names } : entry;
}

/**
 * The same, with a revision that differs when the names do: for agents that ask again for what has another revision.
 * They compare it for being equal and no more, so that it need not rise.
 */
export function withDomainRevision(entry: EntryRecord, names: readonly string[]): EntryRecord {
  const named = withDomainNames(entry, names);
  if (named === entry) return entry;
  return { ...named, revisionNumber: entry.revisionNumber + markOf(names) };
}

/** Below 2^31, and the same at every server and after every start. */
function markOf(names: readonly string[]): number {
  let mark = marks.get(names);
  if (mark === undefined) {
    mark = createHash("sha256").update(names.join("\n")).digest().readUInt32BE() >>> 1;
    marks.set(names, mark);
  }
  return mark;
}

const marks = new WeakMap<readonly string[], number>();
