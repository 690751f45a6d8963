/** SPIRE's Delegated Identity API: a trusted process of this host fetches the identities of others. Admin socket only. */
import type { Clock } from "../../base/clock.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import type { Logger } from "../../observe/logger.ts";
import type { FetchJWTSVIDsRequest__Output } from "../../rpc/gen/spire/api/agent/delegatedidentity/v1/FetchJWTSVIDsRequest.ts";
import type { SubscribeToX509SVIDsRequest__Output } from "../../rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsRequest.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import type { SocketGrpcServer } from "../../rpc/grpc/server.ts";
import { methodDefinition } from "../../rpc/protos.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Cache, ViewUpdate } from "../cache/cache.ts";
import type { JwtCache } from "../cache/jwt-cache.ts";
import type { KnownBundles } from "../cache/known-bundles.ts";
import { PeerWatch } from "../peer/peer-watch.ts";
import type { Peer } from "../peer/peer.ts";
import { checkAudience } from "../workload-api/audience.ts";
import { follow } from "../workload-api/follow.ts";
import { unmatched } from "../workload-api/unmatched.ts";
import { type Delegate, Delegates } from "./delegates.ts";
import {
  encodeJwtBundles,
  encodeJwtSvids,
  encodeX509Bundles,
  encodeX509Svids,
} from "./messages.ts";
import { isForDelegates, onlyChanged, signedBefore } from "./others-identities.ts";
import { type Subject, type SubjectRequest, subjectOf } from "./subject.ts";

export interface DelegatedIdentityOptions {
  readonly attestation: Attestation;
  readonly cache: Cache;
  readonly jwtCache: JwtCache;
  readonly bundles: KnownBundles;
  readonly clock: Clock;
  readonly logger: Logger;
  /** SPIFFE IDs whose holders may ask. */
  readonly authorizedDelegates: () => readonly string[];
}

export const DELEGATED_IDENTITY = "spire.api.agent.delegatedidentity.v1.DelegatedIdentity";

/** Adds its methods to the server of the admin socket, whose connections name their peers. */
export function routeDelegatedIdentity(
  server: SocketGrpcServer<Peer>,
  options: DelegatedIdentityOptions,
): void {
  const api = new DelegatedIdentity(options);
  const route = (
    name: string,
    handle: (call: GrpcCall<Peer>, request: never) => Promise<void>,
  ): void => {
    const method = methodDefinition(DELEGATED_IDENTITY, name);
    server.route(method.path, async (call) =>
      // The definition that decoded the request is the one that the handler's type was made from.
      handle(call, method.request.decode(await call.request()) as never),
    );
  };
  route("SubscribeToX509SVIDs", (call, request: SubscribeToX509SVIDsRequest__Output) =>
    api.subscribeToX509Svids(call, request),
  );
  route("FetchJWTSVIDs", (call, request: FetchJWTSVIDsRequest__Output) =>
    api.fetchJwtSvids(call, request),
  );
  route("SubscribeToX509Bundles", (call) => api.subscribeToBundles(call, encodeX509Bundles));
  route("SubscribeToJWTBundles", (call) => api.subscribeToBundles(call, encodeJwtBundles));
}

class DelegatedIdentity {
  readonly #options: DelegatedIdentityOptions;
  readonly #delegates: Delegates;
  readonly #watch: PeerWatch;
  readonly #log: CallerLog;
  /** By the view's own bytes, which are the same object for all who hold it. */
  readonly #frames = new WeakMap<Uint8Array, Uint8Array>();

  constructor(options: DelegatedIdentityOptions) {
    this.#options = options;
    this.#delegates = new Delegates({ ...options, authorized: options.authorizedDelegates });
    this.#watch = new PeerWatch(options.clock);
    this.#log = new CallerLog(options.logger, options.clock);
  }

  /** A workload without an identity has an empty list, and its SVIDs when it gets any. */
  async subscribeToX509Svids(call: GrpcCall<Peer>, request: SubjectRequest): Promise<void> {
    const { cache, clock, attestation } = this.#options;
    const delegate = await this.#delegates.admit(call);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    ended.catch(() => undefined); // the process may end before anybody waits
    using stack = new DisposableStack();
    stack.defer(this.#delegates.watch(delegate, reject));
    const subject = stack.use(await this.#subject(call, request, reject));
    this.#note(call, delegate, subject);
    const { selectors } = subject;
    const { isIncomplete } = attestation.notesOn(selectors);
    const changed = onlyChanged();
    const show = (update: ViewUpdate): Uint8Array | undefined => {
      // What was not known of the process at first may be what an entry asks for.
      if (update.kind === "none" && isIncomplete) throw unmatched(attestation, selectors);
      this.#delegates.require(delegate);
      return changed(this.#frameOf(update));
    };
    await Promise.race([follow({ call, cache, clock, kind: "x509", selectors, show }), ended]);
  }

  async fetchJwtSvids(call: GrpcCall<Peer>, request: FetchJWTSVIDsRequest__Output): Promise<void> {
    const { cache, jwtCache, attestation } = this.#options;
    const audience = checkAudience(request.audience);
    const delegate = await this.#delegates.admit(call);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    ended.catch(() => undefined); // the process may end before anybody waits
    using subject = await this.#subject(call, request, reject);
    this.#note(call, delegate, subject);
    const entries = cache.match(subject.selectors).filter(isForDelegates);
    if (entries.length === 0) throw unmatched(attestation, subject.selectors);
    const svids = await signedBefore(ended, entries, audience, jwtCache);
    call.send(encodeJwtSvids(entries, svids));
  }

  /** All bundles that the agent knows. */
  async subscribeToBundles(
    call: GrpcCall<Peer>,
    encode: (all: readonly Bundle[]) => Uint8Array,
  ): Promise<void> {
    const delegate = await this.#delegates.admit(call);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    using stack = new DisposableStack();
    stack.defer(this.#delegates.watch(delegate, reject));
    call.onEnd(reject);
    const changed = onlyChanged();
    const stop = this.#options.bundles.follow((all) => {
      try {
        this.#delegates.require(delegate);
        const frame = changed(encode(all));
        if (frame !== undefined) call.send(frame);
      } catch (thrown) {
        reject(thrown);
      }
    });
    stack.defer(stop);
    await ended;
  }

  #subject(
    call: GrpcCall<Peer>,
    request: SubjectRequest,
    onGone: (reason: Error) => void,
  ): Promise<Subject> {
    const { attestation } = this.#options;
    return subjectOf(request, call, { attestation, watch: this.#watch, onGone });
  }

  #frameOf(update: ViewUpdate): Uint8Array {
    if (update.kind === "none") return encodeX509Svids(undefined);
    const known = this.#frames.get(update.frame);
    if (known !== undefined) return known;
    const frame = encodeX509Svids(update.content);
    this.#frames.set(update.frame, frame);
    return frame;
  }

  /** Keys of other processes are about to be handed over. */
  #note(call: GrpcCall<Peer>, { spiffeId }: Delegate, { pid, selectors }: Subject): void {
    this.#log.info(spiffeId, "a delegate asks for the identities of a workload", {
      method: call.path,
      delegate: spiffeId,
      ...(pid === undefined ? { selectors: selectors.length } : { workloadPid: pid }),
    });
  }
}
