import type { TokenHandlers } from "../../rpc/gen/assay/token/v1/Token.ts";
import { requestIdOf } from "../../rpc/request-id.ts";
import type { CallContext, Implementation } from "../../rpc/service.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { verifyCsr } from "../../x509/csr.ts";
import type { CallScope } from "../audit/call-scope.ts";
import type { TokenBearer, TokenBearers } from "../bearers/token-bearers.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { ProfileTtls } from "../issuance/x509-profile.ts";
import { parseCsrField } from "./attest.ts";
import { atMost, textField } from "./fields.ts";
import { bundleMessage, jwtSvidMessage, x509SvidMessage } from "./messages.ts";

export interface TokenApiDeps {
  readonly bearers: TokenBearers;
  readonly issuance: Issuance;
  readonly ownBundle: () => Bundle;
  /** Of a trust domain, by its name. */
  readonly bundleOf: (trustDomain: string) => Bundle | undefined;
  readonly limits: Limits;
  readonly scope: CallScope;
  /** As of now. */
  readonly ttl: () => ProfileTtls;
  readonly logger: Logger;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** `assay.token.v1.Token`: SVIDs for whoever shows a token. Anyone may call it, so it tells nobody what it knows. */
export function tokenApi(deps: TokenApiDeps): Implementation<TokenHandlers> {
  const { issuance, ttl } = deps;
  return {
    async NewX509SVID(request, call) {
      await deps.limits.attest(call);
      const csr = parseCsrField("csr", request.csr);
      await verifyCsr(csr);
      const bearer = await admit(deps, request, csr.publicKey, call);
      const svids = await asBearer(deps.scope, bearer, () =>
        Promise.all(
          bearer.entries.map(async (entry) => {
            const x509SvidTtl = shorter(bearer, entry.x509SvidTtl, ttl().x509SvidSeconds);
            const svid = await issuance.workloadX509({ entry: { ...entry, x509SvidTtl }, csr });
            return { ...x509SvidMessage(svid), hint: entry.hint };
          }),
        ),
      );
      const own = deps.ownBundle();
      const names = new Set(bearer.entries.flatMap(({ federatesWith }) => federatesWith));
      names.delete(own.trustDomain);
      const federated = [...names].sort().flatMap((name) => deps.bundleOf(name) ?? []);
      return {
        svids,
        bundle: bundleMessage(own, null),
        federated_bundles: federated.map((bundle) => bundleMessage(bundle, null)),
      };
    },

    async NewJWTSVID(request, call) {
      await deps.limits.attest(call);
      const csr = parseCsrField("csr", request.csr);
      await verifyCsr(csr);
      const { audience } = request;
      if (audience.length === 0) throw fail("invalid", "audience: is missing");
      atMost("audience", audience.length, MAX_AUDIENCES);
      const bearer = await admit(deps, request, csr.publicKey, call);
      const svids = await asBearer(deps.scope, bearer, () =>
        Promise.all(
          bearer.entries.map(async (entry) => {
            const jwtSvidTtl = shorter(bearer, entry.jwtSvidTtl, ttl().jwtSvidSeconds);
            const svid = await issuance.workloadJwt({ entry: { ...entry, jwtSvidTtl }, audience });
            return { ...jwtSvidMessage(svid), hint: entry.hint };
          }),
        ),
      );
      return { svids };
    },
  };
}

/** The reason of a refusal goes to the audit log. A stranger who tries tokens learns nothing of issuers and entries. */
async function admit(
  { bearers, logger, stopping }: TokenApiDeps,
  request: { readonly token: string; readonly spiffe_id: string },
  publicKey: Uint8Array,
  call: CallContext,
): Promise<TokenBearer> {
  const { spiffe_id: spiffeId } = request;
  if (request.token === "") throw fail("invalid", "token: is missing");
  if (spiffeId !== "") textField("spiffe_id", spiffeId, MAX_ID_LENGTH);
  try {
    return await bearers.admit({
      token: request.token,
      publicKey,
      ...(spiffeId === "" ? {} : { spiffeId }),
      signal: AbortSignal.any([call.signal, stopping]),
    });
  } catch (thrown) {
    const error = errorFrom(thrown);
    const requestId = requestIdOf(call);
    if (error.kind === "invalid" || error.kind === "denied") {
      throw fail(
        "denied",
        `the token gives no identity here; the server's audit log says why (request ${requestId})`,
        { cause: error, withheld: error.message },
      );
    }
    if (error.kind !== "unavailable") throw error;
    logger.warn("a token could not be checked", { error, requestId });
    throw fail("unavailable", "the token cannot be checked now; try again", { cause: error });
  }
}

/** What is issued is recorded for the token, by its issuer and subject; the token itself is a secret. */
function asBearer<T>(
  scope: CallScope,
  { token: { alias, claims } }: TokenBearer,
  work: () => Promise<T>,
): Promise<T> {
  const { origin } = scope;
  if (origin === undefined) throw fail("internal", "a token's call is not under audit");
  const { sub } = claims as { sub?: unknown };
  const subject = typeof sub === "string" ? `:sub:${sub.slice(0, MAX_SUBJECT)}` : "";
  const caller = { ...origin.caller, role: "token", id: `oidc:${alias}${subject}` };
  return scope.run({ ...origin, caller }, work);
}

function shorter({ maxTtlSeconds }: TokenBearer, ofEntry: number, fallback: number): number {
  return Math.min(ofEntry === 0 ? fallback : ofEntry, maxTtlSeconds);
}

const MAX_AUDIENCES = 32;
const MAX_ID_LENGTH = 2048;
const MAX_SUBJECT = 256;
