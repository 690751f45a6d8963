import type { ListAgentsResponse__Output } from "../../rpc/gen/spire/api/server/agent/v1/ListAgentsResponse.ts";
import type { Agent__Output } from "../../rpc/gen/spire/api/types/Agent.ts";
import { allPages } from "../connection/all-pages.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import {
  AGENT_SERVICE,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "../connection/rpc-clients.ts";
import { agentJson, agentLines } from "./agent-json.ts";

export const command: Command = {
  name: "agents list",
  options: [
    {
      name: "banned",
      value: "BOOL",
      help: "only agents that are banned, or that are not",
      choices: ["true", "false"],
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay agents list --output json"],
  async run(context) {
    const { options, output } = context;
    const banned = options.text("banned");
    using server = await connectServer(context);
    const agents = await listAgents(
      server,
      banned === undefined ? {} : { by_banned: { value: banned === "true" } },
    );
    output.data(agents.map(agentJson), () =>
      agents.flatMap((agent) => agentLines(agent, Date.now())),
    );
    if (agents.length === 0 && output.format === "text") {
      output.note("no agents; 'assay token generate --help' shows how one joins");
    }
    return undefined;
  },
};

/** All pages. */
export function listAgents(server: RpcClient, filter: object): Promise<Agent__Output[]> {
  return allPages({
    server,
    service: AGENT_SERVICE,
    method: "ListAgents",
    request: { filter },
    pageSize: PAGE_SIZE,
    itemsOf: (page: ListAgentsResponse__Output) => page.agents,
  });
}

const PAGE_SIZE = 500;
