/** The one message of `k8s_psat` as both halves of SPIRE's write and read it: JSON. */
import { encodeMessage, parseMessage, textMember } from "../json-message.ts";

/** The attestation type, as agent and server name it on the wire. */
export const K8S_PSAT_TYPE = "k8s_psat";

export interface PsatPayload {
  readonly cluster: string;
  /** A projected service account token of the agent's pod. A secret. */
  readonly token: string;
}

export function encodePayload({ cluster, token }: PsatPayload): Uint8Array {
  return encodeMessage({ cluster, token });
}

/** @throws invalid */
export function parsePayload(bytes: Uint8Array): PsatPayload {
  const what = "k8s_psat payload";
  const { cluster, token } = parseMessage(what, bytes);
  return {
    cluster: textMember(`${what}: cluster`, cluster),
    token: textMember(`${what}: token`, token),
  };
}
