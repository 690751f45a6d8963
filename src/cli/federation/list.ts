import type { FederationRelationship__Output } from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import type { ListFederationRelationshipsResponse__Output } from "../../rpc/gen/spire/api/server/trustdomain/v1/ListFederationRelationshipsResponse.ts";
import type { Command } from "../command.ts";
import { OUTPUT_OPTION } from "../options.ts";
import { type RpcClient, SERVER_SOCKET_OPTION, connectServer } from "../rpc-clients.ts";
import { readRefreshStatuses } from "./refresh-status.ts";
import {
  type RelationshipJson,
  TRUST_DOMAIN_SERVICE,
  refreshedJson,
  relationshipJson,
  relationshipLines,
} from "./relationship.ts";

export const command: Command = {
  name: "federation list",
  options: [SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay federation list"],
  async run(context) {
    const { output } = context;
    using server = await connectServer(context);
    const statuses = await readRefreshStatuses(server);
    const relationships = [...(statuses?.values() ?? [])].map(refreshedJson);
    if (statuses === undefined) relationships.push(...(await listPlain(server)));
    output.data(relationships, () => relationships.flatMap(relationshipLines));
    if (relationships.length === 0 && output.format === "text") {
      output.note("no relationships; 'assay federation create --help' shows how one is made");
    }
    return undefined;
  },
};

/** As every server of SPIRE's API tells it. */
async function listPlain(server: RpcClient): Promise<RelationshipJson[]> {
  const relationships: FederationRelationship__Output[] = [];
  let token = "";
  do {
    const page = await server.call<ListFederationRelationshipsResponse__Output>(
      TRUST_DOMAIN_SERVICE,
      "ListFederationRelationships",
      { page_size: PAGE_SIZE, page_token: token },
    );
    relationships.push(...page.federation_relationships);
    token = page.next_page_token;
  } while (token !== "");
  return relationships.map(relationshipJson);
}

const PAGE_SIZE = 100;
