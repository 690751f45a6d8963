import { bearerToken } from "../../attestors/workload/token/bearer.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Peer } from "../peer/peer.ts";
import type { Attestation } from "./attestation.ts";

/**
 * The selectors of whoever makes a call on the public socket: the kernel's word first; a token is only looked for where
 * one may count.
 * @throws as `Attestation.attest`
 */
export function attestCall(
  attestation: Attestation,
  call: GrpcCall<Peer>,
): Promise<readonly Selector[]> {
  if (!attestation.takesTokens) return attestation.attest(call.context, call);
  const token = bearerToken(call.metadata("authorization"));
  return attestation.attest(call.context, call, token);
}
