/** The paths of the front end, and what every answer has in common (RFC 8555 §6.5, §7.1). */
import type { HttpAnswer } from "../../../http/http-answer.ts";
import type { ApiRoute, HttpCall } from "../../../http/http-call.ts";
import { PROBLEM_TYPE } from "../../../http/problem.ts";
import type { CallerLog } from "../../../observe/caller-log.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import { newRequestId } from "../../../rpc/request-id.ts";
import type { AuditTrail } from "../../audit/audit-trail.ts";
import type { CallOrigin, CallScope } from "../../audit/call-scope.ts";
import type { Accounts } from "./accounts.ts";
import { type AcmeAnswer, link } from "./answers.ts";
import type { Authorizations } from "./authorizations.ts";
import type { Certificates } from "./certificates.ts";
import type { Finalization } from "./finalization.ts";
import type { Nonces } from "./nonces.ts";
import type { Orders } from "./orders.ts";
import { type AcmeError, acmeErrorFrom, problemMembers } from "./problem.ts";
import {
  type AccountRequest,
  type SignedRequest,
  type SignedRequests,
  requireEmpty,
} from "./request.ts";
import type { AcmeUrls } from "./urls.ts";

export interface AcmeRoutesParts {
  readonly requests: SignedRequests;
  readonly nonces: Nonces;
  readonly urls: AcmeUrls;
  readonly accounts: Accounts;
  readonly orders: Orders;
  readonly authorizations: Authorizations;
  readonly finalization: Finalization;
  readonly certificates: Certificates;
  readonly changeKey: (request: AccountRequest) => Promise<AcmeAnswer>;
  readonly directory: () => HttpAnswer;
  readonly limits: () => HttpAnswer;
  readonly logger: Logger;
  readonly callerLog: CallerLog;
  readonly trail: Pick<AuditTrail, "denied">;
  readonly scope: CallScope;
  readonly metrics: Metrics;
}

/** What a signed request leads to. */
type Act<R> = (request: R, param: (name: string) => string, call: HttpCall) => Promise<AcmeAnswer>;

/** @param prefix what all paths begin with */
export function acmeRoutes(prefix: string, parts: AcmeRoutesParts): readonly ApiRoute[] {
  const { requests, nonces, urls, accounts, orders, authorizations, certificates } = parts;
  const get = (path: string, handler: ApiRoute["handler"]): ApiRoute => ({
    method: "GET",
    path: `${prefix}${path}`,
    maxBody: 0,
    handler: (call) => answered(parts, new Asked(path, call), () => handler(call)),
  });
  /** @param answer without a nonce, to a request whose signature fits */
  const signed = <R extends SignedRequest | AccountRequest>(
    path: string,
    read: (call: HttpCall) => Promise<R>,
    answer: (request: R, origin: CallOrigin, call: HttpCall) => Promise<HttpAnswer>,
  ): ApiRoute => ({
    method: "POST",
    path: `${prefix}${path}`,
    maxBody: MAX_BODY,
    handler: (call) => {
      const asked = new Asked(path, call);
      return answered(parts, asked, async () => {
        const request = await read(call);
        asked.by(request);
        return withNonce(await answer(request, asked.origin, call), nonces);
      });
    },
  });
  const post =
    <R extends SignedRequest>(read: (call: HttpCall) => Promise<R>) =>
    (path: string, act: Act<R>): ApiRoute =>
      signed(path, read, async (request, origin, call) => {
        const param = (name: string): string => call.params[name] ?? "";
        const made = await parts.scope.run(origin, () => act(request, param, call));
        return httpAnswer(made, urls);
      });
  const ofKey = post((call) => requests.ofKey(call));
  const ofEither = post<SignedRequest | AccountRequest>((call) => requests.ofEither(call));
  const readOfAccount = (call: HttpCall): Promise<AccountRequest> => requests.ofAccount(call);
  const ofAccount = post(readOfAccount);
  /** §6.3: what is to be had by GET, asked for with a signature. */
  const asGet = (path: string, answer: () => HttpAnswer): ApiRoute =>
    signed(path, readOfAccount, async (request) => {
      requireEmpty(request);
      return answer();
    });
  const newNonce = (status: number): HttpAnswer => withNonce(httpAnswer({ status }, urls), nonces);
  return [
    get("/directory", async () => parts.directory()),
    asGet("/directory", parts.directory),
    get("/acme/limits", async () => parts.limits()),
    get("/acme/new-nonce", async ({ method }) => newNonce(method === "HEAD" ? 200 : 204)),
    asGet("/acme/new-nonce", () => httpAnswer({ status: 204 }, urls)),
    get("/acme/renewal-info/:name", ({ params }) => certificates.renewalInfo(params["name"] ?? "")),
    ofKey("/acme/new-account", (request) => accounts.create(request)),
    ofAccount("/acme/account/:id", (request, param) => accounts.change(request, param("id"))),
    ofAccount("/acme/account/:id/orders", (request, param, { query }) =>
      accounts.orders(request, param("id"), query.get("cursor") ?? ""),
    ),
    ofAccount("/acme/new-order", (request) => orders.create(request)),
    ofAccount("/acme/order/:id", (request, param) => orders.show(request, param("id"))),
    ofAccount("/acme/order/:id/finalize", (request, param) =>
      parts.finalization.finalize(request, param("id")),
    ),
    ofAccount("/acme/authorization/:id", (request, param) =>
      authorizations.show(request, param("id")),
    ),
    ofAccount("/acme/challenge/:id/:type", (request, param) =>
      authorizations.challenge(request, param("id"), param("type")),
    ),
    ofAccount("/acme/certificate/:id", (request, param) =>
      certificates.download(request, param("id"), ""),
    ),
    ofAccount("/acme/certificate/:id/:alternate", (request, param) =>
      certificates.download(request, param("id"), param("alternate")),
    ),
    ofEither("/acme/revoke-cert", (request) => certificates.revoke(request)),
    ofAccount("/acme/key-change", (request) => parts.changeKey(request)),
  ];
}

/** Who asks for what, as audit log and log have it. */
class Asked {
  readonly path: string;
  readonly remoteAddress: string;
  readonly #requestId = newRequestId();
  #id: string | undefined;

  constructor(path: string, { remoteAddress }: HttpCall) {
    this.path = path;
    this.remoteAddress = remoteAddress;
  }

  /** Its signature fits. */
  by(request: SignedRequest | AccountRequest): void {
    this.#id = "account" in request ? request.account.id : request.key.thumbprint;
  }

  get origin(): CallOrigin {
    const caller = this.#id === undefined ? { role: "unknown" } : { role: "acme", id: this.#id };
    return {
      method: this.path.replace(/^\//, ""),
      requestId: this.#requestId,
      caller: { ...caller, address: this.remoteAddress },
    };
  }
}

/** An error is answered as a problem; it has a nonce too, so that the client can go on at once (§6.5). */
async function answered(
  parts: AcmeRoutesParts,
  asked: Asked,
  work: () => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  try {
    return await work();
  } catch (thrown) {
    const error = acmeErrorFrom(thrown);
    const { options, status } = error;
    await told(parts, asked, error, thrown);
    const { link: own, ...headers } = options.headers ?? {};
    const index = link(parts.urls.directory, "index");
    return withNonce(
      {
        status,
        type: PROBLEM_TYPE,
        body: `${JSON.stringify(problemMembers(error))}\n`,
        headers: { ...headers, link: own === undefined ? index : [index, own] },
        ...(options.bad === true ? { bad: true } : {}),
      },
      parts.nonces,
    );
  }
}

/** A refusal, in one place: metric, log, and audit record where somebody asked for what is not theirs. */
async function told(
  { trail, logger, callerLog, metrics }: AcmeRoutesParts,
  { path, remoteAddress, origin }: Asked,
  error: AcmeError,
  thrown: unknown,
): Promise<void> {
  const { type, message, status, kind } = error;
  metrics.add(SERVER_METRICS.acmeRefusals, [type]);
  if (status >= 500) logger.error("acme request failed", { resource: path, error: thrown });
  else {
    const facts = { resource: path, type, detail: message, remoteAddress };
    callerLog.info(remoteAddress, "acme request refused", facts);
  }
  if (kind === "denied") await trail.denied(origin, { kind, reason: type, message });
}

function httpAnswer(answer: AcmeAnswer, urls: AcmeUrls): HttpAnswer {
  const { status, body, text, location, links = [], retryAfterSeconds } = answer;
  const shown = text ?? {
    type: body === undefined ? "" : "application/json",
    body: body === undefined ? "" : `${JSON.stringify(body)}\n`,
  };
  return {
    status,
    ...shown,
    headers: {
      // One header for each: clients differ in how they take several in one.
      link: [link(urls.directory, "index"), ...links],
      ...(location === undefined ? {} : { location }),
      ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }),
    },
  };
}

function withNonce(answer: HttpAnswer, nonces: Nonces): HttpAnswer {
  return { ...answer, headers: { ...answer.headers, "replay-nonce": nonces.make() } };
}

/** A CSR with an RSA-4096 key and a hundred names is below 16 KiB, and half as much again in base64url, twice. */
const MAX_BODY = 64 * 1024;
