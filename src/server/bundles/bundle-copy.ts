import type { Logger } from "../../observe/logger.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseBundleRecord } from "../../spiffe/bundle-document.ts";
import { Serial } from "../../base/serial.ts";
import type { BundleRecord, Datastore } from "../datastore/contract.ts";
import { readChanges } from "../datastore/read-changes.ts";

/**
 * All bundles in memory, kept up by the change feed. A bundle object is the same one until its content changes, so
 * that readers may hang encoded forms on it. Never goes back to an older revision.
 */
export class BundleCopy implements AsyncDisposable {
  readonly #datastore: Datastore;
  readonly #logger: Logger;
  readonly #bundles = new Map<string, Bundle>();
  readonly #listeners = new Set<(trustDomain: string) => void>();
  readonly #rounds = new Serial();
  readonly #unsubscribe: () => void;
  #names: readonly string[] | undefined;
  #revision = 0;
  #pending = false;
  #closed = false;

  private constructor(datastore: Datastore, logger: Logger) {
    this.#datastore = datastore;
    this.#logger = logger;
    this.#unsubscribe = datastore.onCommit((revision) => this.#follow(revision));
  }

  static async load(datastore: Datastore, logger: Logger): Promise<BundleCopy> {
    const copy = new BundleCopy(datastore, logger);
    await copy.#rounds.run(() => copy.#reload());
    return copy;
  }

  get(trustDomain: string): Bundle | undefined {
    return this.#bundles.get(trustDomain);
  }

  /** Every trust domain that has a bundle, sorted; the same array until one comes or goes. */
  names(): readonly string[] {
    this.#names ??= [...this.#bundles.keys()].sort();
    return this.#names;
  }

  onChange(listener: (trustDomain: string) => void): () => void {
    const own = (trustDomain: string): void => listener(trustDomain);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Resolves when everything committed before the call is in the copy. */
  catchUp(): Promise<void> {
    return this.#rounds.run(() => this.#round());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    await this.#rounds.idle();
    this.#listeners.clear();
  }

  #follow(revision: number): void {
    if (this.#pending || this.#closed || revision <= this.#revision) return;
    this.#pending = true;
    this.#rounds
      .run(() => {
        this.#pending = false;
        return this.#round();
      })
      // The next commit tries again from the same revision, so nothing is lost by going on.
      .catch((error: unknown) => this.#logger.error("bundles were not reloaded", { error }));
  }

  async #round(): Promise<void> {
    if (this.#closed) return;
    const { changes, bundles } = this.#datastore;
    const isMissed = await readChanges(changes, this.#revision, async (rows, revision) => {
      const touched = rows.filter(({ subject }) => subject === "bundle").map(({ key }) => key);
      for (const trustDomain of new Set(touched)) {
        this.#apply(trustDomain, await bundles.get(trustDomain));
      }
      this.#revision = revision;
    });
    if (isMissed) await this.#reload();
  }

  async #reload(): Promise<void> {
    const revision = await this.#datastore.changes.current();
    const { items } = await this.#datastore.bundles.list();
    const present = new Set(items.map(({ trustDomain }) => trustDomain));
    for (const record of items) this.#apply(record.trustDomain, record);
    for (const trustDomain of this.#bundles.keys()) {
      if (!present.has(trustDomain)) this.#apply(trustDomain, undefined);
    }
    this.#revision = revision;
  }

  #apply(trustDomain: string, record: BundleRecord | undefined): void {
    const before = this.#bundles.get(trustDomain);
    if (record === undefined) {
      if (!this.#bundles.delete(trustDomain)) return;
      this.#names = undefined;
    } else {
      const { content, sequence } = record;
      let bundle: Bundle;
      try {
        bundle = parseBundleRecord(trustDomain, content, sequence);
      } catch (error) {
        // One bad bundle spoils nothing else: the last good one of this domain stays.
        this.#logger.error("stored bundle cannot be read", { trustDomain, error });
        return;
      }
      if (before !== undefined && before.sequence === sequence && sameContent(before, bundle))
        return;
      this.#bundles.set(trustDomain, bundle);
      if (before === undefined) this.#names = undefined;
    }
    for (const listener of this.#listeners) this.#tell(listener, trustDomain);
  }

  #tell(listener: (trustDomain: string) => void, trustDomain: string): void {
    try {
      listener(trustDomain);
    } catch (error) {
      this.#logger.error("listener of bundle changes failed", { trustDomain, error });
    }
  }
}

/** A bundle deleted and made anew may have the old sequence again. */
function sameContent(a: Bundle, b: Bundle): boolean {
  return JSON.stringify(comparable(a)) === JSON.stringify(comparable(b));
}

function comparable(bundle: Bundle): unknown {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  return [
    bundle.refreshHint,
    bundle.x509Authorities.map(({ der, tainted }) => [text(der), tainted]),
    bundle.jwtAuthorities.map((each) => [
      each.keyId,
      text(each.publicKey),
      each.expiresAt,
      each.tainted,
    ]),
  ];
}
