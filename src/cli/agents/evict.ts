import { errorFrom } from "../../base/errors.ts";
import { type Command, EXIT_FAILURE } from "../program/command.ts";
import { type IdMessage, agentIdMessage, idText } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import type { Output } from "../program/output.ts";
import {
  AGENT_SERVICE,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "../connection/rpc-clients.ts";

export const command: Command = {
  name: "agents evict",
  operand: "spiffe-id",
  options: [
    { name: "spiffe-id", value: "ID", help: "the agent's SPIFFE ID", required: true, many: true },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay agents evict spiffe://example.org/spire/agent/join_token/3f2a"],
  notes: [
    "Its SVID counts for nothing from now on. Unlike 'agents ban' it may attest again, and a ban ends with it.",
  ],
  async run(context) {
    const ids = context.options.list("spiffe-id").map((text) => agentIdMessage(text));
    using server = await connectServer(context);
    return await evictEach(server, context.output, ids);
  },
};

/** Deletes agents one by one and says which. @returns the exit code */
export async function evictEach(
  server: RpcClient,
  output: Output,
  ids: readonly IdMessage[],
): Promise<number | undefined> {
  const evicted: string[] = [];
  const notes: string[] = [];
  for (const id of ids) {
    try {
      await server.call(AGENT_SERVICE, "DeleteAgent", { id }, "assay agents list");
      evicted.push(idText(id));
    } catch (thrown) {
      const { kind, message } = errorFrom(thrown);
      if (kind === "unavailable" || kind === "deadline" || kind === "cancelled") throw thrown;
      notes.push(`assay: ${idText(id)}: ${message}`);
    }
  }
  output.data(
    evicted.map((spiffeId) => ({ spiffeId })),
    () => evicted.map((spiffeId) => `evicted ${spiffeId}`),
  );
  for (const note of notes) output.note(note);
  return notes.length === 0 ? undefined : EXIT_FAILURE;
}
