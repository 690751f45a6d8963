import { isKind } from "../../base/errors.ts";
import type { HostFacts__Output } from "../../rpc/gen/assay/agent/v1/HostFacts.ts";
import type { Agent__Output } from "../../rpc/gen/spire/api/types/Agent.ts";
import type { Command } from "../program/command.ts";
import { factLines } from "../text/facts.ts";
import { type IdMessage, agentIdMessage } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import {
  AGENT_SERVICE,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "../connection/rpc-clients.ts";
import { agentJson, agentLines } from "./agent-json.ts";

export const command: Command = {
  name: "agents show",
  operand: "spiffe-id",
  options: [
    { name: "spiffe-id", value: "ID", help: "the agent's SPIFFE ID", required: true },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay agents show spiffe://example.org/spire/agent/join_token/3f2a"],
  notes: ["The host's facts are what the agent says of itself; nobody has proven them."],
  async run(context) {
    const { options, output } = context;
    const id = agentIdMessage(options.required("spiffe-id"));
    using server = await connectServer(context);
    const agent = await server.call<Agent__Output>(
      AGENT_SERVICE,
      "GetAgent",
      { id },
      "assay agents list",
    );
    const host = await hostFacts(server, id);
    output.data(
      { ...agentJson(agent), ...(host === undefined ? {} : { host: hostJson(host) }) },
      () => [
        ...agentLines(agent, Date.now()),
        ...(host === undefined ? [] : ["  host", ...hostLines(host)]),
      ],
    );
    return undefined;
  },
};

/** Absent when the agent has told nothing, or the server is none of ours. */
async function hostFacts(server: RpcClient, id: IdMessage): Promise<HostFacts__Output | undefined> {
  try {
    return await server.call<HostFacts__Output>("assay.agent.v1.AgentHost", "GetHost", { id });
  } catch (thrown) {
    if (isKind(thrown, "not_found", "unsupported")) return undefined;
    throw thrown;
  }
}

function hostJson(host: HostFacts__Output): Record<string, unknown> {
  return {
    hostname: host.hostname,
    os: host.os,
    kernel: host.kernel,
    arch: host.arch,
    containerRuntime: host.container_runtime,
    virtualization: host.virtualization,
    nodeVersion: host.node_version,
    selectorNames: host.selector_names,
  };
}

function hostLines(host: HostFacts__Output): string[] {
  const shown = (text: string): string | undefined => (text === "" ? undefined : text);
  return factLines(
    [
      ["name", shown(host.hostname)],
      ["os", shown(host.os)],
      ["kernel", shown(host.kernel)],
      ["arch", shown(host.arch)],
      ["containers", shown(host.container_runtime)],
      ["virtualization", shown(host.virtualization)],
      ["node.js", shown(host.node_version)],
      ["selectors", shown(host.selector_names.join(", "))],
    ],
    "    ",
  );
}
