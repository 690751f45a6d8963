/** What the two APIs have in common that hand a trusted process the identities of others. */
import { bytesEqual } from "../../base/bytes.ts";
import type { Entry } from "../cache/entry.ts";
import type { JwtCache, JwtSvid } from "../cache/jwt-cache.ts";
import { signingFailed } from "../workload-api/audience.ts";

/** Identities of administrators and of servers below are for whoever they match, and for no delegate. */
export function isForDelegates({ admin, downstream }: Entry): boolean {
  return !admin && !downstream;
}

/** One for each entry. @param ended rejects when the process has ended, or who asks may no more */
export function signedBefore(
  ended: Promise<never>,
  entries: readonly Entry[],
  audience: readonly string[],
  jwtCache: JwtCache,
): Promise<readonly JwtSvid[]> {
  const signing = entries.map((entry) => jwtCache.fetch(entry, audience).catch(signingFailed));
  return Promise.race([Promise.all(signing), ended]);
}

/** For one stream: a frame as it is, undefined when it says what the one before said. */
export function onlyChanged(): (frame: Uint8Array) => Uint8Array | undefined {
  let last: Uint8Array | undefined;
  return (frame) => {
    if (last !== undefined && bytesEqual(last, frame)) return undefined;
    last = frame;
    return frame;
  };
}
