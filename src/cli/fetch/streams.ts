import { Backoff } from "../../base/backoff.ts";
import { sleep, systemClock } from "../../base/clock.ts";
import { errorFrom, fail, isKind } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import type { X509SVIDResponse__Output } from "../../rpc/gen/X509SVIDResponse.ts";
import { pidOnHost } from "../connection/no-identity.ts";
import { atWrongSocket } from "../connection/who-answers.ts";
import {
  type RpcClient,
  WORKLOAD_API,
  WORKLOAD_HEADER,
  explained,
} from "../connection/rpc-clients.ts";

export function firstX509Response(
  agent: RpcClient,
  signal: AbortSignal,
): Promise<X509SVIDResponse__Output> {
  return firstMessage<X509SVIDResponse__Output>(agent, "FetchX509SVID", signal);
}

/** The first message of a stream of the Workload API, which comes at once. */
export async function firstMessage<Message>(
  agent: RpcClient,
  method: string,
  signal: AbortSignal,
): Promise<Message> {
  const late = AbortSignal.timeout(FIRST_MESSAGE_MS);
  const end = new AbortController();
  try {
    const stop = AbortSignal.any([signal, late, end.signal]);
    for await (const message of messages<Message>(agent, method, stop)) return message;
    throw fail("unavailable", `the agent at ${agent.socket} ended the stream without an answer`);
  } catch (thrown) {
    if (late.aborted) {
      throw fail(
        "deadline",
        `the agent at ${agent.socket} gave no answer within 30 s; see its log`,
      );
    }
    const { socket, channel } = agent;
    throw explained(await atWrongSocket(thrown, "agent", socket, channel, signal), "agent", socket);
  } finally {
    end.abort();
  }
}

/** Every view of this process's X.509-SVIDs until the signal; outlives restarts of the agent. */
export function followX509(
  agent: RpcClient,
  signal: AbortSignal,
  note: (text: string) => void,
): AsyncGenerator<X509SVIDResponse__Output> {
  return followStream<X509SVIDResponse__Output>(agent, "FetchX509SVID", signal, note);
}

/** Every message of a stream of the Workload API until the signal; outlives restarts of the agent. */
export async function* followStream<Message>(
  agent: RpcClient,
  method: string,
  signal: AbortSignal,
  note: (text: string) => void,
): AsyncGenerator<Message> {
  const backoff = new Backoff({ baseMs: 250, maxMs: 5000 }, systemRandom);
  let noted = "";
  while (!signal.aborted) {
    try {
      for await (const message of messages<Message>(agent, method, signal)) {
        backoff.reset();
        noted = "";
        yield message;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      const { socket, channel } = agent;
      const known = await atWrongSocket(thrown, "agent", socket, channel, signal);
      const error: Error = errorFrom(explained(known, "agent", socket, pidOnHost()));
      if (!isKind(error, "unavailable", "denied", "deadline", "limited")) throw error;
      if (error.message !== noted) note(`assay: ${error.message}; trying again`);
      noted = error.message;
    }
    await sleep(systemClock, backoff.nextMs(), signal).catch(() => undefined);
  }
}

async function* messages<Message>(
  agent: RpcClient,
  method: string,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  using stream = agent.channel.stream<object, Message & object>(WORKLOAD_API, method, {
    signal,
    metadata: WORKLOAD_HEADER,
  });
  // Iterating throws what went wrong with the call, sending included.
  stream.send({}).catch(() => undefined);
  stream.end();
  yield* stream;
}

const FIRST_MESSAGE_MS = 30_000;
