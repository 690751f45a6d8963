import { type Command, EXIT_FAILURE } from "./command.ts";
import { OUTPUT_OPTION } from "./options.ts";
import {
  AGENT_SOCKET_OPTION,
  SERVER_SOCKET_OPTION,
  connectAgent,
  connectServer,
} from "./rpc-clients.ts";

export const command: Command = {
  name: "health",
  operand: "of",
  options: [
    {
      name: "of",
      value: "ROLE",
      help: "which one to ask",
      choices: ["server", "agent"],
      fallback: "server",
    },
    {
      name: "socket",
      value: "PATH",
      help: "its socket",
      fallback: `$${SERVER_SOCKET_OPTION.env ?? ""} or $${AGENT_SOCKET_OPTION.env ?? ""}, or its usual place`,
    },
    OUTPUT_OPTION,
  ],
  examples: ["assay health", "assay health agent --output json"],
  notes: ["Exit code 0: it serves; 1: it does not, or does not answer."],
  async run(context) {
    const { options, output, env } = context;
    const isAgent = options.text("of") === "agent";
    // One option, two variables: which one holds is known only now.
    const variable = isAgent ? AGENT_SOCKET_OPTION.env : SERVER_SOCKET_OPTION.env;
    const socket = options.text("socket") ?? env[variable ?? ""];
    using peer = await (isAgent ? connectAgent(context, socket) : connectServer(context, socket));
    const answer = await peer.call<{ status: string }>("grpc.health.v1.Health", "Check", {});
    const serving = answer.status === "SERVING";
    const status = answer.status.toLowerCase();
    output.data({ status, socket: peer.socket }, () => [`${status} (${peer.socket})`]);
    return serving ? undefined : EXIT_FAILURE;
  },
};
