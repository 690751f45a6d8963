/** The server's stream of changes, taken over change by change. */
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { FollowRequest } from "../../rpc/gen/assay/sync/v1/FollowRequest.ts";
import type { FollowResponse__Output } from "../../rpc/gen/assay/sync/v1/FollowResponse.ts";
import type { Position__Output } from "../../rpc/gen/assay/sync/v1/Position.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Synced } from "../cache/cache.ts";
import type { Entry } from "../cache/entry.ts";
import type { Mirror } from "./mirror.ts";

/** Hands over messages until the stream ends, which it never does well. */
export type Follow = (
  request: FollowRequest,
  onMessage: (message: FollowResponse__Output) => Promise<void>,
  signal: AbortSignal,
) => Promise<never>;

export interface PushOptions {
  readonly trustDomain: string;
  readonly follow: Follow;
  readonly mirror: Mirror;
  readonly clock: Clock;
  readonly onSynced: (synced: Synced) => Promise<void>;
}

/** Pages of one change, until the last is there. */
interface Gathered {
  reset: boolean;
  readonly entries: Map<string, Entry>;
  readonly removed: string[];
  readonly bundles: FollowResponse__Output["bundles"];
  readonly crls: Uint8Array[];
  readonly removedBundles: string[];
  readonly rotated: string[];
}

export class Push {
  readonly #options: PushOptions;
  #position: Position__Output | undefined;
  /** False once a change may not have reached the cache: the next one names no entries. */
  #told = true;
  #spreadMs = 0;
  /** What was asked of this agent up to now; `undefined` before it heard. */
  #rotation: number | undefined;
  #newestRevision: number | undefined;
  #lastAppliedMs = 0;

  constructor(options: PushOptions) {
    this.#options = options;
  }

  /** Over how long the server wants all agents' work to be spread. */
  get spreadMs(): number {
    return this.#spreadMs;
  }

  /** How far in the server's history of changes; `undefined` while that is unknown. */
  get revision(): number | undefined {
    return this.#position === undefined ? undefined : Number(this.#position.revision);
  }

  /** The newest that the server named, taken over or not. */
  get newestRevision(): number | undefined {
    return this.#newestRevision;
  }

  /** When a change was taken over, milliseconds since 1970; 0 = not yet. */
  get lastAppliedMs(): number {
    return this.#lastAppliedMs;
  }

  /** Another source has changed the mirror: what the server told before is no base any more. */
  forget(): void {
    this.#position = undefined;
    this.#newestRevision = undefined;
    this.#told = false;
  }

  /**
   * Follows until the stream ends.
   * @param onProgress called with each change or sign of life
   * @throws unsupported when the server has no stream; deadline when it falls silent; what `follow` throws
   */
  async run(onProgress: () => void, signal: AbortSignal): Promise<never> {
    const { follow, clock } = this.#options;
    const silence = new AbortController();
    const silent = (): void => silence.abort(fail("deadline", "the server fell silent"));
    let cancel = clock.after(SILENCE_MS, silent);
    let gathered = emptyChange();
    let first = true;
    try {
      return await follow(
        this.#request(),
        async (message) => {
          cancel();
          cancel = clock.after(SILENCE_MS, silent);
          gather(gathered, message, this.#options.mirror);
          if (message.more) return;
          const change = gathered;
          gathered = emptyChange();
          await this.#take(change, message, first);
          first = false;
          onProgress();
        },
        AbortSignal.any([signal, silence.signal]),
      );
    } catch (error) {
      throw silence.signal.aborted ? silence.signal.reason : error;
    } finally {
      cancel();
    }
  }

  #request(): FollowRequest {
    const { entries } = this.#options.mirror;
    // So many do not fit into one request: it is the answer's turn then, which comes in pages.
    if (this.#position === undefined || entries.size > MAX_HELD) return {};
    const held = Array.from(entries.values(), ({ id, revisionNumber, createdAt }) => ({
      id,
      revision_number: revisionNumber,
      created_at: createdAt,
    }));
    return { position: this.#position, held };
  }

  async #take(change: Gathered, message: FollowResponse__Output, first: boolean): Promise<void> {
    const { mirror, onSynced } = this.#options;
    const { position } = message;
    if (position === null) throw fail("internal", "the server sent a change without its position");
    this.#newestRevision = Number(position.revision);
    if (!change.reset && isBefore(position, this.#position)) {
      this.forget();
      throw fail("internal", "the server went back to an older revision");
    }
    const rotation = message.rotation === null ? this.#rotation : Number(message.rotation.number);
    // Whatever was asked before this process began: it made everything since.
    const rotatesAll = this.#rotation !== undefined && rotation !== this.#rotation;
    if (isSignOfLife(change) && !first && !rotatesAll) {
      this.#position = position;
      return;
    }
    this.#spreadMs = Number(message.spread_ms);
    const rotated = rotatesAll ? "all" : entriesOf(mirror, change.rotated);
    const touched = takeEntries(mirror, change);
    this.#takeBundles(change, first);
    const { own, foreign } = mirror;
    if (own === undefined) throw fail("internal", "the server sent no bundle of its own");
    const isWhole = this.#told && !change.reset;
    this.#told = false;
    await onSynced({
      entries: mirror.entries,
      own,
      foreign,
      ...(isWhole && { touched }),
      ...((rotated === "all" || rotated.size > 0) && { rotated }),
    });
    this.#rotation = rotation;
    this.#lastAppliedMs = this.#options.clock.nowMs();
    this.#told = true;
    this.#position = position;
  }

  /** A stream begins with all bundles that are needed. */
  #takeBundles({ bundles, crls, removedBundles }: Gathered, first: boolean): void {
    const { mirror, trustDomain } = this.#options;
    const foreign = new Map<string, Bundle>(first ? [] : mirror.foreign);
    for (const message of bundles) {
      const name = message.trust_domain;
      if (name === trustDomain) {
        mirror.own = mirror.withCrls(mirror.bundle(message, name, mirror.own), crls);
      } else {
        foreign.set(name, mirror.bundle(message, name, mirror.foreign.get(name)));
      }
    }
    for (const name of removedBundles) foreign.delete(name);
    if (first || bundles.length > 0 || removedBundles.length > 0) mirror.foreign = foreign;
  }
}

function emptyChange(): Gathered {
  return {
    reset: false,
    entries: new Map(),
    removed: [],
    bundles: [],
    crls: [],
    removedBundles: [],
    rotated: [],
  };
}

function gather(change: Gathered, message: FollowResponse__Output, mirror: Mirror): void {
  change.reset ||= message.reset;
  const take = (id: string, entry: Entry | undefined): void => {
    // One that makes no sense any more is as good as gone.
    if (entry === undefined) change.removed.push(id);
    else change.entries.set(id, entry);
  };
  for (const each of message.entries) take(each.id, mirror.entry(each));
  for (const { entry, template } of message.templated_entries) {
    // Without its template it would pass for an identity.
    if (entry !== null && template !== null) take(entry.id, mirror.entry(entry, template));
  }
  change.removed.push(...message.removed_entries);
  change.bundles.push(...message.bundles);
  change.crls.push(...message.crls);
  change.removedBundles.push(...message.removed_bundles);
  change.rotated.push(...message.rotated_entries);
}

function isSignOfLife({ reset, entries, removed, bundles, removedBundles }: Gathered): boolean {
  return !reset && entries.size + removed.length + bundles.length + removedBundles.length === 0;
}

/** Those that are held. */
function entriesOf({ entries }: Mirror, ids: readonly string[]): ReadonlyMap<string, Entry> {
  return new Map(
    ids.flatMap((id) => {
      const entry = entries.get(id);
      return entry === undefined ? [] : [[id, entry]];
    }),
  );
}

/** @returns the ids that may have changed */
function takeEntries(mirror: Mirror, { reset, entries, removed }: Gathered): Set<string> {
  if (reset) mirror.entries = new Map();
  for (const [id, entry] of entries) mirror.entries.set(id, entry);
  for (const id of removed) mirror.entries.delete(id);
  return new Set([...entries.keys(), ...removed]);
}

function isBefore(position: Position__Output, held: Position__Output | undefined): boolean {
  return held !== undefined && Number(position.revision) < Number(held.revision);
}

/** Some 60 bytes each, below a request's 4 MiB. */
const MAX_HELD = 50_000;
/** The server shows itself every 30 s. */
const SILENCE_MS = 75_000;
