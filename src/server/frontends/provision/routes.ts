/** The HTTP API, as doc/provision.md has it. */
import { type AssayError, errorFrom, fail } from "../../../base/errors.ts";
import type { HttpAnswer } from "../../../http/http-answer.ts";
import type { ApiRoute, HttpCall } from "../../../http/http-call.ts";
import { problemOf } from "../../../http/problem.ts";
import { NEWEST_HEADER } from "../../../provision/renewal-proof.ts";
import { certificateAnswer, rootsAnswer } from "./answers.ts";
import type { Attempt, Attempts } from "./attempts.ts";
import { authorizeFields, inFormFields } from "./authorize-fields.ts";
import { bearerOf } from "./callers.ts";
import type { GrantRequest, Grantor } from "./grant-request.ts";
import type { MadeGrant } from "./grants.ts";
import { secretHash } from "./secret-hash.ts";
import { type ShownCertificate, shownCertificate } from "./shown-certificate.ts";
import { type Signed, Superseded } from "./signing.ts";

export interface RoutesParts {
  readonly grants: {
    authorize(request: GrantRequest, grantor: Grantor): Promise<MadeGrant>;
    withdraw(hash: string): Promise<boolean>;
  };
  readonly signing: {
    sign(hash: string, body: Uint8Array): Promise<Signed>;
    renew(shown: ShownCertificate, body: Uint8Array): Promise<Signed>;
  };
  readonly grantorOf: (call: HttpCall) => Promise<Grantor>;
  /** DER. */
  readonly roots: () => readonly Uint8Array[];
  /** Those above the listener's own certificate, DER; empty when it is not the server's own. */
  readonly listenerRoots: () => readonly Uint8Array[];
  readonly attempts: Attempts;
}

export function provisionRoutes(parts: RoutesParts): readonly ApiRoute[] {
  const { attempts } = parts;
  const route = (
    attempt: Attempt,
    answer: (call: HttpCall) => Promise<HttpAnswer>,
  ): ApiRoute["handler"] => {
    return async (call) => {
      try {
        return await answer(call);
      } catch (thrown) {
        const error = errorFrom(thrown);
        await attempts.failed(attempt, call, error, subjectOf(attempt, call));
        return failure(error);
      }
    };
  };
  const authorize = route("authorize", (call) => authorized(call, parts));
  const sign = route("sign", (call) => signed(call, parts));
  const renew = route("renew", (call) => renewed(call, parts));
  const maxBody = MAX_BODY;
  const routes = ["PUT", "POST"].flatMap((method) => [
    { method, path: "/v1/sign", maxBody, handler: sign },
    { method, path: "/v1/sign/:token", maxBody, handler: sign },
    { method, path: "/v1/renew", maxBody, handler: renew },
  ]);
  return [
    ...routes,
    { method: "POST", path: "/v1/authorize", maxBody, handler: authorize },
    { method: "GET", path: "/v1/ca", maxBody: 0, handler: async (call) => caAnswer(call, parts) },
    { method: "GET", path: "/v1/status", maxBody: 0, handler: async () => json({ status: "ok" }) },
  ];
}

async function authorized(
  call: HttpCall,
  { grants, grantorOf, attempts }: RoutesParts,
): Promise<HttpAnswer> {
  const grantor = await grantorOf(call);
  const fields = authorizeFields(call);
  const act = attempts.acting("authorize", call, grantor);
  if (fields.kind === "withdraw") {
    const tokenHash = secretHash(fields.token);
    await act({ tokenHash }, () => grants.withdraw(tokenHash));
    return EMPTY;
  }
  const { request } = fields;
  const tokenHash = secretHash(request.token);
  const subject = {
    tokenHash,
    names: [request.commonName, ...request.names],
    ...(request.entryId === undefined ? {} : { entryId: request.entryId }),
    ...(request.spiffeId === undefined ? {} : { spiffeId: request.spiffeId }),
  };
  const { grant } = await act(subject, () =>
    grants.authorize(request, grantor).catch((thrown: unknown) => {
      throw inFormFields(thrown);
    }),
  );
  if (!/\bapplication\/json\b/i.test(call.headers.accept ?? "")) return EMPTY;
  const expiresAt = new Date(grant.expiresAt * 1000).toISOString();
  return json({ cn: grant.commonName, tokenHash, expiresAt });
}

async function signed(call: HttpCall, { signing, attempts }: RoutesParts): Promise<HttpAnswer> {
  const token = tokenOf(call);
  if (token === "") throw fail("invalid", "the token is missing; PUT to /v1/sign/TOKEN");
  const { certificate } = await attempts.signing("sign", call, () =>
    signing.sign(secretHash(token), call.body),
  );
  return certificateAnswer(certificate.chain, call.headers.accept);
}

async function renewed(call: HttpCall, { signing, attempts }: RoutesParts): Promise<HttpAnswer> {
  const { certificate } = await attempts.signing("renew", call, async () =>
    signing.renew(await shownCertificate(call), call.body),
  );
  return certificateAnswer(certificate.chain, call.headers.accept);
}

function caAnswer({ query }: HttpCall, { roots, listenerRoots }: RoutesParts): HttpAnswer {
  const which = query.get("for");
  if (which !== null && which !== "listener") {
    throw fail("invalid", "for is listener, or absent");
  }
  const found = which === "listener" ? listenerRoots() : roots();
  if (found.length > 0) return rootsAnswer(found);
  const none = "the listener's certificate is not the server's own; its authority is yours to know";
  throw which === "listener"
    ? fail("not_found", none)
    : fail("unavailable", "there is no authority yet");
}

/** The header counts: a client that appends a file's name to the path means no token by it. */
function tokenOf({ params, headers }: HttpCall): string {
  return bearerOf(headers.authorization) ?? params["token"] ?? "";
}

function subjectOf(attempt: Attempt, call: HttpCall): { readonly tokenHash?: string } {
  if (attempt !== "sign") return {};
  const token = tokenOf(call);
  return token === "" ? {} : { tokenHash: secretHash(token) };
}

function failure(error: AssayError): HttpAnswer {
  return { ...problemOf(error, headersOf(error)), bad: BAD.has(error.kind) };
}

function headersOf(error: AssayError): HttpAnswer["headers"] {
  if (error instanceof Superseded) return { [NEWEST_HEADER]: error.newest };
  if (error.kind === "unauthenticated") return { "www-authenticate": "Bearer" };
  const mayRetry = error.kind === "unavailable" || error.kind === "limited";
  return mayRetry ? { "retry-after": "5" } : undefined;
}

function json(value: object): HttpAnswer {
  return { status: 200, type: "application/json", body: `${JSON.stringify(value)}\n` };
}

const EMPTY: HttpAnswer = { status: 200, type: "", body: "" };
/** What counts with the guard: wrong tokens, requests that cannot be read, names that were not authorized. */
const BAD: ReadonlySet<string> = new Set(["invalid", "unauthenticated", "denied"]);
const MAX_BODY = 64 * 1024;
