import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { agentIdMessage, idMessage, idText } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { rotateEach } from "../connection/rotation.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { listAgents } from "./list.ts";

export const command: Command = {
  name: "agents rotate",
  operand: "spiffe-id",
  options: [
    { name: "spiffe-id", value: "ID", help: "the agent's SPIFFE ID", many: true },
    { name: "all", help: "every agent that is not banned" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay agents rotate spiffe://example.org/spire/agent/join_token/3f2a",
    "assay agents rotate --all",
  ],
  notes: [
    "The agent replaces its own SVID and those of its workloads; one that is away does so when it comes back. Many agents",
    "spread it over time. '(not told yet)' is said of agents that do not follow the server just now; those that ask it at",
    "intervals instead, as SPIRE's do, are never told: rotate their entries.",
  ],
  async run(context) {
    const { options, output } = context;
    const named = options.list("spiffe-id").map((text) => agentIdMessage(text));
    if (options.flag("all") && named.length > 0) {
      throw new UsageError("--all means every agent: give either --all or the agents' IDs");
    }
    if (!options.flag("all") && named.length === 0) {
      throw new UsageError(
        "name the agents to rotate, or all of them with --all; 'assay agents list' shows them",
      );
    }
    using server = await connectServer(context);
    const ids = options.flag("all")
      ? (await listAgents(server, { by_banned: { value: false } })).map(({ id }) =>
          idMessage(idText(id), "spiffe-id"),
        )
      : named;
    return await rotateEach(server, output, {
      method: "BatchRotateAgent",
      ids,
      name: idText,
      field: "spiffeId",
      listedBy: "assay agents list",
      later: NOT_TOLD,
    });
  },
};

const NOT_TOLD =
  "assay: not told yet: an Assay agent replaces its SVIDs when it comes back, one that asks at intervals (SPIRE's) never does; 'assay entry rotate' reaches both";
