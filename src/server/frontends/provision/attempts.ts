/** What becomes of each call, in one place: metric, audit record and log together. */
import { type AssayError, errorFrom } from "../../../base/errors.ts";
import type { HttpCall } from "../../../http/http-call.ts";
import type { AuditSubject } from "../../../observe/audit.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import { newRequestId } from "../../../rpc/request-id.ts";
import type { AuditTrail } from "../../audit/audit-trail.ts";
import type { CallOrigin, CallScope } from "../../audit/call-scope.ts";
import type { Grantor } from "./grant-request.ts";

export const ATTEMPTS = ["authorize", "sign", "renew"] as const;
export type Attempt = (typeof ATTEMPTS)[number];

export interface AttemptsOptions {
  readonly trail: Pick<AuditTrail, "acted" | "denied" | "requireWritable">;
  readonly scope: CallScope;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export class Attempts {
  readonly #options: AttemptsOptions;
  /** Errors that the audit log has already. */
  readonly #recorded = new WeakSet<AssayError>();

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Runs what an authorized caller has done, recorded as an administrator's act. */
  acting(
    attempt: Attempt,
    call: HttpCall,
    grantor: Grantor,
  ): <T>(subject: AuditSubject, work: () => Promise<T>) => Promise<T> {
    const { trail, metrics } = this.#options;
    const origin = originOf(attempt, call, grantor.label);
    return async (subject, work) => {
      await trail.requireWritable();
      const done = await work().catch(async (thrown: unknown) => {
        const error = errorFrom(thrown);
        const { kind: outcome, message: reason } = error;
        await trail.acted(origin, [{ outcome, reason, subject }]);
        this.#recorded.add(error);
        throw error;
      });
      await trail.acted(origin, [{ outcome: "ok", subject }]);
      metrics.add(SERVER_METRICS.provisionAttempts, [attempt, "ok"]);
      return done;
    };
  }

  /** Runs what is recorded as an issuance, by whoever issues. */
  async signing<T>(attempt: Attempt, call: HttpCall, work: () => Promise<T>): Promise<T> {
    const { scope, metrics } = this.#options;
    const done = await scope.run(originOf(attempt, call, "token"), work);
    metrics.add(SERVER_METRICS.provisionAttempts, [attempt, "ok"]);
    return done;
  }

  /** Never fails. */
  async failed(
    attempt: Attempt,
    call: HttpCall,
    error: AssayError,
    subject: AuditSubject,
  ): Promise<void> {
    const { trail, metrics, logger } = this.#options;
    const { kind } = error;
    metrics.add(SERVER_METRICS.provisionAttempts, [attempt, kind]);
    if (kind === "internal" || kind === "unavailable") {
      logger.error("provisioning failed", { attempt, ...subject, error });
    } else if (kind === "unauthenticated" || kind === "denied" || kind === "invalid") {
      const origin = originOf(attempt, call, "unknown");
      logger.debug("attempt refused", { attempt, address: call.remoteAddress, why: error.message });
      if (!this.#recorded.has(error)) await trail.denied(origin, error, subject);
    }
  }
}

function originOf(attempt: Attempt, { remoteAddress }: HttpCall, who: string): CallOrigin {
  const [role = who, id] = who.split(" ", 2);
  return {
    method: `provision.${attempt}`,
    requestId: newRequestId(),
    caller: {
      role,
      ...(id === undefined ? {} : { id }),
      ...(remoteAddress === "" ? {} : { address: remoteAddress }),
    },
  };
}
