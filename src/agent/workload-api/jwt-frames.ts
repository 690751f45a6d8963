import { encodeFrame } from "../../rpc/grpc/frame.ts";
import { messageType } from "../../rpc/protos.ts";
import type { JWTSVIDResponse } from "../../rpc/gen/JWTSVIDResponse.ts";
import type { Entry } from "../cache/entry.ts";
import type { JwtSvid } from "../cache/jwt-cache.ts";

/**
 * JWT-SVIDs as the Workload API's message. What one held token looks like on the wire is kept for as long as the token
 * is: most workloads have one identity and ask for the same audience again and again.
 */
export class JwtFrames {
  readonly #single = new WeakMap<JwtSvid, { readonly hint: string; readonly frame: Uint8Array }>();

  /** The framed response with the token of each entry, in their order. */
  of(entries: readonly Entry[], svids: readonly JwtSvid[]): Uint8Array {
    const [svid] = svids;
    if (svid === undefined || svids.length > 1) return encode(entries, svids);
    const hint = entries[0]?.hint ?? "";
    const known = this.#single.get(svid);
    if (known?.hint === hint) return known.frame;
    const frame = encode(entries, svids);
    this.#single.set(svid, { hint, frame });
    return frame;
  }
}

function encode(entries: readonly Entry[], svids: readonly JwtSvid[]): Uint8Array {
  const response: JWTSVIDResponse = {
    svids: svids.map(({ spiffeId, token }, i) => ({
      spiffe_id: spiffeId,
      svid: token,
      hint: entries[i]?.hint ?? "",
    })),
  };
  return encodeFrame(messageType("JWTSVIDResponse").encode(response));
}
