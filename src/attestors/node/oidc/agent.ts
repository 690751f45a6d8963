import { fail } from "../../../base/errors.ts";
import { readTokenFile } from "../../issuer/token-file.ts";
import type { NodeAttestorAgent } from "../../contract.ts";
import { OIDC_TYPE, encodeOidcPayload } from "./payload.ts";

/**
 * Proves with a token of an OIDC issuer. The file is read at each proof, because whoever writes it (a kubelet, a CI
 * runner) renews it.
 */
export function oidcAttestor(tokenFile: string): NodeAttestorAgent {
  return {
    type: OIDC_TYPE,
    repeatable: true,
    async prove() {
      const token = await readTokenFile(tokenFile);
      return {
        type: OIDC_TYPE,
        payload: encodeOidcPayload(token),
        respond: () => Promise.reject(fail("unsupported", "a token answers no challenge")),
      };
    },
  };
}
