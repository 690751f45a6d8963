import { fail, isKind } from "../base/errors.ts";
import type { GetPartsResponse__Output } from "../rpc/gen/assay/health/v1/GetPartsResponse.ts";
import type { Command, CommandContext } from "./program/command.ts";
import { OUTPUT_OPTION } from "./program/options.ts";
import {
  AGENT_SOCKET_OPTION,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  connectAgent,
  connectServer,
} from "./connection/rpc-clients.ts";
import { ROLE_OPTION } from "./connection/admin-peer.ts";
import { ANSWERERS, type Answerer, whoAnswers } from "./connection/who-answers.ts";
import { WAIT_OPTION, withWait } from "./connection/wait.ts";

export const command: Command = {
  name: "health",
  operand: "of",
  options: [
    ROLE_OPTION,
    {
      name: "socket",
      value: "PATH",
      help: "its socket",
      fallback: `$${SERVER_SOCKET_OPTION.env ?? ""} or $${AGENT_SOCKET_OPTION.env ?? ""}, or its usual place`,
    },
    WAIT_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay health", "assay health agent --wait 10s --output json"],
  notes: ["Exit code 0: it serves; 1: it does not, or does not answer."],
  async run(context) {
    const { socket, answerer } = await withWait(context, ["not_found", "unavailable"], () =>
      checkServing(context),
    );
    const role = context.options.text("of") ?? "server";
    context.output.data({ status: "serving", socket, ...(answerer && { answerer }) }, () => [
      answerer === undefined
        ? `serving (${socket})`
        : `serving: ${ANSWERERS[answerer]} (${socket})`,
    ]);
    const isMeant = answerer === undefined || answerer.startsWith(role);
    if (!isMeant) context.output.note(`assay: the ${role} was asked for, and is not what answered`);
    return undefined;
  },
};

interface Serving {
  readonly socket: string;
  /** `undefined` when it cannot be told. */
  readonly answerer: Answerer | undefined;
}

/** @throws unavailable when it answers that it does not serve */
async function checkServing(context: CommandContext): Promise<Serving> {
  const { options, env, signal } = context;
  const role = options.text("of") ?? "server";
  // One option, two variables: which one holds is known only now.
  const variable = role === "agent" ? AGENT_SOCKET_OPTION.env : SERVER_SOCKET_OPTION.env;
  const socket = options.text("socket") ?? env[variable ?? ""];
  using peer = await (role === "agent"
    ? connectAgent(context, socket)
    : connectServer(context, socket));
  const { status } = await peer.call<{ status: string }>("grpc.health.v1.Health", "Check", {});
  if (status === "SERVING") {
    return { socket: peer.socket, answerer: await whoAnswers(peer.channel, signal) };
  }
  const ailing = await ailingParts(peer);
  const why = ailing === undefined ? `it says ${status}; its log says why` : ailing.join("; ");
  throw fail("unavailable", `the ${role} at ${peer.socket} does not serve: ${why}`);
}

/** Each with its reason where that is told; `undefined` when it does not say. */
async function ailingParts(peer: RpcClient): Promise<readonly string[] | undefined> {
  try {
    const { parts } = await peer.call<GetPartsResponse__Output>(
      "assay.health.v1.Health",
      "GetParts",
      {},
    );
    const ailing = parts.filter(({ serving }) => !serving);
    if (ailing.length === 0) return undefined; // it has just come to serve
    return ailing.map(({ name, reason }) => `${name}: ${reason === "" ? TELLS_NO_MORE : reason}`);
  } catch (thrown) {
    if (isKind(thrown, "unsupported", "precondition", "denied")) return undefined;
    throw thrown;
  }
}

const TELLS_NO_MORE = "no; the agent's own user and root are told why";
