import type { Clock } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type {
  AuditIssue,
  AuditRotation,
  AuditSubject,
  GatheringAudit,
  PruneAudit,
  RotationAudit,
  RotationStep,
} from "../../observe/audit.ts";
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { MetricSpec, Metrics } from "../../observe/metrics.ts";
import type { Logger } from "../../observe/logger.ts";
import type { ReloadOutcome } from "../../config/reload.ts";
import type { AuditLog } from "./audit-log.ts";
import type { CallOrigin, CallScope } from "./call-scope.ts";
import { DenialBudget } from "./denial-budget.ts";

export interface AuditTrailOptions {
  readonly log: AuditLog;
  readonly scope: CallScope;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What an administrator's call did to one thing. */
export interface AdminAct {
  /** `ok`, or the kind of error. */
  readonly outcome: string;
  readonly subject: AuditSubject;
  readonly reason?: string;
}

/** The business events of the server, each in one place: whoever makes one happen tells it here and waits. */
export class AuditTrail implements GatheringAudit, RotationAudit, PruneAudit, AsyncDisposable {
  readonly #options: AuditTrailOptions;
  readonly #denials: DenialBudget;
  readonly #loop: Loop;

  private constructor(options: AuditTrailOptions) {
    this.#options = options;
    this.#denials = new DenialBudget(options.clock);
    this.#loop = new Loop({
      name: "summary of denials",
      clock: options.clock,
      random: options.random,
      round: async () => {
        await this.#summarise();
        return SUMMARY_MS;
      },
      backoff: { maxMs: SUMMARY_MS },
      onError: (error) => options.logger.warn("denials could not be summarised", { error }),
    });
  }

  /** Its first record is the server's start. @throws unavailable when the log cannot be written */
  static async open(options: AuditTrailOptions): Promise<AuditTrail> {
    await options.log.append({ kind: "system", action: "server.start", outcome: "ok" });
    return new AuditTrail(options);
  }

  expect(): Disposable {
    return this.#options.log.expect();
  }

  async issued({ action, subject }: AuditIssue): Promise<void> {
    const { log, scope, metrics } = this.#options;
    const askedMs = performance.now();
    await log.append({ kind: "issuance", action, outcome: "ok", ...scope.origin, subject });
    metrics.observe(SERVER_METRICS.auditWait, [], (performance.now() - askedMs) / 1000);
    metrics.add(signedMetric(action));
  }

  /** Never fails: an authority that is due must not wait for a disk that is full. */
  async rotated({ step, kind, reason, byHand, ...subject }: AuditRotation): Promise<void> {
    this.#options.metrics.add(...ROTATION_METRICS[step][kind]);
    if (!byHand) await this.#owed(`${kind}.authority.${step}`, subject, reason);
  }

  async pruned(subject: AuditSubject, reason: string): Promise<void> {
    await this.#owed("entry.prune", subject, reason);
  }

  /**
   * The configuration was read again; without an error it takes effect once this has resolved.
   * @throws unavailable when that cannot be recorded; never for one that was refused
   */
  async reloaded({ settings, error }: ReloadOutcome): Promise<void> {
    const { log, logger } = this.#options;
    const event = { kind: "system", action: "server.reload" } as const;
    if (error === undefined) {
      await log.append({ ...event, outcome: "ok", ...described({ subject: { settings } }) });
      return;
    }
    try {
      await log.append({ ...event, outcome: error.kind, ...described({ reason: error.message }) });
    } catch (failure) {
      logger.warn("a refused reload was not recorded", { error: failure });
    }
  }

  /**
   * Before an administrator's call: it is refused while its record could not be written.
   * @throws unavailable
   */
  async requireWritable(): Promise<void> {
    const { log } = this.#options;
    if (!log.failing) return;
    // Tries the disk: the record itself says that the log was interrupted.
    await log.append({ kind: "system", action: "audit.resume", outcome: "ok" });
  }

  /** @throws unavailable when the records cannot be written; they are, as soon as the disk takes them */
  async acted({ method, ...origin }: CallOrigin, acts: readonly AdminAct[]): Promise<void> {
    for (const { outcome } of acts) this.#options.metrics.add(SERVER_METRICS.adminActs, [outcome]);
    const written = await Promise.allSettled(
      acts.map((act) =>
        this.#options.log.append(
          { kind: "admin", action: method, outcome: act.outcome, ...origin, ...described(act) },
          { done: true },
        ),
      ),
    );
    const failed = written.find((result) => result.status === "rejected");
    if (failed === undefined) return;
    const { kind, message } = errorFrom(failed.reason);
    throw fail(kind, `the change was made and its record was not: ${message}`, {
      cause: failed.reason,
    });
  }

  /** Written unless there are too many. Never fails: the caller is refused in any case. */
  async denied(
    { method, ...origin }: CallOrigin,
    { kind, reason, message }: Pick<AssayError, "kind" | "reason" | "message">,
    subject?: AuditSubject,
  ): Promise<void> {
    const { log, logger, metrics } = this.#options;
    metrics.add(SERVER_METRICS.refusals, [kind, reason ?? ""]);
    if (!this.#denials.take(origin.caller.id, method, kind)) return;
    try {
      await log.append({
        kind: "denial",
        action: method,
        outcome: kind,
        ...origin,
        ...described({ ...(subject && { subject }), reason: reasonText(reason, message) }),
      });
    } catch (error) {
      logger.debug("denial could not be recorded", { method, error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
    const { log, logger } = this.#options;
    try {
      await this.#summarise();
      await log.append({ kind: "system", action: "server.stop", outcome: "ok" });
    } catch (error) {
      logger.warn("the server's end could not be recorded", { error });
    }
  }

  /** What the server did by the clock: done already. Never fails. */
  async #owed(action: string, subject: AuditSubject, reason?: string): Promise<void> {
    const { log, logger } = this.#options;
    try {
      await log.append(
        {
          kind: "system",
          action,
          outcome: "ok",
          caller: { role: "server" },
          ...described({ subject, ...(reason && { reason }) }),
        },
        { done: true },
      );
    } catch (error) {
      logger.warn("what the server did by the clock was not recorded yet", {
        action,
        ...subject,
        error,
      });
    }
  }

  async #summarise(): Promise<void> {
    const { log } = this.#options;
    const summaries = this.#denials.drain();
    // Counted already: they are owed, whether the disk takes them now or later.
    await Promise.all(
      summaries.map(({ action, outcome, count }) =>
        log.append(
          { kind: "denial", action: "denials.summary", method: action, outcome, count },
          { done: true },
        ),
      ),
    );
  }
}

function signedMetric(action: string): MetricSpec {
  if (action === "x509.downstream") return SERVER_METRICS.signedCa;
  if (action.startsWith("wit.")) return SERVER_METRICS.signedWit;
  return action.startsWith("jwt.") ? SERVER_METRICS.signedJwt : SERVER_METRICS.signedX509;
}

function described({
  subject,
  reason,
}: {
  readonly subject?: AuditSubject;
  readonly reason?: string;
}): { subject?: AuditSubject; reason?: string } {
  return {
    ...(subject === undefined || Object.keys(subject).length === 0 ? {} : { subject }),
    ...(reason === undefined ? {} : { reason: reason.slice(0, MAX_REASON).toWellFormed() }),
  };
}

function reasonText(reason: string | undefined, message: string): string {
  return reason === undefined ? message : `${reason}: ${message}`;
}

const ROTATION_METRICS: Readonly<
  Record<RotationStep, Record<AuditRotation["kind"], readonly [MetricSpec, string[]?]>>
> = {
  prepare: {
    x509: [SERVER_METRICS.preparedX509, ["OK"]],
    jwt: [SERVER_METRICS.preparedJwt, ["OK"]],
  },
  activate: { x509: [SERVER_METRICS.activatedX509], jwt: [SERVER_METRICS.activatedJwt] },
  prune: { x509: [SERVER_METRICS.pruned], jwt: [SERVER_METRICS.pruned] },
};
const MAX_REASON = 512;
const SUMMARY_MS = 10_000;
