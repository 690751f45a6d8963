import type { CountAgentsResponse__Output } from "../../rpc/gen/spire/api/server/agent/v1/CountAgentsResponse.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { AGENT_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";

export const command: Command = {
  name: "agents count",
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
  examples: ["assay agents count", "assay agents count --banned true"],
  async run(context) {
    const banned = context.options.text("banned");
    using server = await connectServer(context);
    const { count } = await server.call<CountAgentsResponse__Output>(AGENT_SERVICE, "CountAgents", {
      filter: banned === undefined ? {} : { by_banned: { value: banned === "true" } },
    });
    context.output.data({ count }, () => [String(count)]);
    return undefined;
  },
};
