import { fail } from "../../../base/errors.ts";
import type { NodeAttestorAgent } from "../../contract.ts";
import { readTextFile } from "../../../base/text-file.ts";
import { K8S_PSAT_TYPE, encodePayload } from "./payload.ts";

export interface K8sPsatAgentOptions {
  /** The name that the server knows the cluster by. */
  readonly cluster: string;
  /** A projected service account token with the server's audience. */
  readonly tokenFile: string;
}

/**
 * Proves with the projected service account token of the agent's own pod. The file is read at each proof, because the
 * kubelet renews it.
 */
export function k8sPsatAttestor({ cluster, tokenFile }: K8sPsatAgentOptions): NodeAttestorAgent {
  return {
    type: K8S_PSAT_TYPE,
    repeatable: true,
    async prove() {
      const token = (await readTextFile(tokenFile)).trim();
      return {
        type: K8S_PSAT_TYPE,
        payload: encodePayload({ cluster, token }),
        respond: () =>
          Promise.reject(
            fail("precondition", "the server challenged a token, which has no answer"),
          ),
      };
    },
  };
}
