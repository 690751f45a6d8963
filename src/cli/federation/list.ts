import type { ListFederationRelationshipsResponse__Output } from "../../rpc/gen/spire/api/server/trustdomain/v1/ListFederationRelationshipsResponse.ts";
import { allPages } from "../connection/all-pages.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { type RpcClient, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
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
  const relationships = await allPages({
    server,
    service: TRUST_DOMAIN_SERVICE,
    method: "ListFederationRelationships",
    pageSize: PAGE_SIZE,
    itemsOf: (page: ListFederationRelationshipsResponse__Output) => page.federation_relationships,
  });
  return relationships.map(relationshipJson);
}

const PAGE_SIZE = 100;
