import type { ProcessFacts, WorkloadAttestor, WorkloadLook } from "../../attestors/contract.ts";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
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
    const facts = peer.read();
    let isComplete = true;
    const found = await this.#askAll(facts, call.signal, () => (isComplete = false));
    // What was read under /proc/PID counts only if the PID was the caller's all along.
    const after = peer.read();
    if (after !== facts && after.groups.join() !== facts.groups.join()) {
      throw fail("denied", "the calling process changed its groups while it was looked at; retry");
    }
    const known = found.filter((selectors) => selectors !== undefined);
    if (known.length === 0) throw fail("unavailable", "the calling process could not be attested");
    const selectors = this.#canonical.of(known);
    if (isComplete && known.length === found.length) return selectors;
    // A list of its own: the canonical one may be another caller's whole answer.
    const incomplete = [...selectors];
    this.#incomplete.add(incomplete);
    return incomplete;
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

  async #askAll(
    facts: ProcessFacts,
    signal: AbortSignal,
    onIncomplete: () => void,
  ): Promise<(readonly Selector[] | undefined)[]> {
    const deadline = new AbortController();
    const cancel = this.#options.clock.after(this.#deadlineMs, () =>
      deadline.abort(fail("deadline", `no answer within ${this.#deadlineMs} ms`)),
    );
    const onAbort = (): void => deadline.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.all(
        this.#options.attestors.map((attestor) =>
          this.#ask(attestor, facts, deadline.signal, onIncomplete),
        ),
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
    onIncomplete: () => void,
  ): Promise<readonly Selector[] | undefined> {
    const late = Promise.withResolvers<never>();
    // An attestor that listens to the signal gets one more turn to hand over what it has.
    const onAbort = (): void => void setImmediate(() => late.reject(signal.reason));
    late.promise.catch(() => undefined); // raced below; nobody else waits for it
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const startMs = performance.now();
    try {
      const found = await Promise.race([
        attestor.attest(facts, signal, onIncomplete),
        late.promise,
      ]);
      this.#note(attestor, startMs);
      return found;
    } catch (error) {
      this.#note(attestor, startMs, error);
      this.#log.warn(facts.uid, "workload attestor failed", {
        attestor: attestor.type,
        pid: facts.pid,
        error,
      });
      return undefined;
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
