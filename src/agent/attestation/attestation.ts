import { setImmediate as afterPoll } from "node:timers/promises";
import type {
  PresentedToken,
  Moment,
  ProcessFacts,
  SelectorGap,
  WorkloadAttestor,
  WorkloadLook,
} from "../../attestors/contract.ts";
import type { Clock, EpochSeconds } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { LruMap } from "../../base/lru.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import { AGENT_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { statusName } from "../../rpc/status.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Peer } from "../peer/peer.ts";
import { readStartTime } from "../peer/proc.ts";
import { AttestationTally } from "./attestation-tally.ts";
import { CanonicalLists } from "./canonical-lists.ts";
import { tokenRefusal } from "./token-refusal.ts";

export interface AttestationOptions {
  readonly attestors: readonly WorkloadAttestor[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** For all attestors together. Default: 5 s. */
  readonly deadlineMs?: number;
}

/** What one attestor said of a process. */
export interface Finding {
  readonly type: string;
  /** Selector names it can emit. */
  readonly names: readonly string[];
  readonly selectors: readonly Selector[];
  readonly gaps: readonly SelectorGap[];
  /** It failed as a whole. */
  readonly error?: AssayError;
}

export interface Examination {
  readonly facts: ProcessFacts;
  /** In the order of the attestors. */
  readonly findings: readonly Finding[];
  /** False when asking again may find more. */
  readonly isComplete: boolean;
  /** When the token that gave some of the selectors ends. */
  readonly endsAt?: EpochSeconds;
}

export interface PastExamination extends Examination {
  /** When, milliseconds since 1970. */
  readonly atMs: number;
}

/** What is to be said of an answer besides its selectors. */
export interface AnswerNotes {
  /**
   * It lacks what an attestor could not tell in time: whoever matches nothing by it may match later.
   */
  readonly isIncomplete?: true;
  /** Why the call's token gave no selectors, as the workload may know it. */
  readonly refusal?: AssayError;
  /** From when on the selectors hold no more. */
  readonly endsAt?: EpochSeconds;
}

/** Calls of one process with the same user and group. */
interface CallGroup {
  readonly peer: Peer;
  /** Undefined where somebody has to be waited for. */
  readonly found: Promise<readonly Selector[] | undefined>;
}

/** Finds out what a calling process is: all workload attestors side by side, under one deadline. */
export class Attestation {
  readonly #options: AttestationOptions;
  readonly #deadlineMs: number;
  readonly #log: CallerLog;
  readonly #canonical = new CanonicalLists();
  readonly #tally: AttestationTally | undefined;
  /** Those that look at the process. */
  #atProcess: readonly WorkloadAttestor[] = [];
  /** Those that look at the call's token. */
  #atToken: readonly WorkloadAttestor[] = [];
  #attestors: readonly WorkloadAttestor[] = [];
  /** Those that wait for one look, by their process; where it is not held, by the connection. */
  readonly #groups = new Map<object, CallGroup>();
  readonly #notes = new WeakMap<readonly Selector[], AnswerNotes>();
  /** By uid, the last look at a caller without a PID here; for whoever asks why, nothing is decided by it. */
  readonly #lastForeign = new LruMap<number, PastExamination>(MAX_FOREIGN);

  constructor(options: AttestationOptions) {
    this.#options = options;
    this.#log = new CallerLog(options.logger, options.clock);
    this.#tally = options.metrics && new AttestationTally(options.metrics);
    this.#deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    this.ask(options.attestors);
  }

  /** Asks these from the next call on. */
  ask(attestors: readonly WorkloadAttestor[]): void {
    this.#attestors = attestors;
    this.#atProcess = attestors.filter(({ takesTokens }) => takesTokens !== true);
    this.#atToken = attestors.filter(({ takesTokens }) => takesTokens === true);
  }

  /** False: nobody here looks at tokens, so that none need be looked for. */
  get takesTokens(): boolean {
    return this.#atToken.length > 0;
  }

  /**
   * The process's selectors, in canonical order: the same array as before when the attestors say the same. An attestor
   * that fails is logged and blinds no other. What can be told at once is told to all calls of the process that have come.
   * @param call whose end makes the answer pointless; its signal is only asked for when there is something to wait for
   * @param token that came with the call; empty for a malformed one
   * @throws denied when the process has ended or changed meanwhile; unavailable when every attestor failed; for a
   * caller without a PID here why its token counts for nothing
   */
  async attest(
    peer: Peer,
    call: { readonly signal: AbortSignal },
    token?: string,
  ): Promise<readonly Selector[]> {
    const startMs = performance.now();
    const found = token === undefined ? await this.#lookTogether(peer) : undefined;
    if (found === undefined) return this.#attestLater(peer, call, token, startMs);
    this.#tally?.note(undefined, startMs, found);
    return found;
  }

  /**
   * One look for the calls of one process that have come by now, once all that is there has been read: what a caller is
   * after its call had come is what counts, for each of them. `undefined` as of `#attestNow`.
   */
  #lookTogether(peer: Peer): Promise<readonly Selector[] | undefined> {
    const process = peer.process ?? peer;
    const waiting = this.#groups.get(process);
    if (waiting?.peer.uid === peer.uid && waiting.peer.gid === peer.gid) return waiting.found;
    const found = afterPoll().then(() => {
      if (this.#groups.get(process) === group) this.#groups.delete(process);
      return this.#attestNow(peer);
    });
    const group = { peer, found };
    this.#groups.set(process, group);
    return found;
  }

  async #attestLater(
    peer: Peer,
    call: { readonly signal: AbortSignal },
    token: string | undefined,
    startMs: number,
  ): Promise<readonly Selector[]> {
    try {
      const found = await this.#attestWithTime(peer, call, token);
      this.#tally?.note(undefined, startMs, found);
      return found;
    } catch (thrown) {
      this.#tally?.note(thrown, startMs);
      throw thrown;
    }
  }

  async #attestWithTime(
    peer: Peer,
    call: { readonly signal: AbortSignal },
    token: string | undefined,
  ): Promise<readonly Selector[]> {
    const { findings, isComplete, endsAt } = await this.examine(peer, call.signal, token);
    const known = findings.filter(({ error }) => error === undefined);
    const failed = findings.filter(({ error }) => error !== undefined);
    const refused = failed.find(({ type }) => this.#atToken.some((each) => each.type === type));
    const refusal = refused?.error === undefined ? undefined : tokenRefusal(refused.error);
    if (known.length === 0) {
      throw refusal ?? fail("unavailable", "the calling process could not be attested");
    }
    const selectors = this.#canonical.of(known.map((finding) => finding.selectors));
    const isWhole = isComplete && failed.every((finding) => finding === refused);
    if (isWhole && refusal === undefined && endsAt === undefined) return selectors;
    // A list of its own: the canonical one may be another caller's whole answer.
    const noted = [...selectors];
    this.#notes.set(noted, {
      ...(isWhole ? {} : { isIncomplete: true }),
      ...(refusal === undefined ? {} : { refusal }),
      ...(endsAt === undefined ? {} : { endsAt }),
    });
    return noted;
  }

  /**
   * What each attestor says of the process, and what it failed at. A caller without a PID here is told by its token
   * alone; without one `peer.read` says why it is refused.
   * @throws denied when the process has ended or changed meanwhile
   */
  async examine(peer: Peer, signal: AbortSignal, token?: string): Promise<Examination> {
    const isForeign = peer.isForeign === true && token !== undefined;
    if (peer.isForeign === true && token === undefined) this.#noteTokenless(peer);
    const facts = isForeign ? foreignFacts(peer) : peer.read();
    let endsAt: EpochSeconds | undefined;
    const presented: PresentedToken | undefined =
      token === undefined
        ? undefined
        : {
            token,
            connection: peer,
            process: () => processName(facts.pid),
            onEnd: (at) => {
              endsAt = Math.min(at, endsAt ?? at);
            },
          };
    const attestors = isForeign ? this.#atToken : this.#attestors;
    const findings = await this.#askAll(attestors, facts, signal, presented);
    const isComplete = !findings.some(({ gaps }) => gaps.some(({ isTransient }) => isTransient));
    const found = { facts, findings, isComplete, ...(endsAt === undefined ? {} : { endsAt }) };
    if (isForeign) {
      this.#noteForeign(found);
      if (!peer.alive()) throw fail("denied", "the caller is gone");
      return found;
    }
    // What was read under /proc/PID counts only if the PID was the caller's all along.
    const after = peer.read();
    if (after !== facts && after.groups.join() !== facts.groups.join()) {
      throw fail("denied", "the calling process changed its groups while it was looked at; retry");
    }
    return found;
  }

  /**
   * The answer when nothing has to be waited for; `undefined` when an attestor has to, or the process changed.
   *
   * The process runs on another core meanwhile, and may become another one: one that ends, or starts a program that
   * makes it another user's. So what the attestors see is looked at before the facts are read and again after, and all
   * of it held at the one moment in between. Cgroups are looked at once, before: user and group are those of the
   * connection, other groups take a right with which the process could have had them in that cgroup as well, and
   * another program shows. That the facts could be read then proves that the PID was the caller's
   * before, and what is read after can only differ if it is no more. Reading the facts is what costs most, so it is they
   * that are read once.
   */
  #attestNow(peer: Peer): readonly Selector[] | undefined {
    const looks: WorkloadLook[] = [];
    try {
      const before: Moment = {};
      for (const attestor of this.#atProcess) {
        const look = attestor.lookNow?.(peer.pid, before);
        if (look === undefined) return undefined;
        looks.push(look);
      }
      const facts = peer.read();
      const after: Moment = {};
      if (looks.length === 0 || !looks.every((look) => look.isStill?.(after) ?? true))
        return undefined;
      return this.#canonical.of(looks.map((look) => look.selectors(facts)));
    } catch {
      return undefined; // asked with time, whatever failed says why
    }
  }

  /** The last look at a caller without a PID here, of that user or of any. */
  lastForeign(uid?: number): PastExamination | undefined {
    if (uid !== undefined) return this.#lastForeign.get(uid);
    let last: PastExamination | undefined;
    for (const each of this.#lastForeign.values()) {
      if (last === undefined || each.atMs >= last.atMs) last = each;
    }
    return last;
  }

  /** A call was refused before anything of it was looked at; for whoever asks why, nothing is decided by it. */
  noteUnread({ pid, uid }: Peer, error: AssayError): void {
    for (const attestor of this.#atToken) attestor.noteUnread?.({ pid, uid }, error);
  }

  #noteTokenless(peer: Peer): void {
    const unnamed = "the kernel does not name the caller here, and";
    const findings: Finding[] = this.#atToken.map(({ type, names }) => ({
      type,
      names,
      selectors: [],
      gaps: [],
      error: fail("denied", `${unnamed} its call brought no token`),
    }));
    if (findings.length === 0) {
      const error = fail("denied", `${unnamed} no attestor of this agent takes tokens`);
      findings.push({ type: "token", names: [], selectors: [], gaps: [], error });
    }
    this.#noteForeign({ facts: foreignFacts(peer), findings, isComplete: true });
  }

  /** With all attestors, so that it can be told from one that there is not. */
  #noteForeign(found: Examination): void {
    const selectors = found.findings.flatMap((finding) => finding.selectors);
    const ofType = (type: string): Selector[] => selectors.filter((each) => each.type === type);
    const asked = found.findings.map((each) => ({ ...each, selectors: ofType(each.type) }));
    const others = this.#atProcess.map(({ type, names }): Finding => {
      const byToken = ofType(type);
      const finding = { type, names, selectors: byToken, gaps: [] };
      if (byToken.length > 0) return finding;
      const error = fail("denied", "it cannot look: the kernel does not name the caller here");
      return { ...finding, error };
    });
    const atMs = this.#options.clock.nowMs();
    this.#lastForeign.set(found.facts.uid, { ...found, findings: [...asked, ...others], atMs });
  }

  /** Selectors that were found out elsewhere lack some that could not be found out in time. */
  noteIncomplete(selectors: readonly Selector[]): void {
    this.#notes.set(selectors, { isIncomplete: true });
  }

  /** What is to be said of an answer of `attest`. */
  notesOn(selectors: readonly Selector[]): AnswerNotes {
    return this.#notes.get(selectors) ?? NO_NOTES;
  }

  async #askAll(
    attestors: readonly WorkloadAttestor[],
    facts: ProcessFacts,
    signal: AbortSignal,
    token: PresentedToken | undefined,
  ): Promise<Finding[]> {
    const deadline = new AbortController();
    const cancel = this.#options.clock.after(this.#deadlineMs, () =>
      deadline.abort(fail("deadline", `no answer within ${this.#deadlineMs} ms`)),
    );
    const onAbort = (): void => deadline.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.all(
        attestors.map((attestor) => this.#ask(attestor, facts, deadline.signal, token)),
      );
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #ask(
    attestor: WorkloadAttestor,
    facts: ProcessFacts,
    signal: AbortSignal,
    token: PresentedToken | undefined,
  ): Promise<Finding> {
    const { type, names } = attestor;
    const gaps: SelectorGap[] = [];
    const late = Promise.withResolvers<never>();
    // An attestor that listens to the signal gets one more turn to hand over what it has.
    const onAbort = (): void => void setImmediate(() => late.reject(signal.reason));
    late.promise.catch(() => undefined); // raced below; nobody else waits for it
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const startMs = performance.now();
    try {
      const onGap = (gap: SelectorGap): void => void gaps.push(gap);
      const selectors = await Promise.race([
        attestor.attest(facts, token === undefined ? { signal, onGap } : { signal, onGap, token }),
        late.promise,
      ]);
      this.#note(attestor, startMs);
      return { type, names, selectors, gaps };
    } catch (thrown) {
      const error = errorFrom(thrown);
      this.#note(attestor, startMs, thrown);
      this.#log.warn(facts.uid, "workload attestor failed", {
        attestor: type,
        pid: facts.pid,
        error,
      });
      return { type, names, selectors: [], gaps, error };
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #note({ type }: WorkloadAttestor, startMs: number, thrown?: unknown): void {
    const { metrics } = this.#options;
    const tookMs = performance.now() - startMs;
    metrics?.add(AGENT_METRICS.attestor, [type, statusName(thrown)]);
    metrics?.observe(AGENT_METRICS.attestorTime, [type, statusName(thrown)], tookMs);
    metrics?.observe(AGENT_METRICS.attestSeconds, [type], tookMs / 1000);
  }
}

/** What the kernel says of a caller whom it does not name here. */
function foreignFacts({ uid, gid }: Peer): ProcessFacts {
  return { pid: 0, uid, gid, groups: [] };
}

function processName(pid: number): string {
  const startTime = readStartTime("/proc", pid);
  if (startTime === undefined) throw fail("denied", "the process that connected has ended");
  return `${pid} ${startTime}`;
}

const NO_NOTES: AnswerNotes = Object.freeze({});
const DEFAULT_DEADLINE_MS = 5000;
const MAX_FOREIGN = 64;
