/**
 * The SPIFFE Broker API (incubating): components that stand for workloads fetch their identities, over mutual TLS. Its
 * responses have the Workload API's form, so that the same bytes go out.
 */
import { epochSeconds } from "../../base/clock.ts";
import { errorFrom, fail, isKind } from "../../base/errors.ts";
import type { BrokerConfig } from "../../config/sections/broker-section.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import type { Logger } from "../../observe/logger.ts";
import type { FetchJWTSVIDRequest__Output } from "../../rpc/gen/spiffe/broker/FetchJWTSVIDRequest.ts";
import type { WorkloadReference__Output } from "../../rpc/gen/spiffe/broker/WorkloadReference.ts";
import type { GrpcCall, GrpcHandler } from "../../rpc/grpc/call.ts";
import { serveReflection } from "../../rpc/grpc/reflection.ts";
import type { SocketGrpcServer } from "../../rpc/grpc/server.ts";
import { methodDefinition } from "../../rpc/protos.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { PodReference } from "../../attestors/workload/kubernetes/pod-search.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Cache, ViewUpdate } from "../cache/cache.ts";
import type { JwtCache } from "../cache/jwt-cache.ts";
import type { KnownBundles } from "../cache/known-bundles.ts";
import type { ViewKind } from "../cache/view.ts";
import { isForDelegates, onlyChanged, signedBefore } from "../delegated/others-identities.ts";
import { PeerWatch } from "../peer/peer-watch.ts";
import { checkAudience } from "../workload-api/audience.ts";
import { follow } from "../workload-api/follow.ts";
import { JwtFrames } from "../workload-api/jwt-frames.ts";
import { unmatched } from "../workload-api/unmatched.ts";
import { encodeView } from "../workload-api/view-messages.ts";
import { whenSynced } from "../workload-api/when-synced.ts";
import { type Broker, type BrokerConnection, verifyBroker } from "./broker-caller.ts";
import { type PodWatchOptions, findPod, untilPodGone } from "./pod-watch.ts";
import { gone, holdProcess, notEntitled, readReference } from "./reference.ts";

export interface BrokerApiOptions extends PodWatchOptions {
  readonly config: BrokerConfig;
  readonly attestation: Attestation;
  readonly cache: Cache;
  readonly jwtCache: JwtCache;
  readonly bundles: KnownBundles;
  readonly logger: Logger;
}

export const BROKER_API = "spiffe.broker.API";

/** Adds its methods and reflection to the server of the broker endpoint. */
export function routeBrokerApi(
  server: SocketGrpcServer<BrokerConnection>,
  options: BrokerApiOptions,
): void {
  const api = new BrokerApi(options);
  const route = (
    name: string,
    handle: (call: BrokerCall, request: never) => Promise<void>,
  ): void => {
    const method = methodDefinition(BROKER_API, name);
    server.route(method.path, (call) =>
      api.admitted(call, async (broker) =>
        // The definition that decoded the request is the one that the handler's type was made from.
        handle({ call, broker }, method.request.decode(await call.request()) as never),
      ),
    );
  };
  route("SubscribeToX509SVID", (call, request: Referring) => api.stream(call, request, "x509"));
  route("SubscribeToX509Bundles", (call, request: Referring) =>
    api.stream(call, request, "x509-bundles"),
  );
  route("SubscribeToJWTBundles", (call, request: Referring) =>
    api.stream(call, request, "jwt-bundles"),
  );
  route("FetchJWTSVID", (call, request: FetchJWTSVIDRequest__Output) =>
    api.fetchJwtSvid(call, request),
  );
  const gated = {
    route: (path: string, handler: GrpcHandler<BrokerConnection>): void =>
      server.route(path, (call) => api.admitted(call, () => handler(call))),
  };
  serveReflection(gated, [BROKER_API]);
}

interface Referring {
  readonly reference: WorkloadReference__Output | null;
}

interface BrokerCall {
  readonly call: GrpcCall<BrokerConnection>;
  readonly broker: Broker;
}

class BrokerApi {
  readonly #options: BrokerApiOptions;
  readonly #watch: PeerWatch;
  readonly #log: CallerLog;
  readonly #jwtFrames = new JwtFrames();
  /** By the view's own bytes: without what is for no broker. */
  readonly #frames = new WeakMap<Uint8Array, Uint8Array | "none">();

  constructor(options: BrokerApiOptions) {
    this.#options = options;
    this.#watch = new PeerWatch(options.clock);
    this.#log = new CallerLog(options.logger, options.clock);
  }

  /** Runs `work` for a broker, until its SVID ends. @throws invalid without the security header; as `verifyBroker` */
  async admitted(
    call: GrpcCall<BrokerConnection>,
    work: (broker: Broker) => Promise<void>,
  ): Promise<void> {
    const { cache, clock } = this.#options;
    const values = call.metadata("broker.spiffe.io");
    if (values.length !== 1 || values[0] !== "true") {
      throw fail("invalid", "security header missing from request");
    }
    await whenSynced(cache, clock, call.signal);
    const broker = await this.#verify(call);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    using stack = new DisposableStack();
    const { place } = call.context;
    place.prove(broker.spiffeId);
    stack.defer(place.begin());
    stack.defer(
      clock.after(broker.expiresAt * 1000 - clock.nowMs(), () =>
        reject(fail("unauthenticated", "the broker's SVID has expired; connect with its next one")),
      ),
    );
    // An authority that is revoked ends what its brokers have open, and so does an SVID that is.
    stack.defer(this.#options.bundles.follow(() => void this.#verify(call).catch(reject)));
    await Promise.race([work(broker), ended]);
  }

  async stream({ call, broker }: BrokerCall, request: Referring, kind: ViewKind): Promise<void> {
    const { cache, clock } = this.#options;
    const { promise: ended, reject } = Promise.withResolvers<never>();
    ended.catch(() => undefined); // the process may end before anybody waits
    using stack = new DisposableStack();
    const selectors = await this.#attest({ call, broker }, request, stack, reject);
    const changed = onlyChanged();
    const show = (update: ViewUpdate): Uint8Array | undefined => {
      const frame = this.#frameOf(update, kind);
      if (frame === undefined) throw this.#notEntitled(selectors);
      // What changed of the view may be for no broker.
      return changed(frame);
    };
    const following = follow({ call, cache, clock, kind, selectors, show });
    await Promise.race([following, ended]);
  }

  async fetchJwtSvid(
    { call, broker }: BrokerCall,
    request: FetchJWTSVIDRequest__Output,
  ): Promise<void> {
    const { cache, jwtCache } = this.#options;
    const audience = checkAudience(request.audience);
    const wanted = request.spiffe_id === "" ? undefined : SpiffeId.parse(request.spiffe_id);
    const { promise: ended, reject } = Promise.withResolvers<never>();
    ended.catch(() => undefined); // the process may end before anybody waits
    using stack = new DisposableStack();
    const selectors = await this.#attest({ call, broker }, request, stack, reject);
    const entries = cache
      .match(selectors)
      .filter(isForDelegates)
      .filter(({ spiffeId }) => wanted === undefined || spiffeId === wanted.toString());
    if (entries.length === 0) throw this.#notEntitled(selectors);
    const svids = await signedBefore(ended, entries, audience, jwtCache);
    call.send(this.#jwtFrames.of(entries, svids));
  }

  async #verify({ context }: GrpcCall<BrokerConnection>): Promise<Broker> {
    const { config, bundles, clock } = this.#options;
    return verifyBroker(context, config.brokers, (name) => bundles.of(name), epochSeconds(clock));
  }

  async #attest(
    { call, broker }: BrokerCall,
    request: Referring,
    stack: DisposableStack,
    onGone: (reason: Error) => void,
  ): Promise<readonly Selector[]> {
    const { attestation } = this.#options;
    const reference = readReference(request, broker);
    if (reference.kind === "pod") {
      return this.#attestPod({ call, broker }, reference.pod, stack, onGone);
    }
    const { pid } = reference;
    const peer = holdProcess(pid);
    stack.defer(() => peer.release());
    stack.defer(this.#watch.add(peer, () => onGone(gone(`the process ${pid} has ended`))));
    this.#log.info(broker.spiffeId, "a broker asks for the identities of a workload", {
      method: call.path,
      broker: broker.spiffeId,
      workloadPid: pid,
    });
    return attestation.attest(peer, call);
  }

  async #attestPod(
    { call, broker }: BrokerCall,
    pod: PodReference,
    stack: DisposableStack,
    onGone: (reason: Error) => void,
  ): Promise<readonly Selector[]> {
    const { uid, selectors, isIncomplete } = await findPod(pod, this.#options, call.signal);
    if (isIncomplete) this.#options.attestation.noteIncomplete(selectors);
    const over = new AbortController();
    stack.defer(() => over.abort());
    untilPodGone(pod, uid, this.#options, AbortSignal.any([call.signal, over.signal])).then(
      () => onGone(gone("the pod is on this node no more")),
      () => undefined, // the call is over
    );
    this.#log.info(broker.spiffeId, "a broker asks for the identities of a workload", {
      method: call.path,
      broker: broker.spiffeId,
      workloadPodUid: uid,
    });
    return selectors;
  }

  #notEntitled(selectors: readonly Selector[]): Error {
    const error = errorFrom(unmatched(this.#options.attestation, selectors));
    return isKind(error, "denied") ? notEntitled(error.message) : error;
  }

  /** `undefined` when nothing of the view is for a broker. */
  #frameOf(update: ViewUpdate, kind: ViewKind): Uint8Array | undefined {
    if (update.kind === "none") return undefined;
    const { frame, content } = update;
    if (kind !== "x509") return frame;
    let shown = this.#frames.get(frame);
    if (shown === undefined) {
      const svids = content.svids.filter(({ entry }) => isForDelegates(entry));
      if (svids.length === content.svids.length) shown = frame;
      else shown = svids.length === 0 ? "none" : encodeView(kind, { ...content, svids });
      this.#frames.set(frame, shown);
    }
    return shown === "none" ? undefined : shown;
  }
}
