import type { ListApiTokensResponse__Output } from "../../rpc/gen/assay/provision/v1/ListApiTokensResponse.ts";
import type { ListGrantsResponse__Output } from "../../rpc/gen/assay/provision/v1/ListGrantsResponse.ts";
import { allPages } from "../connection/all-pages.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import {
  PROVISION_SERVICE,
  apiTokenJson,
  apiTokenLine,
  grantJson,
  grantLine,
} from "./provision-facts.ts";

export const command: Command = {
  name: "provision list",
  options: [
    { name: "api", help: "list the API tokens instead" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay provision list", "assay provision list --api"],
  notes: ["Tokens are shown by their SHA-256: the server has nothing else of them."],
  async run(context) {
    const { options, output } = context;
    using server = await connectServer(context);
    if (options.flag("api")) {
      const { api_tokens: tokens } = await server.call<ListApiTokensResponse__Output>(
        PROVISION_SERVICE,
        "ListApiTokens",
        {},
      );
      output.data(tokens.map(apiTokenJson), () =>
        tokens.length === 0 ? ["none"] : tokens.map(apiTokenLine),
      );
      return undefined;
    }
    const grants = await allPages({
      server,
      service: PROVISION_SERVICE,
      method: "ListGrants",
      pageSize: PAGE,
      itemsOf: (page: ListGrantsResponse__Output) => page.grants,
    });
    output.data(grants.map(grantJson), () =>
      grants.length === 0 ? ["none"] : grants.map(grantLine),
    );
    return undefined;
  },
};

const PAGE = 1000;
