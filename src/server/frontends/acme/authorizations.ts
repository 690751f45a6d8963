/** Authorizations and their challenges (RFC 8555 §7.5). */
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import type {
  AcmeAccountRecord,
  AcmeAuthorizationRecord,
  AcmeChallengeRecord,
} from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import { type AcmeAnswer, link } from "./answers.ts";
import { type RateLimits, requireWithin } from "./limits.ts";
import { acmeError } from "./problem.ts";
import { type AccountRequest, payloadOf } from "./request.ts";
import { authorizationResource, authorizationStatus, challengeResource } from "./resources.ts";
import { withChallenge } from "./challenge-change.ts";
import type { AcmeUrls } from "./urls.ts";
import type { Validations } from "./validations.ts";

export interface AuthorizationsOptions {
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly validations: Pick<Validations, "start" | "requireRoom">;
  readonly limits: Pick<RateLimits, "mayValidate">;
  readonly urls: AcmeUrls;
  readonly clock: Clock;
}

export class Authorizations {
  readonly #options: AuthorizationsOptions;

  constructor(options: AuthorizationsOptions) {
    this.#options = options;
  }

  /** Shows it, or deactivates it (§7.5.2). @throws AcmeError */
  async show(request: AccountRequest, id: string): Promise<AcmeAnswer> {
    const { urls, clock, store } = this.#options;
    let authorization = await this.#require(request.account, id);
    const now = epochSeconds(clock);
    if (request.payload !== "") {
      const { status } = payloadOf(request);
      if (status !== "deactivated") {
        throw acmeError(
          "malformed",
          "an authorization's status can be changed to deactivated only",
        );
      }
      authorization = await store.transaction(async ({ acme }) => {
        const present = (await acme.authorization(id)) ?? authorization;
        const is = authorizationStatus(present, now);
        if (is !== "pending" && is !== "valid") {
          throw acmeError("malformed", `the authorization is ${is} already`);
        }
        const next = { ...present, status: "deactivated" as const };
        await acme.updateAuthorization(next);
        return next;
      });
    }
    const isLookedAt = authorization.challenges.some((each) => each.status === "processing");
    return {
      status: 200,
      body: authorizationResource(authorization, urls, now),
      ...(authorization.status === "pending" && isLookedAt ? { retryAfterSeconds: 1 } : {}),
    };
  }

  /** Starts it with `{}` (§7.5.1); POST-as-GET shows it. @throws AcmeError */
  async challenge(request: AccountRequest, id: string, type: string): Promise<AcmeAnswer> {
    const { account, payload } = request;
    const authorization = await this.#require(account, id);
    const challenge = challengeOf(authorization, type);
    if (payload === "") return this.#shown(authorization, challenge);
    payloadOf(request);
    const now = epochSeconds(this.#options.clock);
    if (authorizationStatus(authorization, now) !== "pending" || challenge.status !== "pending") {
      return this.#shown(authorization, challenge);
    }
    return this.#start(request, authorization, challenge.type);
  }

  async #start(
    { account, key }: AccountRequest,
    { id, type, value }: AcmeAuthorizationRecord,
    of: AcmeChallengeRecord["type"],
  ): Promise<AcmeAnswer> {
    const { store, validations, limits, urls } = this.#options;
    requireWithin(await limits.mayValidate(account.id, { type, value }), urls);
    validations.requireRoom(account.id);
    const { started, isNew } = await store.transaction(async ({ acme }) => {
      const present = await acme.authorization(id);
      if (present === undefined) throw new TypeError("an authorization is gone");
      const isPending = challengeOf(present, of).status === "pending";
      if (present.status !== "pending" || !isPending) return { started: present, isNew: false };
      const next = withChallenge(present, of, { status: "processing" });
      await acme.updateAuthorization(next);
      return { started: next, isNew: true };
    });
    // The row says so first: a process that ends now is followed by one that goes on with it.
    if (isNew) validations.start({ authorization: started, type: of, thumbprint: key.thumbprint });
    return this.#shown(started, challengeOf(started, of));
  }

  /** Always with the way to its authorization, which some clients have from here only. */
  #shown({ id }: AcmeAuthorizationRecord, challenge: AcmeChallengeRecord): AcmeAnswer {
    const { urls } = this.#options;
    return {
      status: 200,
      body: challengeResource(id, challenge, urls),
      links: [link(urls.authorization(id), "up")],
      ...(challenge.status === "processing" ? { retryAfterSeconds: 1 } : {}),
    };
  }

  async #require(account: AcmeAccountRecord, id: string): Promise<AcmeAuthorizationRecord> {
    const found = await this.#options.store.acme.authorization(id);
    if (found === undefined) {
      throw acmeError("malformed", "there is no such authorization", { status: 404 });
    }
    if (found.accountId === account.id) return found;
    throw acmeError("unauthorized", "the authorization is another account's");
  }
}

/** @throws AcmeError when it has no challenge of this type */
function challengeOf({ challenges }: AcmeAuthorizationRecord, type: string): AcmeChallengeRecord {
  const found = challenges.find((each) => each.type === type);
  if (found !== undefined) return found;
  throw acmeError("malformed", "the authorization has no such challenge", { status: 404 });
}
