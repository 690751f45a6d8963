import { setImmediate } from "node:timers/promises";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { AssayError, fail, isKind } from "../../base/errors.ts";
import { selectorDoubt } from "../../attestors/selector-types.ts";
import { formatDuration } from "../../config/settings/duration.ts";
import type { Random } from "../../base/random.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type {
  Datastore,
  EntryFilter,
  EntryRecord,
  Page,
  PageRequest,
  Readers,
  Writers,
} from "../datastore/contract.ts";
import { type EntryDraft, type EntryPatch, patchRecord, recordFromDraft } from "./draft.ts";
import { EVERY_DOMAIN } from "./every-domain.ts";
import { EntryIds } from "./entry-id.ts";
import { isExpired } from "./expiry.ts";
import type { Reach } from "./reach.ts";

export interface EntryServiceOptions {
  readonly store: Datastore;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  /** The longest life that the active authority could sign at this moment. */
  readonly ttlReachSeconds: () => number;
  /** Finds entries that no agent can satisfy; without it nobody warns of them. */
  readonly reach?: Pick<Reach, "warnings">;
}

/** One answer for each item of a batch, in the batch's order. */
export type BatchResult<T> =
  | {
      readonly value: T;
      /** What the operator should know, one sentence each; absent = nothing. */
      readonly warnings?: readonly string[];
    }
  | {
      readonly error: AssayError;
      /** With `exists`: the similar entry that is there already. */
      readonly existing?: T;
    };

export interface BundleRules {
  /** SPIRE's rule: an entry names no trust domain whose bundle has not come yet. Without it that is a warning. */
  readonly bundlesRequired?: true;
}

/** One change of a plan. */
export type EntryChange =
  | { readonly kind: "create"; readonly draft: EntryDraft }
  | { readonly kind: "update"; readonly patch: EntryPatch }
  | { readonly kind: "delete"; readonly id: string };

/** Registration entries as operators see them: checked, in batches, each item with a result of its own. */
export class EntryService {
  readonly #options: EntryServiceOptions;
  readonly #ids: EntryIds;

  constructor(options: EntryServiceOptions) {
    this.#options = options;
    this.#ids = new EntryIds(options.clock, options.random);
  }

  /** All valid drafts in one transaction. Item errors: invalid, exists, precondition (a required bundle is missing). */
  async create(
    drafts: readonly EntryDraft[],
    rules: BundleRules = {},
  ): Promise<BatchResult<EntryRecord>[]> {
    return this.#warned(await this.#batch(drafts, (draft) => this.#creation(draft, rules)));
  }

  /** All in one transaction. Item errors: invalid, not_found, exists (became similar to another), precondition. */
  async update(
    patches: readonly EntryPatch[],
    rules: BundleRules = {},
  ): Promise<BatchResult<EntryRecord>[]> {
    return this.#warned(await this.#batch(patches, (patch) => this.#update(patch, { rules })));
  }

  /** What would be answered to these changes, one after the other; none of them is made. Warnings and errors as there. */
  async rehearse(changes: readonly EntryChange[]): Promise<BatchResult<EntryRecord>[]> {
    const prepare = (change: EntryChange): ItemWork => {
      switch (change.kind) {
        case "create":
          return this.#creation(change.draft);
        case "update":
          return this.#update(change.patch, change.patch.template && { checkOld: requireTemplate });
        case "delete":
          return deletion(change.id);
      }
    };
    const said = await this.#batch(changes, prepare, "take back");
    const warned = await this.#warned(said.filter((_, index) => changes[index]?.kind !== "delete"));
    return said.map((result, index) =>
      changes[index]?.kind === "delete" ? result : (warned.shift() ?? result),
    );
  }

  /** As `update`. Item errors besides: precondition for an entry without a template, which would become another thing. */
  async setTemplates(
    patches: readonly Required<Pick<EntryPatch, "id" | "template">>[],
  ): Promise<BatchResult<EntryRecord>[]> {
    return this.#warned(
      await this.#batch(patches, (patch) => this.#update(patch, { checkOld: requireTemplate })),
    );
  }

  /** Those of the ids that there are, and that `isWanted`. */
  async some(
    ids: readonly string[],
    isWanted: (entry: EntryRecord) => boolean,
  ): Promise<readonly EntryRecord[]> {
    const found: EntryRecord[] = [];
    for (const [index, id] of ids.entries()) {
      const entry = await this.#options.store.entries.get(id);
      if (entry !== undefined && isWanted(entry)) found.push(entry);
      if (index % ITEMS_PER_TURN === ITEMS_PER_TURN - 1) await setImmediate();
    }
    return found;
  }

  /** Has agents make new SVIDs: the revisions rise, all in one transaction. Item errors: invalid (no id), not_found */
  async rotate(ids: readonly string[]): Promise<BatchResult<EntryRecord>[]> {
    return this.#batch(ids, (id) => {
      requireId(id);
      return async (writers) => {
        const old = await writers.entries.get(id);
        if (old === undefined) throw notFound(id);
        const record = { ...old, revisionNumber: old.revisionNumber + 1 };
        await writers.entries.update(record);
        return { value: record };
      };
    });
  }

  /** All in one transaction. @returns the deleted entries. Item errors: invalid (no id), not_found */
  async delete(ids: readonly string[]): Promise<BatchResult<EntryRecord>[]> {
    return this.#batch(ids, deletion);
  }

  /** @throws invalid without an id; not_found */
  async get(id: string): Promise<EntryRecord> {
    requireId(id);
    const entry = await this.#options.store.entries.get(id);
    if (entry === undefined) throw notFound(id);
    return entry;
  }

  /** What an operator who looks at the entry should know of it, one sentence each. */
  async doubts(entry: EntryRecord): Promise<readonly string[]> {
    const [unreached] = (await this.#options.reach?.warnings([entry])) ?? [];
    const missing = await missingBundles(this.#options.store, entry.federatesWith, new Set());
    return [
      ...selectorDoubts(entry),
      ...(missing.length === 0 ? [] : [pendingSentence(missing)]),
      ...(unreached === undefined ? [] : [unreached]),
    ];
  }

  /** Ordered by creation, then id. Without `page`: all. @throws invalid for a bad page or an empty set in the filter */
  async list(filter: EntryFilter, page?: PageRequest): Promise<Page<EntryRecord>> {
    return this.#options.store.entries.list(filter, page);
  }

  async count(filter: EntryFilter): Promise<number> {
    return this.#options.store.entries.count(filter);
  }

  #creation(draft: EntryDraft, rules: BundleRules = {}): ItemWork {
    const { trustDomain, clock } = this.#options;
    const id = draft.id === undefined || draft.id === "" ? this.#ids.next() : draft.id;
    const record = recordFromDraft(draft, { trustDomain, id, now: epochSeconds(clock) });
    return async (writers, known) => {
      const missing = await missingBundles(writers, record.federatesWith, known);
      if (rules.bundlesRequired === true) refuseMissing(missing);
      try {
        await writers.entries.create(record);
      } catch (thrown) {
        if (!isKind(thrown, "exists")) throw thrown;
        return this.#conflict(writers, record);
      }
      return this.#accept(record, missing);
    };
  }

  #update(
    patch: EntryPatch,
    {
      rules = {},
      checkOld,
    }: { readonly rules?: BundleRules; readonly checkOld?: (old: EntryRecord) => void } = {},
  ): ItemWork {
    requireId(patch.id);
    return async (writers, known) => {
      const old = await writers.entries.get(patch.id);
      if (old === undefined) throw notFound(patch.id);
      checkOld?.(old);
      const record = patchRecord(old, patch, this.#options.trustDomain);
      const missing =
        patch.federatesWith === undefined
          ? []
          : await missingBundles(writers, record.federatesWith, known);
      if (rules.bundlesRequired === true) refuseMissing(missing);
      try {
        await writers.entries.update(record);
      } catch (thrown) {
        if (!isKind(thrown, "exists")) throw thrown;
        return this.#conflict(writers, record);
      }
      return this.#accept(record, missing);
    };
  }

  /**
   * `prepare` checks an item outside the transaction and returns what to do inside. An item that fails with an error
   * of its own leaves the others alone; anything unforeseen rolls the whole batch back and is thrown.
   */
  async #batch<I>(
    items: readonly I[],
    prepare: (item: I) => ItemWork,
    end: "keep" | "take back" = "keep",
  ): Promise<BatchResult<EntryRecord>[]> {
    if (items.length > MAX_BATCH) {
      throw fail("invalid", `a batch has at most ${MAX_BATCH} items, not ${items.length}`);
    }
    const prepared = items.map((item): ItemWork | AssayError => {
      try {
        return prepare(item);
      } catch (thrown) {
        return itemError(thrown);
      }
    });
    const results: BatchResult<EntryRecord>[] = [];
    if (prepared.every((work) => work instanceof AssayError)) {
      return prepared.map((error) => ({ error }));
    }
    const transaction = this.#options.store.transaction(async (writers) => {
      const known = new Set<string>();
      for (const work of prepared) {
        results.push(await run(work, writers, known));
        // SQLite works on this thread: let others have it now and then.
        if (results.length % ITEMS_PER_TURN === 0) await setImmediate();
      }
      if (end === "take back") throw TAKEN_BACK;
    });
    await transaction.catch((thrown: unknown) => {
      if (thrown !== TAKEN_BACK) throw thrown;
    });
    return results;
  }

  async #conflict(writers: Writers, record: EntryRecord): Promise<BatchResult<EntryRecord>> {
    const existing = await writers.entries.findSimilar(record);
    if (existing !== undefined) {
      return {
        error: fail("exists", `a similar entry is already there: ${existing.id}`),
        existing,
      };
    }
    return {
      error: fail(
        "exists",
        `another entry has the id '${record.id}'; leave the id out or choose another`,
      ),
    };
  }

  /** With what the agents say that could serve the entries. */
  async #warned(results: BatchResult<EntryRecord>[]): Promise<BatchResult<EntryRecord>[]> {
    const { reach } = this.#options;
    const accepted = results.flatMap((result) => ("value" in result ? [result.value] : []));
    if (reach === undefined || accepted.length === 0) return results;
    const told = (await reach.warnings(accepted)).values();
    return results.map((result) => {
      if (!("value" in result)) return result;
      const { value: warning } = told.next();
      if (warning === undefined) return result;
      return { ...result, warnings: [...(result.warnings ?? []), warning] };
    });
  }

  #accept(record: EntryRecord, missing: readonly string[]): BatchResult<EntryRecord> {
    const warnings = selectorDoubts(record);
    if (missing.length > 0) warnings.push(pendingSentence(missing));
    const reach = Math.floor(this.#options.ttlReachSeconds());
    for (const [what, ttl] of [
      ["x509", record.x509SvidTtl],
      ["jwt", record.jwtSvidTtl],
    ] as const) {
      if (ttl <= reach) continue;
      warnings.push(
        `${what} SVID ttl of ${formatDuration(ttl)} is beyond the authority's reach (${formatDuration(reach)} now); SVIDs will live shorter`,
      );
    }
    if (isExpired(record, epochSeconds(this.#options.clock))) {
      warnings.push("the expiry is in the past; the entry authorizes nothing and will be pruned");
    }
    return warnings.length === 0 ? { value: record } : { value: record, warnings };
  }
}

function deletion(id: string): ItemWork {
  requireId(id);
  return async (writers) => {
    const old = await writers.entries.get(id);
    if (old === undefined) throw notFound(id);
    await writers.entries.delete(id);
    return { value: old };
  };
}

function requireTemplate(old: EntryRecord): void {
  if (old.template !== undefined) return;
  throw fail("precondition", `entry ${old.id} has no template; create another entry with one`);
}

function selectorDoubts({ selectors }: EntryRecord): string[] {
  return selectors.flatMap((selector) => selectorDoubt(selector) ?? []);
}

type ItemWork = (
  writers: Writers,
  /** Trust domains whose bundle was seen in this transaction. */
  known: Set<string>,
) => Promise<BatchResult<EntryRecord>>;

async function run(
  work: ItemWork | AssayError,
  writers: Writers,
  known: Set<string>,
): Promise<BatchResult<EntryRecord>> {
  if (work instanceof AssayError) return { error: work };
  try {
    return await work(writers, known);
  } catch (thrown) {
    return { error: itemError(thrown) };
  }
}

/** The error when it is the item's own; throws it on otherwise. */
function itemError(thrown: unknown): AssayError {
  if (isKind(thrown, "invalid", "not_found", "exists", "precondition")) return thrown;
  throw thrown;
}

/** Those of the trust domains that have no bundle here. */
async function missingBundles(
  writers: Pick<Readers, "bundles">,
  trustDomains: readonly string[],
  known: Set<string>,
): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const trustDomain of trustDomains) {
    if (trustDomain === EVERY_DOMAIN || known.has(trustDomain)) continue;
    if ((await writers.bundles.get(trustDomain)) === undefined) missing.push(trustDomain);
    else known.add(trustDomain);
  }
  return missing;
}

/** @throws precondition, as SPIRE refuses them */
function refuseMissing([trustDomain]: readonly string[]): void {
  if (trustDomain === undefined) return;
  throw fail(
    "precondition",
    `there is no bundle of the federated trust domain '${trustDomain}'; set it first (assay bundle set)`,
  );
}

function pendingSentence(missing: readonly string[]): string {
  const named = missing.slice(0, MAX_NAMED).map((name) => `'${name}'`);
  const rest = missing.length > named.length ? ` and ${missing.length - named.length} more` : "";
  return `there is no bundle of ${named.join(", ")}${rest} yet; workloads will see it when it has come (assay federation list)`;
}

function requireId(id: string): void {
  if (id === "") throw fail("invalid", "entry id is missing");
}

function notFound(id: string): AssayError {
  return fail("not_found", `there is no entry with the id '${id.slice(0, 255)}'`);
}

export const MAX_BATCH = 10_000;

const ITEMS_PER_TURN = 200;
const MAX_NAMED = 3;
/** Ends a transaction that was for looking only. */
const TAKEN_BACK = new Error("the changes were taken back");
