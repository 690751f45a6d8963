import type { CommandContext } from "../program/command.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { type RpcClient, connectServer, connectTo } from "./rpc-clients.ts";

/** Which of the two a command is for. */
export const ROLE_OPTION: OptionSpec = {
  name: "of",
  value: "ROLE",
  help: "which one to ask",
  choices: ["server", "agent"],
  fallback: "server",
};

/** Options of commands that an administrator gives to the server or to an agent. */
export const PEER_OPTIONS: readonly OptionSpec[] = [
  ROLE_OPTION,
  {
    name: "socket",
    value: "PATH",
    help: "its admin socket; an agent has one when it was started with --admin-socket",
    fallback: "$ASSAY_SERVER_SOCKET or $ASSAY_AGENT_ADMIN_SOCKET, or the server's usual place",
  },
];

export interface AdminPeer extends Disposable {
  readonly role: "server" | "agent";
  readonly client: RpcClient;
}

/** @throws UsageError when the agent's socket is not named; not_found, denied or unavailable as `connectTo` */
export async function connectPeer(context: CommandContext): Promise<AdminPeer> {
  const { options, env, signal } = context;
  const given = options.text("socket");
  if (options.text("of") !== "agent") {
    const client = await connectServer(context, given ?? nonEmpty(env["ASSAY_SERVER_SOCKET"]));
    return { role: "server", client, [Symbol.dispose]: () => client[Symbol.dispose]() };
  }
  const path = given ?? nonEmpty(env["ASSAY_AGENT_ADMIN_SOCKET"]);
  if (path === undefined) {
    throw new UsageError(
      "--socket is missing; name the socket that the agent was given with --admin-socket",
    );
  }
  const client = await connectTo("agent", path, signal, { meant: "agent-admin" });
  return { role: "agent", client, [Symbol.dispose]: () => client[Symbol.dispose]() };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
