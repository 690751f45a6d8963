import { fail } from "../../base/errors.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import { ENTRY_FIELDS, type EntryField, type EntryFields, fieldsOf } from "./entry-fields.ts";
import type { DesiredEntry } from "./entry-file.ts";
import type { EntryBeside } from "./beside.ts";
import { CLAIMS_KEY, type EntryClaims } from "./claims.ts";
import type { EntryTemplate } from "./templates.ts";

export interface EntryUpdate {
  readonly id: string;
  readonly desired: DesiredEntry;
  /** The names of the fields that differ, and how. */
  readonly changes: readonly FieldChange[];
}

export interface FieldChange {
  readonly field: EntryField | "template" | typeof CLAIMS_KEY;
  readonly from: unknown;
  readonly to: unknown;
}

export interface RegistryDiff {
  readonly create: readonly DesiredEntry[];
  readonly update: readonly EntryUpdate[];
  /** In the registry, not in the file. */
  readonly extra: readonly Entry__Output[];
  readonly unchanged: number;
}

/**
 * What has to be done so that the registry is what the file says.
 * @throws invalid when two entries of the file are one and the same
 */
export function diffRegistry(
  desired: readonly DesiredEntry[],
  present: readonly Entry__Output[],
  besideOf: (id: string) => EntryBeside,
): RegistryDiff {
  const byId = new Map(present.map((entry) => [entry.id, entry]));
  const bySame = new Map(present.map((entry) => [sameness(fieldsOf(entry)), entry]));
  const matched = new Set<string>();
  const seen = new Set<string>();
  const create: DesiredEntry[] = [];
  const update: EntryUpdate[] = [];
  let unchanged = 0;
  for (const entry of desired) {
    const found = entry.id === undefined ? bySame.get(sameness(entry)) : byId.get(entry.id);
    for (const name of [sameness(entry), ...(found === undefined ? [] : [found.id])]) {
      if (seen.has(name)) {
        throw fail("invalid", `the file has two entries that are the same: ${entry.spiffeId}`);
      }
      seen.add(name);
    }
    if (found === undefined) {
      create.push(entry);
      continue;
    }
    matched.add(found.id);
    const beside = besideOf(found.id);
    const changes = [
      ...changesOf(fieldsOf(found), entry),
      ...templateChange(found, beside.template, entry),
      ...claimsChange(beside.claims, entry.claims),
    ];
    if (changes.length === 0) unchanged += 1;
    else update.push({ id: found.id, desired: entry, changes });
  }
  const extra = present.filter((entry) => !matched.has(entry.id) && !isHostAlias(entry));
  return { create, update, extra, unchanged };
}

/** A name that a join token gave to its agent's host: it belongs to the agent and to no file. */
function isHostAlias({ selectors }: Entry__Output): boolean {
  return selectors.length === 1 && selectors[0]?.type === "spiffe_id";
}

/** The server holds two entries with the same of all three for one. */
function sameness({ spiffeId, parentId, selectors }: EntryFields): string {
  return JSON.stringify([spiffeId, parentId, selectors]);
}

/** @throws invalid where an identity is to become a family, or the other way round */
function templateChange(
  { id }: Entry__Output,
  from: EntryTemplate | undefined,
  { spiffeId, template: to }: DesiredEntry,
): FieldChange[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  if (from === undefined || to === undefined) {
    throw fail(
      "invalid",
      `${spiffeId}: entry ${id} has ${from === undefined ? "no" : "a"} template, and keeps ${from === undefined ? "none" : "one"}; delete it first`,
    );
  }
  return [{ field: "template", from, to }];
}

/** Those that SPIRE's message has. */
export function plainFields(changes: readonly FieldChange[]): readonly EntryField[] {
  return changes.flatMap(({ field }) =>
    field === "template" || field === CLAIMS_KEY ? [] : [field],
  );
}

function claimsChange(from: EntryClaims = {}, to: EntryClaims = {}): FieldChange[] {
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ field: CLAIMS_KEY, from, to }];
}

function changesOf(before: EntryFields, after: EntryFields): FieldChange[] {
  return ENTRY_FIELDS.filter(
    (field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]),
  ).map((field) => ({ field, from: before[field], to: after[field] }));
}
