/** Challenges that are being looked at, each to its end; whose turn it is says the line. */
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { errorFrom, isKind } from "../../../base/errors.ts";
import type { AcmeFrontEndConfig } from "../../../config/server/acme-front-end.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type { AcmeAuthorizationRecord } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import { withChallenge } from "./challenge-change.ts";
import type { AcmeProblem, ChallengeType, Validator } from "./contract.ts";
import type { RateLimits } from "./limits.ts";
import { acmeError, storedProblem } from "./problem.ts";
import type { AcmeUrls } from "./urls.ts";
import { type LinePlace, ValidationLine } from "./validation-line.ts";

export interface ValidationsOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly validator: Pick<Validator, "validate">;
  readonly limits: Pick<RateLimits, "failed">;
  readonly urls: AcmeUrls;
  /** `authorizationTtlSeconds`: how long a valid authorization lasts. */
  readonly settings: () => Pick<AcmeFrontEndConfig, "authorizationTtlSeconds">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ValidationTask {
  readonly authorization: AcmeAuthorizationRecord;
  readonly type: ChallengeType;
  /** Of the account's key. */
  readonly thumbprint: string;
}

export class Validations implements AsyncDisposable {
  readonly #options: ValidationsOptions;
  readonly #line: ValidationLine<ValidationTask>;

  constructor(options: ValidationsOptions) {
    this.#options = options;
    const run = (task: ValidationTask, place: LinePlace): Promise<void> => this.#run(task, place);
    this.#line = new ValidationLine({ run, clock: options.clock });
  }

  /** Goes on with what a process before this one had begun. */
  async resume(): Promise<void> {
    const { store, logger } = this.#options;
    const found = await store.acme.processing(MAX_RESUMED);
    for (const authorization of found) {
      const account = await store.acme.account(authorization.accountId);
      const begun = authorization.challenges.find((each) => each.status === "processing");
      if (account?.status !== "valid" || begun === undefined) continue;
      this.start({ authorization, type: begun.type, thumbprint: account.keyId });
    }
    if (found.length > 0) logger.info("acme validations resumed", { many: found.length });
  }

  get waiting(): number {
    return this.#line.waiting;
  }

  /** Those that have lasted for more than a second. */
  get slow(): number {
    return this.#line.slow;
  }

  /** @throws AcmeError when too many wait, of this account or of all */
  requireRoom(accountId: string): void {
    if (this.#line.hasRoom(accountId)) return;
    throw acmeError("rateLimited", "too many challenges are waiting to be looked at; come again", {
      headers: { "retry-after": String(ROOM_RETRY) },
    });
  }

  start(task: ValidationTask): void {
    this.#line.add(task.authorization.accountId, task);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#line[Symbol.asyncDispose]();
  }

  /** Never rejects: what could not be written is tried again when the server starts, or when the client asks. */
  async #run(task: ValidationTask, place: LinePlace): Promise<void> {
    const { authorization, type } = task;
    const { logger } = this.#options;
    const { id } = authorization;
    try {
      await this.#decide(authorization, type, await this.#look(task, place));
    } catch (thrown) {
      // The next process goes on with it.
      if (isStopping(place.signal)) return;
      const error = errorFrom(thrown);
      logger.error("an acme challenge was not looked at to its end", { authorization: id, error });
      await this.#putBack(id, type).catch((failure: unknown) =>
        logger.error("an acme challenge was not put back", { authorization: id, error: failure }),
      );
    }
  }

  async #look(
    { authorization, type, thumbprint }: ValidationTask,
    { signal, entering }: LinePlace,
  ): Promise<AcmeProblem | undefined> {
    const { validator, urls } = this.#options;
    const { accountId, wildcard, value } = authorization;
    const token = authorization.challenges.find((each) => each.type === type)?.token ?? "";
    try {
      return await validator.validate({
        type,
        identifier: { type: authorization.type, value },
        wildcard,
        token,
        keyAuthorization: `${token}.${thumbprint}`,
        accountUri: urls.account(accountId),
        entering,
        signal,
      });
    } catch (thrown) {
      if (!signal.aborted || isStopping(signal)) throw thrown;
      return { type: "connection", detail: `${value}: ${(signal.reason as Error).message}` };
    }
  }

  async #decide(
    { id, accountId, type: kind, value }: AcmeAuthorizationRecord,
    type: ChallengeType,
    problem: AcmeProblem | undefined,
  ): Promise<void> {
    const { store, limits, settings, clock, logger, metrics } = this.#options;
    const now = epochSeconds(clock);
    await store.transaction(async ({ acme }) => {
      const present = await acme.authorization(id);
      // Deactivated meanwhile, or decided by another challenge of the same one.
      if (present?.status !== "pending") return;
      const decided =
        problem === undefined
          ? {
              ...withChallenge(present, type, { status: "valid", validatedAt: now }),
              status: "valid" as const,
              expiresAt: now + settings().authorizationTtlSeconds,
            }
          : {
              ...withChallenge(present, type, {
                status: "invalid",
                validatedAt: now,
                error: storedProblem(problem, { type: kind, value }),
              }),
              status: "invalid" as const,
            };
      await acme.updateAuthorization(decided);
    });
    const facts = { account: accountId, identifier: value, challenge: type };
    metrics.add(SERVER_METRICS.acmeValidations, [type, problem?.type ?? "ok"]);
    if (problem === undefined) logger.info("acme challenge met", facts);
    else {
      limits.failed(accountId, { type: kind, value });
      logger.info("acme challenge not met", {
        ...facts,
        why: problem.type,
        detail: problem.detail,
      });
    }
  }

  async #putBack(id: string, type: ChallengeType): Promise<void> {
    await this.#options.store.transaction(async ({ acme }) => {
      const present = await acme.authorization(id);
      if (present?.status !== "pending") return;
      await acme.updateAuthorization(withChallenge(present, type, { status: "pending" }));
    });
  }
}

function isStopping({ aborted, reason }: AbortSignal): boolean {
  return aborted && !isKind(reason, "deadline");
}

/** As many as may wait. */
const MAX_RESUMED = 10_000;
const ROOM_RETRY = 10;
