/** FetchWITSVID and FetchWITBundles of the Workload API (WIT-SVID, an experimental branch of the standards). */
import type { Clock, EpochSeconds } from "../../base/clock.ts";
import { AssayError, errorFrom, fail } from "../../base/errors.ts";
import type { WITSVIDRequest__Output } from "../../rpc/gen/WITSVIDRequest.ts";
import type { WITSVIDResponse } from "../../rpc/gen/WITSVIDResponse.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import { encodeFrame } from "../../rpc/grpc/frame.ts";
import { messageType } from "../../rpc/protos.ts";
import type { Selector } from "../../spiffe/selector.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { Cache, Subscription } from "../cache/cache.ts";
import type { ViewKind } from "../cache/view.ts";
import type { WitStore } from "../cache/wit-store.ts";
import { HOLD_MS, noIdentity, notReady, tokenEnded } from "../workload-api/follow.ts";
import { ComposedFrames, type ComposedFramesOptions } from "./composed-frames.ts";
import { WIT_KEYS_HOLD_MS, type WitKeys } from "./wit-keys.ts";

export interface WitParts {
  readonly store: WitStore;
  readonly keys: WitKeys;
}

export interface WitStreamParams {
  readonly call: GrpcCall<unknown>;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly selectors: readonly Selector[];
  /** When the token that gave some of the selectors ends. */
  readonly endsAt?: EpochSeconds;
}

/** Never resolves. @throws invalid for a bad ID; denied, unavailable as the other streams do */
export async function followWitSvids(
  params: WitStreamParams,
  { store, keys }: WitParts,
  request: Uint8Array,
): Promise<never> {
  const { clock } = params;
  const { spiffe_id } = messageType("WITSVIDRequest").decode(request) as WITSVIDRequest__Output;
  const wanted = spiffe_id === "" ? undefined : SpiffeId.parse(spiffe_id).toString();
  // Whatever changes a workload's identities changes its X.509-SVIDs.
  return followWit(params, "x509", async ({ svids: views }) => {
    const { keyIds } = await keys.current();
    const entries = views
      .map(({ entry }) => entry)
      // The server names members of families by their values, and has no such call for WIT-SVIDs.
      .filter(({ member }) => member === undefined)
      .filter(({ spiffeId }) => wanted === undefined || spiffeId === wanted);
    if (entries.length === 0) throw noIdentity();
    const held = await Promise.all(entries.map((entry) => store.get(entry, keyIds)));
    const response: WITSVIDResponse = {
      svids: held.map(({ token, key }, index) => ({
        spiffe_id: entries[index]?.spiffeId ?? "",
        wit_svid: token,
        wit_svid_key: key,
        hint: entries[index]?.hint ?? "",
      })),
    };
    const renewAtMs = Math.min(...held.map((each) => each.renewAtMs));
    const againMs = Math.min(renewAtMs - clock.nowMs(), WIT_KEYS_HOLD_MS);
    return { frame: encodeFrame(messageType("WITSVIDResponse").encode(response)), againMs };
  });
}

/** Of the own trust domain alone. Never resolves. @throws denied, unavailable as the other streams do */
export async function followWitBundles(
  params: WitStreamParams,
  { keys }: WitParts,
  request: Uint8Array,
): Promise<never> {
  if (request.length > 0) messageType("WITBundlesRequest").decode(request);
  return followWit(params, "jwt-bundles", async ({ own }) => {
    const { document } = await keys.current();
    const response = { bundles: { [`spiffe://${own.trustDomain}`]: document } };
    return {
      frame: encodeFrame(messageType("WITBundlesResponse").encode(response)),
      againMs: WIT_KEYS_HOLD_MS,
    };
  });
}

function followWit(
  { call, cache, clock, selectors, endsAt }: WitStreamParams,
  kind: ViewKind,
  compose: ComposedFramesOptions["compose"],
): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const cancels: (() => void)[] = [];
  let over = false;
  const end = (error: Error): void => {
    if (over) return;
    over = true;
    frames.stop();
    for (const cancel of cancels) cancel();
    reject(error);
  };
  const frames = new ComposedFrames({
    compose,
    send: (frame) => void call.send(frame),
    onError: (thrown) => end(told(errorFrom(thrown))),
    clock,
  });
  call.onEnd(end);
  if (over) return promise;
  if (endsAt !== undefined) {
    cancels.push(clock.after(endsAt * 1000 - clock.nowMs(), () => end(tokenEnded())));
  }
  const subscription: Subscription = cache.subscribe(selectors, kind, (update) => {
    if (update.kind === "none") end(noIdentity());
    else frames.show(update.content);
  });
  cancels.push(() => subscription.close());
  if (over) subscription.close();
  else {
    const late = (): void => {
      if (!frames.hasContent && !subscription.settle()) end(notReady(cache));
    };
    cancels.push(clock.after(HOLD_MS, late));
  }
  return promise;
}

/** What the server has against the agent is no affair of the workload's. */
function told(error: AssayError): AssayError {
  if (error.kind === "denied" && error.message === noIdentity().message) return error;
  if (error.kind === "unsupported") return fail("unsupported", "the server offers no WIT-SVIDs");
  return new AssayError("unavailable", "the WIT-SVID could not be signed; retry", { cause: error });
}
