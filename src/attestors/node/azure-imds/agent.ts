import { fail } from "../../../base/errors.ts";
import type { NodeAttestorAgent } from "../../contract.ts";
import { type MetadataServiceOptions, askMetadataService } from "../metadata-service.ts";
import { AZURE_IMDS_TYPE, OPENING, encodeAnswer } from "./payload.ts";

export interface AzureImdsAgentOptions extends MetadataServiceOptions {
  /** Of the tenant that the machine is in, as the server's settings name it. */
  readonly tenantDomain: string;
}

/** Proves with an attested document of Azure's metadata service, made for the server's nonce. */
export function azureImdsAttestor(options: AzureImdsAgentOptions): NodeAttestorAgent {
  return {
    type: AZURE_IMDS_TYPE,
    repeatable: true,
    prove(signal) {
      return Promise.resolve({
        type: AZURE_IMDS_TYPE,
        payload: OPENING,
        async respond(challenge) {
          const nonce = Buffer.from(challenge).toString("latin1");
          if (!NONCE.test(nonce)) throw fail("precondition", "the server's challenge is no nonce");
          const query = new URLSearchParams({ nonce, "api-version": API_VERSION }).toString();
          const document = await askMetadataService(
            options,
            { path: `/metadata/attested/document?${query}`, headers: { metadata: "true" } },
            signal,
          );
          return encodeAnswer(document, options.tenantDomain);
        },
      });
    },
  };
}

/** Azure takes nonces of up to 32 characters. */
const NONCE = /^[A-Za-z0-9]{1,32}$/;
const API_VERSION = "2025-04-07";
