import { fail } from "../../../base/errors.ts";
import type { NodeAttestorAgent } from "../../contract.ts";
import { type MetadataServiceOptions, askMetadataService } from "../metadata-service.ts";
import { GCP_IIT_TYPE } from "./server.ts";

export interface GcpIitAgentOptions extends MetadataServiceOptions {
  /** `default`, or the address of another of the instance's accounts. */
  readonly serviceAccount: string;
  readonly audience: string;
}

/** Proves with an instance identity token of Compute Engine, had anew from the metadata service each time. */
export function gcpIitAttestor(options: GcpIitAgentOptions): NodeAttestorAgent {
  const { serviceAccount, audience } = options;
  return {
    type: GCP_IIT_TYPE,
    repeatable: true,
    async prove(signal) {
      const account = encodeURIComponent(serviceAccount);
      const query = new URLSearchParams({ audience, format: "full" }).toString();
      const token = await askMetadataService(
        options,
        {
          path: `/computeMetadata/v1/instance/service-accounts/${account}/identity?${query}`,
          headers: { "metadata-flavor": "Google" },
        },
        signal,
      );
      return {
        type: GCP_IIT_TYPE,
        payload: new TextEncoder().encode(token.trim()),
        respond: () => Promise.reject(fail("unsupported", "a token answers no challenge")),
      };
    },
  };
}
