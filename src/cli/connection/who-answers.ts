import { AssayError, fail, isKind } from "../../base/errors.ts";
import type { Channel } from "../../rpc/channel.ts";

/** What listens on a socket of ours; a SPIRE process is known by the services that it shares with ours. */
export type Answerer = "server" | "agent" | "agent-admin";

/** `undefined` when it cannot be told. Never fails. */
export async function whoAnswers(
  channel: Channel,
  signal: AbortSignal,
): Promise<Answerer | undefined> {
  const answers = await Promise.all(
    Object.entries(SERVICES).map(async ([answerer, service]) => {
      try {
        const options = { signal, deadlineMs: DEADLINE_MS };
        await channel.unary("grpc.health.v1.Health", "Check", { service }, options);
        return answerer as Answerer;
      } catch {
        // Not known there, or nobody answers: both tell nothing.
        return undefined;
      }
    }),
  );
  const known = answers.filter((answerer) => answerer !== undefined);
  return known.length === 1 ? known[0] : undefined;
}

/** The same error, or which socket this is and which one is meant, when the method is unknown there. */
export async function atWrongSocket(
  thrown: unknown,
  meant: Answerer,
  socket: string,
  channel: Channel,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(thrown instanceof AssayError) || !isKind(thrown, "unsupported")) return thrown;
  const answerer = await whoAnswers(channel, signal);
  if (answerer === undefined || answerer === meant) return thrown;
  return fail(
    "precondition",
    `${socket} is ${ANSWERERS[answerer]}; this command is for ${WANTED[meant]}`,
    { cause: thrown },
  );
}

/** As a person names it. */
export const ANSWERERS: Readonly<Record<Answerer, string>> = {
  server: "the server's admin socket",
  agent: "an agent's Workload API socket",
  "agent-admin": "an agent's admin socket",
};

const WANTED: Readonly<Record<Answerer, string>> = {
  server:
    "the server's admin socket, which is where 'assay server --socket' put it: name that with --socket or ASSAY_SERVER_SOCKET",
  agent:
    "the Workload API socket, which is where 'assay agent --socket' put it: name that with --socket or SPIFFE_ENDPOINT_SOCKET",
  "agent-admin":
    "the agent's admin socket, which is where 'assay agent --admin-socket' put it: name that with --socket or ASSAY_AGENT_ADMIN_SOCKET",
};

/** Services that only one of them has, by the health service's names. */
const SERVICES: Readonly<Record<Answerer, string>> = {
  server: "spire.api.server.entry.v1.Entry",
  agent: "SpiffeWorkloadAPI",
  "agent-admin": "assay.explain.v1.Explain",
};
const DEADLINE_MS = 10_000;
