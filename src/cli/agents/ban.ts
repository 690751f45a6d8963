import type { Command } from "../program/command.ts";
import { agentIdMessage } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { AGENT_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";

export const command: Command = {
  name: "agents ban",
  operand: "spiffe-id",
  options: [
    { name: "spiffe-id", value: "ID", help: "the agent's SPIFFE ID", required: true },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay agents ban spiffe://example.org/spire/agent/join_token/3f2a"],
  notes: [
    "A banned agent gets nothing more, and cannot attest again under this ID until 'agents evict' ends the ban.",
  ],
  async run(context) {
    const spiffeId = context.options.required("spiffe-id");
    const id = agentIdMessage(spiffeId);
    using server = await connectServer(context);
    await server.call(AGENT_SERVICE, "BanAgent", { id }, "assay agents list");
    context.output.data({ spiffeId, banned: true }, () => [`banned ${spiffeId}`]);
    return undefined;
  },
};
