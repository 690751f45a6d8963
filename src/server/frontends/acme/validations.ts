/** Challenges that are being looked at: so many at once, so many of one account, and each to its end. */
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { errorFrom } from "../../../base/errors.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type { AcmeAuthorizationRecord } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import { withChallenge } from "./challenge-change.ts";
import type { AcmeProblem, ChallengeType, Validator } from "./contract.ts";
import { identifierKey } from "./identifiers.ts";
import type { RateLimits } from "./limits.ts";
import { acmeError, storedProblem } from "./problem.ts";
import type { AcmeUrls } from "./urls.ts";

export interface ValidationsOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly validator: Pick<Validator, "validate">;
  readonly limits: Pick<RateLimits, "failed">;
  readonly urls: AcmeUrls;
  /** How long a valid authorization lasts. */
  readonly authorizationTtlSeconds: number;
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
  readonly #stopping = new AbortController();
  readonly #waiting: ValidationTask[] = [];
  readonly #running = new Set<Promise<void>>();
  /** How many of each account run. */
  readonly #ofAccount = new Map<string, number>();

  constructor(options: ValidationsOptions) {
    this.#options = options;
  }

  /** Goes on with what a process before this one had begun. */
  async resume(): Promise<void> {
    const { store, logger } = this.#options;
    const found = await store.acme.processing(MAX_WAITING);
    for (const authorization of found) {
      const account = await store.acme.account(authorization.accountId);
      const begun = authorization.challenges.find((each) => each.status === "processing");
      if (account?.status !== "valid" || begun === undefined) continue;
      this.start({ authorization, type: begun.type, thumbprint: account.keyId });
    }
    if (found.length > 0) logger.info("acme validations resumed", { many: found.length });
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws AcmeError when too many wait, of this account or of all */
  requireRoom(accountId: string): void {
    const own = this.#waiting.filter(({ authorization }) => authorization.accountId === accountId);
    if (this.#waiting.length < MAX_WAITING && own.length < MAX_WAITING_OF_ACCOUNT) return;
    throw acmeError("rateLimited", "too many challenges are waiting to be looked at; come again", {
      headers: { "retry-after": String(ROOM_RETRY) },
    });
  }

  start(task: ValidationTask): void {
    this.#waiting.push(task);
    this.#next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#waiting.length = 0;
    await Promise.all(this.#running);
  }

  #next(): void {
    while (this.#running.size < MAX_RUNNING) {
      // An account with many waits for its own.
      const at = this.#waiting.findIndex(
        ({ authorization: { accountId } }) =>
          (this.#ofAccount.get(accountId) ?? 0) < MAX_OF_ACCOUNT,
      );
      const [task] = at < 0 ? [] : this.#waiting.splice(at, 1);
      if (task === undefined) return;
      const { accountId } = task.authorization;
      this.#count(accountId, 1);
      const run = this.#run(task).finally(() => {
        this.#running.delete(run);
        this.#count(accountId, -1);
        if (!this.#stopping.signal.aborted) this.#next();
      });
      this.#running.add(run);
    }
  }

  /** Never rejects: what could not be written is tried again when the server starts, or when the client asks. */
  async #run({ authorization, type, thumbprint }: ValidationTask): Promise<void> {
    const { validator, urls, logger } = this.#options;
    const { id, accountId, wildcard, value } = authorization;
    const token = authorization.challenges.find((each) => each.type === type)?.token ?? "";
    const { signal } = this.#stopping;
    try {
      const problem = await validator.validate({
        type,
        identifier: { type: authorization.type, value },
        wildcard,
        token,
        keyAuthorization: `${token}.${thumbprint}`,
        accountUri: urls.account(accountId),
        signal,
      });
      await this.#decide(authorization, type, problem);
    } catch (thrown) {
      // The next process goes on with it.
      if (signal.aborted) return;
      const error = errorFrom(thrown);
      logger.error("an acme challenge was not looked at to its end", { authorization: id, error });
      await this.#putBack(id, type).catch((failure: unknown) =>
        logger.error("an acme challenge was not put back", { authorization: id, error: failure }),
      );
    }
  }

  async #decide(
    { id, accountId, type: kind, value }: AcmeAuthorizationRecord,
    type: ChallengeType,
    problem: AcmeProblem | undefined,
  ): Promise<void> {
    const { store, limits, authorizationTtlSeconds, clock, logger, metrics } = this.#options;
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
              expiresAt: now + authorizationTtlSeconds,
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
      limits.failed(accountId, identifierKey({ type: kind, value }));
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

  #count(accountId: string, by: number): void {
    const many = (this.#ofAccount.get(accountId) ?? 0) + by;
    if (many <= 0) this.#ofAccount.delete(accountId);
    else this.#ofAccount.set(accountId, many);
  }
}

const MAX_RUNNING = 64;
const MAX_OF_ACCOUNT = 16;
const MAX_WAITING = 10_000;
/** As many as may be pending: an account that deactivates what it has begun must not fill the line for the others. */
const MAX_WAITING_OF_ACCOUNT = 300;
const ROOM_RETRY = 10;
