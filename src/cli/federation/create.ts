import type { BatchCreateFederationRelationshipResponse__Output } from "../../rpc/gen/spire/api/server/trustdomain/v1/BatchCreateFederationRelationshipResponse.ts";
import { trustDomainName } from "../bundle/bundle-message.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { checkItem } from "../text/status.ts";
import {
  RELATIONSHIP_OPTIONS,
  TRUST_DOMAIN_OPTION,
  TRUST_DOMAIN_SERVICE,
  bundleFields,
  profileFields,
  relationshipJson,
  relationshipLines,
} from "./relationship.ts";

export const command: Command = {
  name: "federation create",
  operand: "trust-domain",
  options: [
    TRUST_DOMAIN_OPTION,
    {
      name: "endpoint-url",
      value: "URL",
      help: "where the domain serves its bundle",
      required: true,
    },
    ...RELATIONSHIP_OPTIONS,
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay federation create partner.example --endpoint-url https://partner.example/bundle --profile https_web",
    "assay federation create partner.example --endpoint-url https://10.0.0.7:8443 --endpoint-spiffe-id spiffe://partner.example/spire/server --bundle partner.json",
  ],
  async run(context) {
    const { options, output } = context;
    const profile = profileFields(options);
    if (Object.keys(profile).length === 0) {
      throw new UsageError("--profile is missing; https_web, or https_spiffe with its ID");
    }
    const relationship = {
      trust_domain: trustDomainName(options.required("trust-domain"), "trust-domain"),
      bundle_endpoint_url: options.required("endpoint-url"),
      ...profile,
      ...bundleFields(options),
    };
    using server = await connectServer(context);
    const { results } = await server.call<BatchCreateFederationRelationshipResponse__Output>(
      TRUST_DOMAIN_SERVICE,
      "BatchCreateFederationRelationship",
      { federation_relationships: [relationship] },
    );
    checkItem(results[0]?.status);
    const created = results[0]?.federation_relationship;
    if (created != null) {
      const shown = relationshipJson(created);
      output.data(shown, () => relationshipLines(shown));
    }
    return undefined;
  },
};
