import type {
  ProcessFacts,
  SelectorGap,
  WorkloadAttestor,
  WorkloadLook,
} from "../../attestors/contract.ts";
import type { Clock } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import { AGENT_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { statusName } from "../../rpc/status.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Peer } from "../peer/peer.ts";
import { CanonicalLists } from "./canonical-lists.ts";

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
}

/** Finds out what a calling process is: all workload attestors side by side, under one deadline. */
export class Attestation {
  readonly #options: AttestationOptions;
  readonly #deadlineMs: number;
  readonly #log: CallerLog;
  readonly #canonical = new CanonicalLists();
  readonly #incomplete = new WeakSet<readonly Selector[]>();

  constructor(options: AttestationOptions) {
    this.#options = options;
    this.#log = new CallerLog(options.logger, options.clock);
    this.#deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  }

  /**
   * The process's selectors, in canonical order: the same array as before when the attestors say the same. An attestor
   * that fails is logged and blinds no other.
   * @param call whose end makes the answer pointless; its signal is only asked for when there is something to wait for
   * @throws denied when the process has ended or changed meanwhile; unavailable when every attestor failed
   */
  async attest(peer: Peer, call: { readonly signal: AbortSignal }): Promise<readonly Selector[]> {
    const { metrics } = this.#options;
    const { attestations, attestationTime, selectors } = AGENT_METRICS;
    const startMs = performance.now();
    const note = (thrown?: unknown): void => {
      metrics?.add(attestations, [statusName(thrown)]);
      metrics?.observe(attestationTime, [statusName(thrown)], performance.now() - startMs);
    };
    try {
      const found = await this.#attest(peer, call);
      note();
      metrics?.observe(selectors, [], found.length);
      return found;
    } catch (thrown) {
      note(thrown);
      throw thrown;
    }
  }

  async #attest(peer: Peer, call: { readonly signal: AbortSignal }): Promise<readonly Selector[]> {
    const now = this.#attestNow(peer);
    if (now !== undefined) return now;
    const { findings, isComplete } = await this.examine(peer, call.signal);
    const known = findings.filter(({ error }) => error === undefined);
    if (known.length === 0) throw fail("unavailable", "the calling process could not be attested");
    const selectors = this.#canonical.of(known.map((finding) => finding.selectors));
    if (isComplete && known.length === findings.length) return selectors;
    // A list of its own: the canonical one may be another caller's whole answer.
    const incomplete = [...selectors];
    this.#incomplete.add(incomplete);
    return incomplete;
  }

  /**
   * What each attestor says of the process, and what it failed at.
   * @throws denied when the process has ended or changed meanwhile
   */
  async examine(peer: Peer, signal: AbortSignal): Promise<Examination> {
    const facts = peer.read();
    const findings = await this.#askAll(facts, signal);
    // What was read under /proc/PID counts only if the PID was the caller's all along.
    const after = peer.read();
    if (after !== facts && after.groups.join() !== facts.groups.join()) {
      throw fail("denied", "the calling process changed its groups while it was looked at; retry");
    }
    const isComplete = !findings.some(({ gaps }) => gaps.some(({ isTransient }) => isTransient));
    return { facts, findings, isComplete };
  }

  /**
   * The answer when nothing has to be waited for; `undefined` when an attestor has to, or the process changed.
   *
   * The process runs on another core meanwhile, and may become another one: one that ends, or starts a program that
   * makes it another user's. So what the attestors see is looked at before the facts are read and again after, and all
   * of it held at the one moment in between. That the facts could be read then proves that the PID was the caller's
   * before, and what is read after can only differ if it is no more. Reading the facts is what costs most, so it is they
   * that are read once.
   */
  #attestNow(peer: Peer): readonly Selector[] | undefined {
    const looks: WorkloadLook[] = [];
    try {
      for (const attestor of this.#options.attestors) {
        const look = attestor.lookNow?.(peer.pid);
        if (look === undefined) return undefined;
        looks.push(look);
      }
      const facts = peer.read();
      if (looks.length === 0 || !looks.every((look) => look.isStill())) return undefined;
      return this.#canonical.of(looks.map((look) => look.selectors(facts)));
    } catch {
      return undefined; // asked with time, whatever failed says why
    }
  }

  /**
   * True for an answer of `attest` that lacks what an attestor could not tell in time: whoever matches nothing by it may
   * match later.
   */
  isIncomplete(selectors: readonly Selector[]): boolean {
    return this.#incomplete.has(selectors);
  }

  async #askAll(facts: ProcessFacts, signal: AbortSignal): Promise<Finding[]> {
    const deadline = new AbortController();
    const cancel = this.#options.clock.after(this.#deadlineMs, () =>
      deadline.abort(fail("deadline", `no answer within ${this.#deadlineMs} ms`)),
    );
    const onAbort = (): void => deadline.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.all(
        this.#options.attestors.map((attestor) => this.#ask(attestor, facts, deadline.signal)),
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
        attestor.attest(facts, { signal, onGap }),
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

const DEFAULT_DEADLINE_MS = 5000;
