/** A server on a socket of its own, and a channel to it. */
import { type Channel, connectUnix } from "../../src/rpc/channel.ts";
import type { AgentHandlers } from "../../src/rpc/gen/spire/api/server/agent/v1/Agent.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import type { Implementation } from "../../src/rpc/service.ts";
import { memoryLogger, tempDir } from "./support.ts";

export const AGENT = "spire.api.server.agent.v1.Agent";

export const path = (method: string) => `/${AGENT}/${method}`;

export interface Fixture extends AsyncDisposable {
  readonly server: GrpcServer;
  readonly channel: Channel;
  readonly socket: string;
  readonly lines: string[];
}

export async function start(
  implementation: Implementation<AgentHandlers>,
  options: { maxMessageBytes?: number } = {},
): Promise<Fixture> {
  const dir = tempDir();
  const { logger, lines } = memoryLogger();
  const server = new GrpcServer({ logger, ...options });
  server.addService(AGENT, implementation);
  server.setGate(async () => undefined);
  const socket = dir.file("api.sock");
  await server.listenUnix(socket, { mode: 0o600 });
  const channel = connectUnix(socket);
  return {
    server,
    channel,
    socket,
    lines,
    async [Symbol.asyncDispose]() {
      channel.close();
      await server[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

export const echo: Implementation<AgentHandlers> = {
  GetAgent: async (request, call) => ({ id: request.id, agent_version: call.peer }),
  async AttestAgent(call) {
    for await (const request of call.requests) {
      await call.send({ challenge: request.challenge_response ?? Buffer.alloc(0) });
    }
  },
};
