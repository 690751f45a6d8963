import type { Clock, EpochSeconds } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Cache, Subscription, ViewUpdate } from "../cache/cache.ts";
import type { ViewKind } from "../cache/view.ts";

export interface FollowParams {
  readonly call: GrpcCall<unknown>;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly kind: ViewKind;
  readonly selectors: readonly Selector[];
  /** When the token that gave some of the selectors ends, seconds since 1970. */
  readonly endsAt?: EpochSeconds;
  /**
   * The frame to send for an update; none for one that says nothing new. What it throws ends the call. Default: the
   * view's own frame, and the end for whoever has no identity.
   */
  readonly show?: (update: ViewUpdate) => Uint8Array | undefined;
}

/**
 * Sends whole views until the call is over. Never resolves: a stream that ends with OK silently ends the watch of
 * java-spiffe and py-spiffe.
 * @throws denied when the caller has no identity (any more); unavailable when nothing is known within the hold time, or the
 * token ends (java-spiffe never comes back from anything else)
 */
export function follow({
  call,
  cache,
  clock,
  kind,
  selectors,
  endsAt,
  show = showView,
}: FollowParams): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  let subscription: Subscription | undefined;
  let sent = false;
  let cancelHold = (): void => undefined;
  let cancelEnd = (): void => undefined;
  let over = false;
  const end = (error: Error): void => {
    if (over) return;
    over = true;
    cancelHold();
    cancelEnd();
    subscription?.close();
    reject(error);
  };
  call.onEnd(end);
  if (over) return promise;
  if (endsAt !== undefined) {
    cancelEnd = clock.after(endsAt * 1000 - clock.nowMs(), () => end(tokenEnded()));
  }
  subscription = cache.subscribe(selectors, kind, (update) => {
    if (over) return;
    try {
      const frame = show(update);
      if (frame === undefined) return;
      if (!sent) cancelHold();
      sent = true;
      call.send(frame, update.kind === "view" ? update.validUntil * 1000 : undefined);
    } catch (error) {
      // Such as too large for one message: this stream's trouble, not that of whoever made the change.
      end(errorFrom(error));
    }
  });
  if (over) {
    subscription.close();
  } else if (!sent) {
    cancelHold = clock.after(HOLD_MS, () => {
      if (!subscription?.settle() && !over) end(notReady(cache));
    });
  }
  return promise;
}

function showView(update: ViewUpdate): Uint8Array {
  if (update.kind === "none") throw noIdentity();
  return update.frame;
}

/** java-spiffe never comes back from anything but this kind. */
export function tokenEnded(): Error {
  return fail("unavailable", "the call's token has expired; call again with a fresh one");
}

/** rust-spiffe looks for the words "no identity issued" and backs off more softly. */
export function noIdentity(): Error {
  return fail("denied", "no identity issued");
}

export function notReady(cache: Cache): Error {
  return fail(
    "unavailable",
    cache.synced
      ? "the SVIDs of this workload are not signed yet; retry"
      : "the agent has not synced with its server yet; retry",
  );
}

/** How long a stream waits for its first view before it is told to come back. */
export const HOLD_MS = 30_000;
