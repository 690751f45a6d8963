/** What the agent has its server sign for workloads. Nobody has looked at what comes back yet. */
import { type AssayError, fail } from "../../base/errors.ts";
import { metered } from "../../observe/metered.ts";
import { AGENT_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { BatchNewJWTSVIDResponse__Output } from "../../rpc/gen/assay/jwt/v1/BatchNewJWTSVIDResponse.ts";
import type { BatchNewWITSVIDResponse__Output } from "../../rpc/gen/spire/api/server/svid/v1/BatchNewWITSVIDResponse.ts";
import type { BatchNewX509SVIDResponse__Output } from "../../rpc/gen/spire/api/server/svid/v1/BatchNewX509SVIDResponse.ts";
import type { NewJWTSVIDResponse__Output } from "../../rpc/gen/spire/api/server/svid/v1/NewJWTSVIDResponse.ts";
import type { JWTSVID__Output } from "../../rpc/gen/spire/api/types/JWTSVID.ts";
import type { WITSVID__Output } from "../../rpc/gen/spire/api/types/WITSVID.ts";
import { errorFromStatus, statusName } from "../../rpc/status.ts";
import type { Member } from "../cache/entry.ts";
import type { WitOrder } from "../cache/wit-store.ts";
import { chainOf } from "./messages.ts";

export interface SignRequest {
  readonly entryId: string;
  readonly csr: Uint8Array;
  /** For a member of a family, which the server makes the SPIFFE ID for. */
  readonly member?: Member;
}

/** As the server signed it; nobody has looked at it yet. */
export interface SignedJwt {
  readonly token: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** One answer of a batch: a chain (DER, leaf first), or why there is none. */
export type SignedSvid = { readonly chain: readonly Uint8Array[] } | { readonly error: AssayError };

export interface ServerSignerOptions {
  /** One call, refusals of the agent itself seen to. */
  readonly unary: <Res extends object>(
    service: string,
    method: string,
    request: object,
    signal: AbortSignal,
  ) => Promise<Res>;
  readonly metrics: Metrics;
}

export class ServerSigner {
  readonly #options: ServerSignerOptions;

  constructor(options: ServerSignerOptions) {
    this.#options = options;
  }

  /** One answer for each request, in order. */
  async signX509Svids(
    requests: readonly SignRequest[],
    signal: AbortSignal,
  ): Promise<readonly SignedSvid[]> {
    const plain = requests.filter(({ member }) => member === undefined);
    const members = requests.flatMap(({ member, csr }) =>
      member === undefined ? [] : [{ member: memberMessage(member), csr }],
    );
    const [ofPlain, ofMembers] = await Promise.all([
      this.#signBatch(
        SVID,
        plain.map(({ entryId, csr }) => ({ entry_id: entryId, csr })),
        signal,
      ),
      this.#signBatch(TEMPLATES, members, signal),
    ]);
    const [nextPlain, nextMember] = [ofPlain.values(), ofMembers.values()];
    return requests.map(({ member }): SignedSvid => {
      const { value } = (member === undefined ? nextPlain : nextMember).next();
      return value ?? { error: fail("internal", "the server sent no answer") };
    });
  }

  async #signBatch(
    service: string,
    params: readonly object[],
    signal: AbortSignal,
  ): Promise<readonly SignedSvid[]> {
    if (params.length === 0) return [];
    const { results } = await metered(
      this.#options.metrics,
      AGENT_METRICS.fetchSvids,
      () =>
        this.#options.unary<BatchNewX509SVIDResponse__Output>(
          service,
          "BatchNewX509SVID",
          { params },
          signal,
        ),
      statusName,
    );
    if (results.length !== params.length) {
      throw fail("internal", "the server answered another number of SVIDs than was asked for");
    }
    return results.map(({ status, svid }): SignedSvid => {
      if (svid !== null && (status === null || status.code === 0)) return { chain: chainOf(svid) };
      const text = status?.message ?? "";
      return { error: fail("denied", text === "" ? "the server signed no SVID" : text) };
    });
  }

  signJwtSvid(
    entryId: string,
    audience: readonly string[],
    signal: AbortSignal,
  ): Promise<SignedJwt> {
    return this.#signJwt(SVID, { entry_id: entryId, audience: [...audience] }, signal);
  }

  /**
   * A result for each order, in order: the token, or why there is none.
   * @throws unsupported when the server signs them one by one
   */
  async signJwtSvids(
    orders: readonly { readonly entryId: string; readonly audience: readonly string[] }[],
    signal: AbortSignal,
  ): Promise<readonly (SignedJwt | AssayError)[]> {
    const params = orders.map(({ entryId, audience }) => ({
      entry_id: entryId,
      audience: [...audience],
    }));
    const { results } = await this.#options.unary<BatchNewJWTSVIDResponse__Output>(
      TOKENS,
      "BatchNewJWTSVID",
      { params },
      signal,
    );
    if (results.length !== orders.length) {
      throw fail("internal", "the server answered another number of tokens than was asked for");
    }
    return results.map(({ status, svid }) => {
      if (status !== null && status.code !== 0) return errorFromStatus(status);
      return signedJwt(svid) ?? fail("internal", "the server sent no JWT-SVID");
    });
  }

  signMemberJwt(
    member: Member,
    audience: readonly string[],
    signal: AbortSignal,
  ): Promise<SignedJwt> {
    const request = { member: memberMessage(member), audience: [...audience] };
    return this.#signJwt(TEMPLATES, request, signal);
  }

  async #signJwt(service: string, request: object, signal: AbortSignal): Promise<SignedJwt> {
    const { svid } = await this.#options.unary<NewJWTSVIDResponse__Output>(
      service,
      "NewJWTSVID",
      request,
      signal,
    );
    const signed = signedJwt(svid);
    if (signed === undefined) throw fail("internal", "the server sent no JWT-SVID");
    return signed;
  }

  /** @throws unsupported when the server offers no WIT-SVIDs */
  async signWitSvid(order: WitOrder, signal: AbortSignal): Promise<SignedJwt> {
    const { entryId: entry_id, publicKey: public_key, algorithm: signing_algorithm } = order;
    const { results } = await this.#options.unary<BatchNewWITSVIDResponse__Output>(
      SVID,
      "BatchNewWITSVID",
      { params: [{ entry_id, public_key, signing_algorithm }] },
      signal,
    );
    const { status, svid } = results[0] ?? {};
    if (status != null && status.code !== 0) throw errorFromStatus(status);
    const signed = signedJwt(svid ?? null);
    if (signed === undefined) throw fail("internal", "the server sent no WIT-SVID");
    return signed;
  }
}

function signedJwt(svid: JWTSVID__Output | WITSVID__Output | null): SignedJwt | undefined {
  if (svid === null || svid.token === "") return undefined;
  const { token, issued_at, expires_at } = svid;
  return { token, issuedAt: Number(issued_at), expiresAt: Number(expires_at) };
}

function memberMessage({ entryId, values, pod }: Member): object {
  return { entry_id: entryId, values: [...values], ...(pod === undefined ? {} : { pod }) };
}

const SVID = "spire.api.server.svid.v1.SVID";
const TOKENS = "assay.jwt.v1.Tokens";
const TEMPLATES = "assay.template.v1.Templates";
