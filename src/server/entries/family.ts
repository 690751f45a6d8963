/** Members of the families that entries with a template name: who may have which, and what the server checks itself. */
import type { EpochSeconds } from "../../base/clock.ts";
import { isServerChecked, valueOf } from "../../attestors/template-values.ts";
import { errorFrom, fail, isKind } from "../../base/errors.ts";
import { IdTemplate, type TemplateVariable } from "../../spiffe/id-template.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { EntryReader, EntryRecord, EntryTemplate } from "../datastore/contract.ts";
import { isExpired } from "./expiry.ts";
import { withMemberValues } from "./jwt-claims.ts";

/** A workload's pod, as its agent says. */
export interface MemberPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface Member {
  readonly entryId: string;
  /** By variable, as the template has it: `k8s.ns`. */
  readonly values: ReadonlyMap<string, string>;
  readonly pod?: MemberPod;
}

/** Values that the server found out by itself, by variable. */
export interface PodCheck {
  /**
   * What the agent's cluster says of a pod that runs on the agent's node.
   * @throws denied when it runs elsewhere, or there is no such pod or cluster; unavailable when the cluster cannot say
   */
  lookUp(agentId: string, pod: MemberPod, signal: AbortSignal): Promise<PodFacts>;
}

export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
  readonly labels: ReadonlyMap<string, string>;
}

export interface FamilyOptions {
  readonly entries: {
    /** The entry, if the agent may fetch it. */
    find(agentId: string, entryId: string): EntryRecord | undefined;
  };
  readonly pods: PodCheck;
  /** All entries, whoever may fetch them. */
  readonly registry: Pick<EntryReader, "list">;
}

export class Families {
  readonly #options: FamilyOptions;

  constructor(options: FamilyOptions) {
    this.#options = options;
  }

  /**
   * The entry of one member: as the family's, with the member's own SPIFFE ID.
   * @throws not_found when the agent may not have the entry, or it has no template; invalid for other variables than the
   * template's; denied for a value that is no path segment or is not what the server found; unavailable
   */
  async member(
    agentId: string,
    { entryId, values, pod }: Member,
    signal: AbortSignal,
  ): Promise<EntryRecord> {
    const { entries } = this.#options;
    const found = entries.find(agentId, entryId);
    if (found?.template === undefined) {
      throw fail("not_found", "entry with a template not found or not authorized");
    }
    const filled = fillEntry(found, found.template, values);
    await requireNoRights(filled, this.#options.registry);
    if (!found.template.trustAgent) {
      if (pod === undefined) {
        throw fail("denied", `entry ${entryId}: the workload's pod is not named`);
      }
      const facts = await this.#options.pods.lookUp(agentId, pod, signal);
      for (const { text, name, key } of templateOf(found, found.template).variables) {
        if (values.get(text) === factOf(facts, name, key)) continue;
        throw fail("denied", `the pod's {{${text}}} is another one`);
      }
    }
    // That took its time: nothing is signed for what was taken away or changed meanwhile.
    if (entries.find(agentId, entryId) !== found) {
      throw fail("unavailable", `entry ${entryId} changed meanwhile; retry`);
    }
    return filled;
  }
}

/**
 * The entry of the member that a pod is, by selectors that the server has found out itself.
 * @returns a sentence when it is none: which value is missing, does not fit, or is one that a cluster does not say
 * @throws denied when the member's SPIFFE ID has rights
 */
export async function memberBySelectors(
  entry: EntryRecord & { readonly template: EntryTemplate },
  selectors: readonly Selector[],
  registry: Pick<EntryReader, "list">,
): Promise<EntryRecord | string> {
  let filled: EntryRecord;
  try {
    const values = new Map<string, string>();
    for (const variable of templateOf(entry, entry.template).variables) {
      values.set(variable.text, requireValue(variable, selectors));
    }
    filled = fillEntry(entry, entry.template, values);
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (!isKind(error, "denied", "invalid")) throw thrown;
    return `entry ${entry.id} has a template: ${error.message}`;
  }
  await requireNoRights(filled, registry);
  return filled;
}

function requireValue(variable: TemplateVariable, selectors: readonly Selector[]): string {
  const { text } = variable;
  if (!isServerChecked(variable)) {
    throw fail("denied", `no cluster says what {{${text}}} is`);
  }
  const value = valueOf(variable, selectors);
  if (value !== undefined) return value;
  throw fail("denied", `the pod has no value for {{${text}}}, or several`);
}

/** What has one SPIFFE ID. */
export interface OwnEntries {
  readonly plain: readonly EntryRecord[];
  /** Filled in, of entries with a template. */
  readonly members: readonly EntryRecord[];
}

/**
 * The entries that whoever has proved to have this SPIFFE ID stands for, without expired ones: those with the ID, and what
 * those with a template make of it. No two members of a family have the same ID, so that it says which values are its own.
 * One with rights is no member.
 */
export async function entriesWithId(
  id: SpiffeId,
  registry: Pick<EntryReader, "list">,
  now: EpochSeconds,
): Promise<OwnEntries> {
  const live = async (spiffeId: string): Promise<EntryRecord[]> => {
    const { items } = await registry.list({ spiffeId });
    return items.filter((entry) => !isExpired(entry, now));
  };
  const plain = (await live(id.toString())).filter(({ template }) => template === undefined);
  if (plain.some(({ admin, downstream }) => admin || downstream)) return { plain, members: [] };
  const families = (await Promise.all(prefixesOf(id).map(live))).flat();
  const members = families.map((entry) =>
    entry.template === undefined ? undefined : memberWithId(entry, entry.template, id),
  );
  return { plain, members: members.filter((member) => member !== undefined) };
}

function memberWithId(
  entry: EntryRecord,
  template: EntryTemplate,
  id: SpiffeId,
): EntryRecord | undefined {
  try {
    const values = templateOf(entry, template).match(id);
    return values === undefined ? undefined : fillEntry(entry, template, values);
  } catch (thrown) {
    // One that cannot be read, or that the server could not have signed for.
    if (isKind(thrown, "denied", "invalid")) return undefined;
    throw thrown;
  }
}

/** IDs above it that have a path; the parts of a template below such a one are bounded. */
function prefixesOf(id: SpiffeId): string[] {
  const { id: domain } = id.trustDomain;
  const segments = id.path.split("/").slice(1);
  const first = Math.max(1, segments.length - MAX_SEGMENTS);
  return segments
    .slice(first)
    .map((_, index) => `${domain}/${segments.slice(0, first + index).join("/")}`);
}

/** Rights go by SPIFFE ID: a family must not reach those of an entry that happens to be among its members. */
async function requireNoRights(
  { id, spiffeId }: EntryRecord,
  registry: Pick<EntryReader, "list">,
): Promise<void> {
  const { items } = await registry.list({ spiffeId });
  const holder = items.find(({ admin, downstream }) => admin || downstream);
  if (holder === undefined) return;
  throw fail(
    "denied",
    `entry ${id}: ${spiffeId} has rights by entry ${holder.id}, and is no member of a family`,
  );
}

function fillEntry(
  entry: EntryRecord,
  template: EntryTemplate,
  values: ReadonlyMap<string, string>,
): EntryRecord {
  const parsed = templateOf(entry, template);
  const known = new Set(parsed.variables.map(({ text }) => text));
  if ([...values.keys()].some((variable) => !known.has(variable))) {
    throw fail("invalid", `entry ${entry.id} has a template with other variables`);
  }
  const spiffeId = parsed.fill(({ text }) => values.get(text)).toString();
  const { template: _, ...plain } = entry;
  const { jwtClaims } = entry;
  return {
    ...plain,
    spiffeId,
    ...(jwtClaims !== undefined && { jwtClaims: withMemberValues(jwtClaims, values) }),
  };
}

/** Checked again: what is stored may have been written by another version. */
function templateOf({ id, spiffeId }: EntryRecord, template: EntryTemplate): IdTemplate {
  const parsed = IdTemplate.parse(template.id, spiffeId);
  if (!template.trustAgent && !parsed.variables.every(isServerChecked)) {
    throw fail("denied", `entry ${id} has a template that the server cannot check`);
  }
  return parsed;
}

function factOf(facts: PodFacts, name: string, key: string | undefined): string | undefined {
  switch (name) {
    case "ns":
      return facts.namespace;
    case "sa":
      return facts.serviceAccount;
    case "pod-name":
      return facts.name;
    case "pod-uid":
      return facts.uid;
    case "pod-label":
      return facts.labels.get(key ?? "");
    default:
      return undefined;
  }
}

/** As many as a template of 1024 characters can have. */
const MAX_SEGMENTS = 512;
