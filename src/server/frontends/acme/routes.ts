/** The paths of the front end, and what every answer has in common (RFC 8555 §6.5, §7.1). */
import type { HttpAnswer } from "../../../http/http-answer.ts";
import type { ApiRoute, HttpCall } from "../../../http/http-call.ts";
import { PROBLEM_TYPE } from "../../../http/problem.ts";
import type { CallerLog } from "../../../observe/caller-log.ts";
import type { Logger } from "../../../observe/logger.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type { Accounts } from "./accounts.ts";
import { type AcmeAnswer, link } from "./answers.ts";
import type { Authorizations } from "./authorizations.ts";
import type { Certificates } from "./certificates.ts";
import type { Finalization } from "./finalization.ts";
import type { Nonces } from "./nonces.ts";
import type { Orders } from "./orders.ts";
import { acmeErrorFrom, problemMembers } from "./problem.ts";
import type { AccountRequest, SignedRequests } from "./request.ts";
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
  readonly metrics: Metrics;
}

/** What a signed request leads to. */
type Act = (call: HttpCall, param: (name: string) => string) => Promise<AcmeAnswer>;

/** @param prefix what all paths begin with */
export function acmeRoutes(prefix: string, parts: AcmeRoutesParts): readonly ApiRoute[] {
  const { requests, nonces, accounts, orders, authorizations, certificates, finalization } = parts;
  const get = (path: string, handler: ApiRoute["handler"]): ApiRoute => ({
    method: "GET",
    path: `${prefix}${path}`,
    maxBody: 0,
    handler: (call) => answered(parts, call, path, () => handler(call)),
  });
  const post = (path: string, act: Act): ApiRoute => ({
    method: "POST",
    path: `${prefix}${path}`,
    maxBody: MAX_BODY,
    handler: (call) =>
      answered(parts, call, path, async () => {
        const made = await act(call, (name) => call.params[name] ?? "");
        return withNonce(httpAnswer(made, parts.urls), nonces);
      }),
  });
  const newNonce = (status: number): HttpAnswer =>
    withNonce(httpAnswer({ status }, parts.urls), nonces);
  return [
    get("/directory", async () => parts.directory()),
    get("/acme/limits", async () => parts.limits()),
    get("/acme/new-nonce", async ({ method }) => newNonce(method === "HEAD" ? 200 : 204)),
    get("/acme/renewal-info/:name", ({ params }) => certificates.renewalInfo(params["name"] ?? "")),
    post("/acme/new-account", async (call) => accounts.create(await requests.ofKey(call))),
    post("/acme/account/:id", async (call, param) =>
      accounts.change(await requests.ofAccount(call), param("id")),
    ),
    post("/acme/account/:id/orders", async (call, param) =>
      accounts.orders(await requests.ofAccount(call), param("id"), call.query.get("cursor") ?? ""),
    ),
    post("/acme/new-order", async (call) => orders.create(await requests.ofAccount(call))),
    post("/acme/order/:id", async (call, param) =>
      orders.show(await requests.ofAccount(call), param("id")),
    ),
    post("/acme/order/:id/finalize", async (call, param) =>
      finalization.finalize(await requests.ofAccount(call), param("id")),
    ),
    post("/acme/authorization/:id", async (call, param) =>
      authorizations.show(await requests.ofAccount(call), param("id")),
    ),
    post("/acme/challenge/:id/:type", async (call, param) =>
      authorizations.challenge(await requests.ofAccount(call), param("id"), param("type")),
    ),
    post("/acme/certificate/:id", async (call, param) =>
      certificates.download(await requests.ofAccount(call), param("id"), ""),
    ),
    post("/acme/certificate/:id/:alternate", async (call, param) =>
      certificates.download(await requests.ofAccount(call), param("id"), param("alternate")),
    ),
    post("/acme/revoke-cert", async (call) => certificates.revoke(await requests.ofEither(call))),
    post("/acme/key-change", async (call) => parts.changeKey(await requests.ofAccount(call))),
  ];
}

/** An error is answered as a problem; it has a nonce too, so that the client can go on at once (§6.5). */
async function answered(
  { nonces, urls, logger, callerLog, metrics }: AcmeRoutesParts,
  { remoteAddress }: HttpCall,
  path: string,
  work: () => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  try {
    return await work();
  } catch (thrown) {
    const error = acmeErrorFrom(thrown);
    const { type, message, status } = error;
    if (status >= 500) logger.error("acme request failed", { resource: path, error: thrown });
    else {
      const facts = { resource: path, type, detail: message, remoteAddress };
      callerLog.info(remoteAddress, "acme request refused", facts);
    }
    metrics.add(SERVER_METRICS.acmeRefusals, [type]);
    const { link: own, ...headers } = error.options.headers ?? {};
    const index = link(urls.directory, "index");
    return withNonce(
      {
        status,
        type: PROBLEM_TYPE,
        body: `${JSON.stringify(problemMembers(error))}\n`,
        headers: { ...headers, link: own === undefined ? index : [index, own] },
        ...(error.options.bad === true ? { bad: true } : {}),
      },
      nonces,
    );
  }
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
