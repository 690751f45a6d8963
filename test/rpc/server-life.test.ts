/** Connections and calls that outlive their use: idle, silent and half-open clients, requests that nobody takes. */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
} from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import t from "tap";
import type { AgentHandlers } from "../../src/rpc/gen/spire/api/server/agent/v1/Agent.ts";
import { messageType } from "../../src/rpc/protos.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import type { Implementation } from "../../src/rpc/service.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { frame, rawCall, rawSession } from "./raw-call.ts";
import { AGENT, echo, path } from "./server-rig.ts";
import { memoryLogger, tempDir } from "./support.ts";

const MINUTE = 60_000;
const POST = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

async function start(implementation: Implementation<AgentHandlers>) {
  const dir = tempDir();
  const clock = new VirtualClock();
  const server = new GrpcServer({ logger: memoryLogger().logger, clock });
  server.addService(AGENT, implementation);
  server.setGate(async () => undefined);
  const socket = dir.file("s");
  await server.listenUnix(socket, { mode: 0o600 });
  return {
    clock,
    socket,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

/** PINGs cross a real socket between the steps. */
async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 5_000) {
    await clock.advance(Math.min(left, 5_000));
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

t.test(
  "a connection without calls is closed after ten minutes, one with a call is not",
  async (t) => {
    await using test = await start(echo);
    const idle = rawSession(test.socket);
    const busy = rawSession(test.socket);
    t.teardown(() => busy.destroy());
    const held = busy.request({ ...POST, ":path": path("AttestAgent") });
    held.on("error", () => undefined);
    await rawCall(idle, path("GetAgent"), frame(Buffer.alloc(0)));
    await rawCall(busy, path("GetAgent"), frame(Buffer.alloc(0)));
    const goaway = once(idle, "goaway");
    await pass(test.clock, 9 * MINUTE);
    t.equal(idle.closed, false);
    await pass(test.clock, 2 * MINUTE);
    t.equal((await goaway)[0], 0, "GOAWAY without an error");
    t.equal(busy.closed, false);
    const answer = await rawCall(busy, path("GetAgent"), frame(Buffer.alloc(0)));
    t.equal(answer.status, 0);
  },
);

t.test("a client that answers no PING is cut off", async (t) => {
  await using test = await start(echo);
  const silent = connect(test.socket);
  silent.on("error", () => undefined);
  const closed = once(silent, "close");
  silent.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  silent.write(Buffer.from("000000040000000000", "hex"));
  await once(silent, "data");
  const ping = new Promise<void>((resolve) => {
    silent.on("data", (bytes: Buffer) => {
      if (bytes.includes(Buffer.from("0000080600", "hex"))) resolve();
    });
  });
  await pass(test.clock, MINUTE);
  await ping;
  await pass(test.clock, 20_000);
  await closed;
  t.pass("after 20 seconds");
});

t.test("a client's open side does not keep an answered call", async (t) => {
  let calls = 0;
  await using test = await start({
    async AttestAgent(call) {
      calls += 1;
      if (calls === 1) await call.send({ challenge: Buffer.from("x") });
    },
  });
  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  for (const what of ["a message and trailers", "trailers only"]) {
    const stream = session.request({ ...POST, ":path": path("AttestAgent") });
    stream.resume();
    const closed = once(stream, "close");
    await once(stream, "end");
    t.equal(stream.closed, false, `${what}: the client may say more`);
    await test.clock.advance(1_000);
    await closed;
    t.equal(stream.rstCode, 0, what);
  }
});

t.test("a message that does not get whole ends its call", async (t) => {
  await using test = await start(echo);
  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  for (const method of ["GetAgent", "AttestAgent"]) {
    const stream = session.request({ ...POST, ":path": path(method) });
    const headers = once(stream, "response");
    stream.write(frame(Buffer.alloc(100)).subarray(0, 50));
    await rawCall(session, path("GetAgent"), frame(Buffer.alloc(0)));
    await pass(test.clock, 30_000);
    t.equal(stream.closed, false, `${method}: it has half a minute`);
    await pass(test.clock, 10_000);
    const [answer] = (await headers) as [Record<string, unknown>];
    t.match(answer, { "grpc-status": "4", "grpc-message": /did not arrive in time/ }, method);
  }
});

t.test("requests that no handler takes are given back", async (t) => {
  let go = Promise.withResolvers<void>();
  await using test = await start({
    async AttestAgent(call) {
      await call.requests[Symbol.asyncIterator]().next();
      await go.promise;
    },
    GetAgent: async () => ({}),
  });
  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  const request = frame(
    messageType("spire.api.server.agent.v1.AttestAgentRequest").encode({
      challenge_response: Buffer.alloc(4_000_000),
    }),
  );
  for (let i = 0; i < 18; i++) {
    go = Promise.withResolvers<void>();
    const answer = rawCall(session, path("AttestAgent"), Buffer.concat([request, request]));
    // As much once more behind it on the same connection: by its answer the first call's end has been read.
    await rawCall(session, path("GetAgent"), request);
    await new Promise((resolve) => setImmediate(resolve));
    go.resolve();
    t.equal((await answer).status, 0, `${i}`);
  }
});

t.test("a stream of compressed and plain messages, in order", async (t) => {
  const got: string[] = [];
  await using test = await start({
    async AttestAgent(call) {
      for await (const { challenge_response } of call.requests)
        got.push(String(challenge_response));
    },
  });
  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  const type = messageType("spire.api.server.agent.v1.AttestAgentRequest");
  const body = Buffer.concat(
    ["a", "b", "c"].map((word, i) => {
      const bytes = type.encode({ challenge_response: Buffer.from(word) });
      return i === 1 ? frame(bytes) : frame(gzipSync(bytes), 1);
    }),
  );
  const headers = { "grpc-encoding": "gzip" };
  t.equal((await rawCall(session, path("AttestAgent"), body, headers)).status, 0);
  t.same(got, ["a", "b", "c"]);
});

t.test("a client that has ended its side before the handler reads", async (t) => {
  const go = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let ended = 0;
  await using test = await start({
    async AttestAgent(call) {
      begun.resolve();
      await go.promise;
      for await (const _ of call.requests) t.fail("nothing was said");
      ended += 1;
    },
    GetAgent: async () => ({}),
  });
  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  const answer = rawCall(session, path("AttestAgent"), Buffer.alloc(0));
  await begun.promise;
  // Behind the end on the same connection.
  await rawCall(session, path("GetAgent"), frame(Buffer.alloc(0)));
  go.resolve();
  t.equal((await answer).status, 0);
  t.equal(ended, 1);
});

/** A client that gives no window for DATA. */
function shut(socketPath: string): { session: ClientHttp2Session; ask: () => ClientHttp2Stream } {
  const session = connectHttp2("http://localhost", {
    createConnection: () => connect(socketPath),
    settings: { initialWindowSize: 0 },
  });
  session.on("error", () => undefined);
  return {
    session,
    ask() {
      const stream = session.request({ ...POST, ":path": path("GetAgent") });
      stream.on("error", () => undefined);
      stream.end(frame(Buffer.alloc(0)));
      return stream;
    },
  };
}

t.test("answers that nobody takes: bounded, and not kept for long", async (t) => {
  const version = "x".repeat(10_000_000);
  await using test = await start({ GetAgent: async () => ({ agent_version: version }) });
  const { session, ask } = shut(test.socket);
  t.teardown(() => session.destroy());
  const first = ask();
  await once(first, "response");
  for (let i = 0; i < 5; i++) await once(ask(), "response");
  const [refused] = (await once(ask(), "response")) as [Record<string, unknown>];
  t.equal(refused["grpc-status"], "14", "70 MB");
  t.equal(refused["grpc-message"], "the client reads its answers too slowly");
  const closed = once(session, "close");
  await pass(test.clock, 30_000);
  t.equal(session.closed, false);
  await pass(test.clock, 10_000);
  await closed;
});

t.test("a connection that says nothing is not kept", async (t) => {
  await using test = await start(echo);
  const silent = connect(test.socket);
  silent.on("error", () => undefined);
  const closed = once(silent, "close");
  await once(silent, "connect");
  await rawCall(rawSession(test.socket), path("GetAgent"), frame(Buffer.alloc(0)));
  silent.resume();
  await pass(test.clock, 15_000);
  await closed;
  t.pass("after 15 seconds");
});
