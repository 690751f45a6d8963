import type { BatchUpdateFederationRelationshipResponse__Output } from "../../rpc/gen/spire/api/server/trustdomain/v1/BatchUpdateFederationRelationshipResponse.ts";
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
  name: "federation update",
  operand: "trust-domain",
  options: [
    TRUST_DOMAIN_OPTION,
    { name: "endpoint-url", value: "URL", help: "where the domain serves its bundle" },
    ...RELATIONSHIP_OPTIONS,
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay federation update partner.example --endpoint-url https://partner.example:8443/bundle",
  ],
  notes: ["What is not given stays as it is."],
  async run(context) {
    const { options, output } = context;
    const url = options.text("endpoint-url");
    const profile = profileFields(options);
    const bundle = bundleFields(options);
    const mask = {
      bundle_endpoint_url: url !== undefined,
      bundle_endpoint_profile: Object.keys(profile).length > 0,
      trust_domain_bundle: Object.keys(bundle).length > 0,
    };
    if (!Object.values(mask).includes(true)) {
      throw new UsageError("nothing to change was given; for example --endpoint-url URL");
    }
    const relationship = {
      trust_domain: trustDomainName(options.required("trust-domain"), "trust-domain"),
      ...(url === undefined ? {} : { bundle_endpoint_url: url }),
      ...profile,
      ...bundle,
    };
    using server = await connectServer(context);
    const { results } = await server.call<BatchUpdateFederationRelationshipResponse__Output>(
      TRUST_DOMAIN_SERVICE,
      "BatchUpdateFederationRelationship",
      { federation_relationships: [relationship], input_mask: mask },
    );
    checkItem(results[0]?.status, "assay federation list");
    const updated = results[0]?.federation_relationship;
    if (updated != null) {
      const shown = relationshipJson(updated);
      output.data(shown, () => relationshipLines(shown));
    }
    return undefined;
  },
};
