import type { BatchDeleteFederationRelationshipResponse__Output } from "../../rpc/gen/spire/api/server/trustdomain/v1/BatchDeleteFederationRelationshipResponse.ts";
import { trustDomainName } from "../bundle/bundle-message.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { deletedEach } from "../text/status.ts";
import { TRUST_DOMAIN_OPTION, TRUST_DOMAIN_SERVICE } from "./relationship.ts";

export const command: Command = {
  name: "federation delete",
  operand: "trust-domain",
  options: [{ ...TRUST_DOMAIN_OPTION, many: true }, SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay federation delete partner.example"],
  notes: ["The domain's bundle stays; 'assay bundle delete' deletes it."],
  async run(context) {
    const names = context.options
      .list("trust-domain")
      .map((text) => trustDomainName(text, "trust-domain"));
    using server = await connectServer(context);
    const { results } = await server.call<BatchDeleteFederationRelationshipResponse__Output>(
      TRUST_DOMAIN_SERVICE,
      "BatchDeleteFederationRelationship",
      { trust_domains: names },
    );
    return deletedEach(context.output, results, "assay federation list");
  },
};
