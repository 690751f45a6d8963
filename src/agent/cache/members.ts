/** Members of the families that entries with a template name: which one a workload is, and those that are held. */
import { valueOf } from "../../attestors/template-values.ts";
import { isKind } from "../../base/errors.ts";
import { IdTemplate } from "../../spiffe/id-template.ts";
import type { Selector } from "../../spiffe/selector.ts";
import { type Entry, type Member, entryVersion } from "./entry.ts";

/** An entry of its own for each member, named so that no other one has its id. */
interface MemberEntry extends Entry {
  readonly member: Member;
}

/**
 * The entry as a workload with these selectors has it: with its own SPIFFE ID, and its own SVID for each pod, as the
 * server asks where that pod is. `undefined` when it lacks a value, has several, or one that is no path segment.
 */
export function memberOf(entry: Entry, selectors: readonly Selector[]): MemberEntry | undefined {
  const { template, ...plain } = entry;
  if (template === undefined) return undefined;
  const { variables } = IdTemplate.parse(template.id, entry.spiffeId);
  const values = variables.flatMap((variable) => {
    const value = valueOf(variable, selectors);
    return value === undefined ? [] : [{ variable: variable.text, value }];
  });
  const byName = new Map(values.map(({ variable, value }) => [variable, value]));
  const spiffeId = filled(entry.spiffeId, template.id, byName);
  const pod = template.trustAgent ? undefined : podOf(selectors);
  if (spiffeId === undefined || (pod === undefined && !template.trustAgent)) return undefined;
  return {
    ...plain,
    id: [entry.id, spiffeId, ...(pod === undefined ? [] : [pod.uid])].join(" "),
    spiffeId,
    // Nobody knows who will come: an SVID is made for who has.
    disableX509SvidPrefetch: true,
    member: { entryId: entry.id, values, ...(pod === undefined ? {} : { pod }) },
  };
}

function filled(
  prefix: string,
  template: string,
  values: ReadonlyMap<string, string>,
): string | undefined {
  try {
    return IdTemplate.parse(template, prefix)
      .fill(({ text }) => values.get(text))
      .toString();
  } catch (thrown) {
    if (isKind(thrown, "denied", "invalid")) return undefined;
    throw thrown;
  }
}

function podOf(selectors: readonly Selector[]): Member["pod"] {
  const [namespace, name, uid] = POD_VARIABLES.map((variable) => valueOf(variable, selectors));
  if (namespace === undefined || name === undefined || uid === undefined) return undefined;
  return { namespace, name, uid };
}

/** By which the server asks for a workload's pod. */
export const POD_VARIABLES = ["ns", "pod-name", "pod-uid"].map((name) => ({
  text: `k8s.${name}`,
  type: "k8s",
  name,
}));

/** Members that a stream or an SVID stands for: no more of them than of those. */
export class Members {
  readonly #entries = new Map<string, MemberEntry>();

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  values(): Iterable<MemberEntry> {
    return this.#entries.values();
  }

  /** Takes over what is a member. */
  put(entries: readonly Entry[]): void {
    for (const entry of entries) if (isMember(entry)) this.#entries.set(entry.id, entry);
  }

  /** Forgets those whose family came, went or changed. @returns their ids */
  dropOf(entryIds: ReadonlySet<string>): string[] {
    return this.#drop(({ member }) => entryIds.has(member.entryId));
  }

  /** Forgets those that nothing stands for any more. @returns their ids */
  prune(isUsed: (id: string) => boolean): string[] {
    return this.#drop(({ id }) => !isUsed(id));
  }

  /** Those of a family, as they were with the entry of before and as they are. */
  rotated(before: Entry): readonly (readonly [Entry, Entry])[] {
    const { createdAt, revisionNumber } = before;
    return [...this.#entries.values()]
      .filter(({ member }) => member.entryId === before.id)
      .map((entry) => [{ ...entry, createdAt, revisionNumber }, entry] as const);
  }

  #drop(isOver: (entry: MemberEntry) => boolean): string[] {
    const ids = [...this.#entries.values()].filter(isOver).map(({ id }) => id);
    for (const id of ids) this.#entries.delete(id);
    return ids;
  }
}

/**
 * For keys of what is held: what a token says follows from its entry, which may have claims of its own that differ from
 * another one's with the same SPIFFE ID. Members with one SPIFFE ID share theirs, whatever their pods.
 */
export function tokenVersion(entry: Entry): string {
  let version = VERSIONS.get(entry);
  if (version === undefined) {
    const id = isMember(entry) ? entry.member.entryId : entry.id;
    version = JSON.stringify([entry.spiffeId, id, entryVersion(entry)]);
    VERSIONS.set(entry, version);
  }
  return version;
}

/** Entries are never changed, and asked about with every token. */
const VERSIONS = new WeakMap<Entry, string>();

function isMember(entry: Entry): entry is MemberEntry {
  return entry.member !== undefined;
}
