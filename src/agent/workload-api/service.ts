/** The methods of the SPIFFE Workload API (SPIFFE Workload API §5 to §7) for one connection's peer each. */
import type { Clock } from "../../base/clock.ts";
import { epochSeconds } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Logger } from "../../observe/logger.ts";
import type { JWTSVIDRequest__Output } from "../../rpc/gen/JWTSVIDRequest.ts";
import type { ValidateJWTSVIDRequest__Output } from "../../rpc/gen/ValidateJWTSVIDRequest.ts";
import type { ValidateJWTSVIDResponse } from "../../rpc/gen/ValidateJWTSVIDResponse.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import { encodeFrame } from "../../rpc/grpc/frame.ts";
import type { SocketGrpcServer } from "../../rpc/grpc/server.ts";
import { messageType } from "../../rpc/protos.ts";
import { verifyJwtSvid } from "../../spiffe/jwt-svid.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { attestCall } from "../attestation/attest-call.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Cache } from "../cache/cache.ts";
import type { JwtCache } from "../cache/jwt-cache.ts";
import type { ViewKind } from "../cache/view.ts";
import type { Peer } from "../peer/peer.ts";
import { checkAudience, signingFailed } from "./audience.ts";
import { structOf, visibleClaims } from "./claims.ts";
import { counted } from "./counted.ts";
import {
  type WitParts,
  type WitStreamParams,
  followWitBundles,
  followWitSvids,
} from "../wit/wit-streams.ts";
import { follow } from "./follow.ts";
import { JwtFrames } from "./jwt-frames.ts";
import { shownSelectors } from "./shown-selectors.ts";
import { unmatched } from "./unmatched.ts";
import { whenSynced } from "./when-synced.ts";

export interface WorkloadApiOptions {
  readonly attestation: Attestation;
  readonly cache: Cache;
  readonly jwtCache: JwtCache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Claims of foreign tokens that a validator learns besides `sub`, `exp` and `aud`. */
  readonly allowedForeignJwtClaims: () => readonly string[];
  /** Where WIT-SVIDs are on. */
  readonly wit?: WitParts;
}

/** Full name of the service; it has no package. */
export const WORKLOAD_API = "SpiffeWorkloadAPI";

/** Adds the methods to the server of the Workload API's socket. */
export function routeWorkloadApi(
  server: SocketGrpcServer<Peer>,
  options: WorkloadApiOptions,
): void {
  const api = new WorkloadApi(options);
  const route = (method: string, handle: (call: GrpcCall<Peer>) => Promise<void>): void => {
    const path = `/${WORKLOAD_API}/${method}`;
    const checked = (call: GrpcCall<Peer>): Promise<void> => {
      checkSecurityHeader(call);
      return handle(call);
    };
    server.route(path, counted(path, options.metrics, checked));
  };
  route("FetchX509SVID", (call) => api.stream(call, "X509SVIDRequest", "x509"));
  route("FetchX509Bundles", (call) => api.stream(call, "X509BundlesRequest", "x509-bundles"));
  route("FetchJWTBundles", (call) => api.stream(call, "JWTBundlesRequest", "jwt-bundles"));
  route("FetchJWTSVID", (call) => api.fetchJwtSvid(call));
  route("ValidateJWTSVID", (call) => api.validateJwtSvid(call));
  route("FetchWITSVID", (call) => api.streamWit(call, followWitSvids));
  route("FetchWITBundles", (call) => api.streamWit(call, followWitBundles));
}

/**
 * Workload Endpoint §3: a request without the header may have been tricked out of a browser or proxy.
 * @throws invalid unless it is there exactly once with the value `true`
 */
function checkSecurityHeader(call: GrpcCall<Peer>): void {
  const values = call.metadata("workload.spiffe.io");
  if (values.length !== 1 || values[0] !== "true") {
    throw fail("invalid", "security header missing from request");
  }
}

class WorkloadApi {
  readonly #options: WorkloadApiOptions;
  readonly #log: CallerLog;
  readonly #jwtFrames = new JwtFrames();

  constructor(options: WorkloadApiOptions) {
    this.#options = options;
    this.#log = new CallerLog(options.logger, options.clock);
  }

  stream(call: GrpcCall<Peer>, requestType: string, kind: ViewKind): Promise<void> {
    return this.#follow(
      call,
      // Empty, as the standard has it: nothing can be wrong with it.
      (request) => void (request.length > 0 && messageType(requestType).decode(request)),
      (common) => follow({ ...common, kind }),
    );
  }

  streamWit(
    call: GrpcCall<Peer>,
    followThem: (params: WitStreamParams, parts: WitParts, request: Uint8Array) => Promise<never>,
  ): Promise<void> {
    const { wit } = this.#options;
    if (wit === undefined) throw fail("unsupported", "WIT-SVIDs are not offered here");
    return this.#follow(
      call,
      () => undefined,
      (common, request) => followThem(common, wit, request),
    );
  }

  /** One function from the request to the end: what a call waits for in turn is what all calls pay for. */
  async #follow(
    call: GrpcCall<Peer>,
    check: (request: Uint8Array) => void,
    followIt: (params: WitStreamParams, request: Uint8Array) => Promise<never>,
  ): Promise<void> {
    const request = await call.request();
    check(request);
    const { attestation, cache, clock } = this.#options;
    const selectors = await attestCall(attestation, call);
    const { endsAt } = attestation.notesOn(selectors);
    try {
      const common = { call, cache, clock, selectors };
      await followIt(endsAt === undefined ? common : { ...common, endsAt }, request);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.kind === "denied") {
        this.#log.info(call.context.uid, "no identity issued", {
          method: call.path,
          pid: call.context.pid,
          selectors: shownSelectors(selectors),
        });
        throw unmatched(attestation, selectors);
      }
      throw error;
    }
  }

  async fetchJwtSvid(call: GrpcCall<Peer>): Promise<void> {
    const request = messageType("JWTSVIDRequest").decode(
      await call.request(),
    ) as JWTSVIDRequest__Output;
    const audience = checkAudience(request.audience);
    const wanted = request.spiffe_id === "" ? undefined : SpiffeId.parse(request.spiffe_id);
    const { attestation, cache, jwtCache, clock } = this.#options;
    const selectors = await attestCall(attestation, call);
    // The signal is made when it is asked for.
    if (!cache.synced) await whenSynced(cache, clock, call.signal);
    const matched = cache.match(selectors);
    const entries =
      wanted === undefined
        ? matched
        : matched.filter(({ spiffeId }) => spiffeId === wanted.toString());
    if (entries.length === 0) throw unmatched(attestation, selectors);
    const held = entries.map((entry) => jwtCache.held(entry, audience));
    const svids = held.every((svid) => svid !== undefined)
      ? held
      : await Promise.all(
          entries.map((entry) => jwtCache.fetch(entry, audience).catch(signingFailed)),
        );
    call.send(this.#jwtFrames.of(entries, svids));
  }

  async validateJwtSvid(call: GrpcCall<Peer>): Promise<void> {
    const request = messageType("ValidateJWTSVIDRequest").decode(
      await call.request(),
    ) as ValidateJWTSVIDRequest__Output;
    if (request.audience === "") throw fail("invalid", "audience is missing");
    if (request.svid === "") throw fail("invalid", "svid is missing");
    const { attestation, cache, clock, allowedForeignJwtClaims } = this.#options;
    const selectors = await attestCall(attestation, call);
    if (cache.ownBundle === undefined) await whenSynced(cache, clock, call.signal);
    // Callers without an identity may validate too, with the own trust domain's keys alone.
    const entries = cache.match(selectors);
    const { spiffeId, claims } = await verifyJwtSvid(
      request.svid,
      request.audience,
      (trustDomain) => cache.bundleFor(trustDomain, entries),
      epochSeconds(clock),
    );
    const isForeign = spiffeId.trustDomain.name !== cache.ownBundle?.trustDomain;
    const response: ValidateJWTSVIDResponse = {
      spiffe_id: spiffeId.toString(),
      claims: structOf(visibleClaims(claims, isForeign, allowedForeignJwtClaims())),
    };
    call.send(encodeFrame(messageType("ValidateJWTSVIDResponse").encode(response)));
  }
}
