/**
 * The bundles a server knows: its own domain's, which is not changed here, and foreign ones, which
 * operators and federation change here.
 */
import { fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseBundleRecord } from "../../spiffe/bundle-document.ts";
import { type TrustDomain, checkTrustDomainName } from "../../spiffe/trust-domain.ts";
import type { Datastore, Page, PageRequest, Writers } from "../datastore/contract.ts";
import { BundleCopy } from "./bundle-copy.ts";
import {
  type BundlePatch,
  type ForeignBundle,
  checkBundleCount,
  encodeForeignBundle,
} from "./foreign-bundle.ts";

/**
 * What deleting a foreign bundle does to entries that federate with it: `restrict` refuses while there are any,
 * `delete` deletes them, `dissociate` takes the domain off them.
 */
export const BUNDLE_DELETE_MODES = ["restrict", "delete", "dissociate"] as const;

export type BundleDeleteMode = (typeof BUNDLE_DELETE_MODES)[number];

export interface BundleServiceOptions {
  readonly trustDomain: TrustDomain;
  readonly datastore: Datastore;
  readonly logger: Logger;
}

export class BundleService implements AsyncDisposable {
  readonly #trustDomain: TrustDomain;
  readonly #datastore: Datastore;
  readonly #copy: BundleCopy;
  #foreign: { readonly all: readonly string[]; readonly names: readonly string[] } | undefined;

  private constructor(options: BundleServiceOptions, copy: BundleCopy) {
    this.#trustDomain = options.trustDomain;
    this.#datastore = options.datastore;
    this.#copy = copy;
  }

  static async open(options: BundleServiceOptions): Promise<BundleService> {
    return new BundleService(options, await BundleCopy.load(options.datastore, options.logger));
  }

  /** The domain's own bundle; the same object until it changes. @throws unavailable before the first authority */
  own(): Bundle {
    const bundle = this.#copy.get(this.#trustDomain.name);
    if (bundle !== undefined) return bundle;
    throw fail("unavailable", "the server has no authority yet; try again in a moment");
  }

  /** Own or foreign, from memory: for verification and views. */
  find(trustDomain: string): Bundle | undefined {
    return this.#copy.get(trustDomain);
  }

  /** The foreign trust domains that have a bundle, sorted; the same array until one comes or goes. */
  foreignNames(): readonly string[] {
    const all = this.#copy.names();
    if (all !== this.#foreign?.all) {
      this.#foreign = { all, names: all.filter((name) => name !== this.#trustDomain.name) };
    }
    return this.#foreign.names;
  }

  /** Own or foreign. */
  get(trustDomain: string): Promise<Bundle | undefined> {
    return Promise.resolve(this.find(trustDomain));
  }

  /** Foreign bundles by trust domain; without `page` all. */
  async list(page?: PageRequest): Promise<Page<Bundle>> {
    const { items, nextToken } = await this.#datastore.bundles.list(page);
    const foreign = items.filter(({ trustDomain }) => trustDomain !== this.#trustDomain.name);
    const bundles = foreign.map((record) =>
      parseBundleRecord(record.trustDomain, record.content, record.sequence),
    );
    return { items: bundles, ...(nextToken === undefined ? {} : { nextToken }) };
  }

  /** How many foreign bundles there are. */
  async count(): Promise<number> {
    const own = this.#copy.get(this.#trustDomain.name) === undefined ? 0 : 1;
    return Math.max(0, (await this.#datastore.bundles.count()) - own);
  }

  /** @throws exists, invalid, limited */
  create(bundle: ForeignBundle): Promise<Bundle> {
    return this.#write(bundle.trustDomain, async ({ bundles }) => {
      if ((await bundles.get(bundle.trustDomain)) !== undefined) {
        throw fail("exists", `bundle of ${bundle.trustDomain} is there already; set or update it`);
      }
      await checkBundleCount(bundles);
      return encodeForeignBundle(bundle);
    });
  }

  /** Replaces the parts that `patch` names. @throws not_found, invalid */
  update(trustDomain: string, patch: BundlePatch): Promise<Bundle> {
    return this.#write(trustDomain, async ({ bundles }) => {
      const record = await bundles.get(trustDomain);
      if (record === undefined) throw unknownBundle(trustDomain);
      const before = parseBundleRecord(trustDomain, record.content, record.sequence);
      return encodeForeignBundle({ ...before, ...patch, trustDomain });
    });
  }

  /** Creates or replaces. @throws invalid, limited */
  set(bundle: ForeignBundle): Promise<Bundle> {
    return this.#write(bundle.trustDomain, async ({ bundles }) => {
      if ((await bundles.get(bundle.trustDomain)) === undefined) await checkBundleCount(bundles);
      return encodeForeignBundle(bundle);
    });
  }

  /** @throws not_found; precondition when entries federate with it and the mode is `restrict` */
  async delete(trustDomain: string, mode: BundleDeleteMode): Promise<void> {
    this.#requireForeign(trustDomain);
    await this.#datastore.transaction(async (writers) => {
      if ((await writers.bundles.get(trustDomain)) === undefined) throw unknownBundle(trustDomain);
      await releaseEntries(writers, trustDomain, mode);
      await writers.bundles.delete(trustDomain);
    });
    await this.#copy.catchUp();
  }

  /** Told of each bundle, own or foreign, that was made, changed or deleted. @returns unsubscribe */
  onChange(listener: (trustDomain: string) => void): () => void {
    return this.#copy.onChange(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#copy[Symbol.asyncDispose]();
  }

  async #write(
    trustDomain: string,
    encode: (writers: Writers) => Promise<string>,
  ): Promise<Bundle> {
    this.#requireForeign(trustDomain);
    const record = await this.#datastore.transaction(async (writers) =>
      writers.bundles.put(trustDomain, await encode(writers)),
    );
    await this.#copy.catchUp();
    return parseBundleRecord(trustDomain, record.content, record.sequence);
  }

  #requireForeign(trustDomain: string): void {
    checkTrustDomainName(trustDomain);
    if (trustDomain === this.#trustDomain.name) {
      throw fail(
        "invalid",
        `${trustDomain} is the server's own trust domain; its bundle follows from its authorities`,
      );
    }
  }
}

async function releaseEntries(
  { entries }: Writers,
  trustDomain: string,
  mode: BundleDeleteMode,
): Promise<void> {
  const filter = { federatesWith: { match: "any", trustDomains: [trustDomain] } } as const;
  if (mode === "restrict") {
    const count = await entries.count(filter);
    if (count === 0) return;
    throw fail(
      "precondition",
      `${count} entries federate with ${trustDomain}; delete them, or use the mode dissociate or delete`,
    );
  }
  const { items } = await entries.list(filter);
  for (const entry of items) {
    if (mode === "delete") {
      await entries.delete(entry.id);
      continue;
    }
    await entries.update({
      ...entry,
      federatesWith: entry.federatesWith.filter((name) => name !== trustDomain),
      revisionNumber: entry.revisionNumber + 1,
    });
  }
}

function unknownBundle(trustDomain: string): Error {
  return fail("not_found", `there is no bundle of ${trustDomain}`);
}
