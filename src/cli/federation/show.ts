import type { FederationRelationship__Output } from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import { trustDomainName } from "../bundle/bundle-message.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { readRefreshStatuses } from "./refresh-status.ts";
import {
  TRUST_DOMAIN_OPTION,
  TRUST_DOMAIN_SERVICE,
  refreshedJson,
  relationshipJson,
  relationshipLines,
} from "./relationship.ts";

export const command: Command = {
  name: "federation show",
  operand: "trust-domain",
  options: [TRUST_DOMAIN_OPTION, SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay federation show partner.example"],
  async run(context) {
    const { options, output } = context;
    const domain = trustDomainName(options.required("trust-domain"), "trust-domain");
    using server = await connectServer(context);
    const status = (await readRefreshStatuses(server))?.get(domain);
    if (status !== undefined) {
      const shown = refreshedJson(status);
      output.data(shown, () => relationshipLines(shown));
      return undefined;
    }
    const relationship = await server.call<FederationRelationship__Output>(
      TRUST_DOMAIN_SERVICE,
      "GetFederationRelationship",
      { trust_domain: domain },
      "assay federation list",
    );
    const shown = relationshipJson(relationship);
    output.data(shown, () => relationshipLines(shown));
    return undefined;
  },
};
