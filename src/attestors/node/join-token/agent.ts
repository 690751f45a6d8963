import { fail } from "../../../base/errors.ts";
import type { NodeAttestorAgent } from "../../contract.ts";

/** Proves with a join token: the token itself is the payload, and there is no challenge (SPIRE's `join_token`). */
export function joinTokenAttestor(token: string): NodeAttestorAgent {
  return {
    type: "join_token",
    repeatable: false,
    prove() {
      if (token === "") {
        return Promise.reject(fail("precondition", "the join token is empty; create a new one"));
      }
      return Promise.resolve({
        type: "join_token",
        payload: new TextEncoder().encode(token),
        respond: () => Promise.reject(fail("unsupported", "a join token answers no challenge")),
      });
    },
  };
}
