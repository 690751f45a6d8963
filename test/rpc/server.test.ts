import { once } from "node:events";
import t from "tap";
import { serviceDefinition } from "../../src/rpc/protos.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import { frame, rawCall, rawSession } from "./raw-call.ts";
import { memoryLogger, rejection } from "./support.ts";
import { AGENT, path, start, echo } from "./server-rig.ts";

t.test("unary: request, peer, metadata, answer", async (t) => {
  const seen: (readonly string[])[] = [];
  await using test = await start({
    async GetAgent(request, call) {
      seen.push(call.metadata("x-one"), call.metadata("absent"));
      return { id: request.id, agent_version: call.peer };
    },
  });
  const id = { trust_domain: "example.org", path: "/x" };
  const answer = await test.channel.unary(
    AGENT,
    "GetAgent",
    { id },
    { metadata: { "x-one": "1" } },
  );
  t.match(answer, { id, agent_version: "unix" });
  t.same(seen, [["1"], []]);
});

t.test("bidi: echo in order, both ends close", async (t) => {
  await using test = await start(echo);
  using stream = test.channel.stream<object, { challenge: Buffer }>(AGENT, "AttestAgent");
  const got: string[] = [];
  for (const word of ["a", "b", "c"]) await stream.send({ challenge_response: Buffer.from(word) });
  stream.end();
  for await (const response of stream) got.push(response.challenge.toString());
  t.same(got, ["a", "b", "c"]);
});

t.test("backpressure: a client that does not read holds the server's send back", async (t) => {
  let sent = 0;
  const ended = Promise.withResolvers<unknown>();
  await using test = await start({
    async AttestAgent(call) {
      const challenge = Buffer.alloc(64 << 10);
      try {
        for (;;) {
          await call.send({ challenge });
          sent += 1;
        }
      } catch (thrown) {
        ended.resolve(thrown);
        throw thrown;
      }
    },
  });
  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": path("AttestAgent"),
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => undefined);
  await once(stream, "response");
  // Two calls in a row over the same connection: had the first stream not stopped, it would have filled memory by now.
  const before = sent;
  const other = await rawCall(session, path("GetAgent"), frame(Buffer.alloc(0)));
  t.equal(other.status, 12);
  t.ok(sent <= before + 2 && sent < 8, `${sent} messages of 64 KiB went out unread`);
  stream.close();
  t.match(await ended.promise, { kind: "cancelled" }, "send rejects when the client goes");
});

t.test("backpressure: a handler that does not read holds the client's send back", async (t) => {
  const release = Promise.withResolvers<void>();
  let received = 0;
  await using test = await start({
    async AttestAgent(call) {
      await release.promise;
      for await (const request of call.requests) {
        received += request.challenge_response?.length ?? 0;
      }
    },
  });
  using stream = test.channel.stream(AGENT, "AttestAgent");
  let sent = 0;
  const sending = (async () => {
    for (; sent < 40; sent++) await stream.send({ challenge_response: Buffer.alloc(64 << 10) });
    stream.end();
  })();
  await rejection(test.channel.unary(AGENT, "GetAgent", {}));
  t.ok(sent < 30, `${sent} messages of 64 KiB were taken unread`);
  release.resolve();
  await sending;
  for await (const _ of stream) t.fail("nothing was sent");
  t.equal(received, 40 * (64 << 10));
});

t.test("cancel and deadline reach the handler", async (t) => {
  const outcomes: Promise<unknown>[] = [];
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using test = await start({
    async GetAgent(_request, call) {
      const aborted = once(call.signal, "abort").then(() => call.signal.reason);
      outcomes.push(aborted);
      begun[outcomes.length - 1]?.resolve();
      await aborted;
      throw call.signal.reason;
    },
  });
  const abort = new AbortController();
  const call = rejection(test.channel.unary(AGENT, "GetAgent", {}, { signal: abort.signal }));
  await begun[0]?.promise;
  abort.abort(new Error("changed my mind"));
  t.match(await call, { kind: "cancelled", cause: { message: "changed my mind" } });
  t.match(await outcomes[0], { kind: "cancelled" });
  const late = rejection(test.channel.unary(AGENT, "GetAgent", {}, { deadlineMs: 3000 }));
  t.match(await late, { kind: "deadline" });
  t.match(await outcomes[1], { kind: "cancelled" });
  t.match(
    await rejection(test.channel.unary(AGENT, "GetAgent", {}, { signal: AbortSignal.abort() })),
    { kind: "cancelled" },
    "an aborted signal calls nobody",
  );
  t.equal(outcomes.length, 2);
});

t.test("client streams: each way of leaving tells the server", async (t) => {
  const over: Promise<unknown>[] = [];
  await using test = await start({
    async AttestAgent(call) {
      over.push(once(call.signal, "abort"));
      await call.send({ challenge: Buffer.from("1") });
      for await (const _ of call.requests);
      await once(call.signal, "abort");
    },
  });
  const first = async (stream: AsyncIterable<object>) => {
    for await (const response of stream) return response;
    return undefined;
  };

  const left = test.channel.stream(AGENT, "AttestAgent");
  await first(left);
  await over[0];
  t.pass("by leaving the loop");
  t.match(await rejection(left.send({})), { kind: "cancelled" });

  const abort = new AbortController();
  const aborted = test.channel.stream(AGENT, "AttestAgent", { signal: abort.signal });
  const iterator = aborted[Symbol.asyncIterator]();
  await iterator.next();
  abort.abort(new Error("enough"));
  t.match(await rejection(iterator.next()), { kind: "cancelled", cause: { message: "enough" } });
  await over[1];
  t.pass("by the signal");

  {
    using disposed = test.channel.stream(AGENT, "AttestAgent");
    await disposed[Symbol.asyncIterator]().next();
  }
  await over[2];
  t.pass("by the end of its scope");

  const late = test.channel.stream(AGENT, "AttestAgent", { deadlineMs: 3000 });
  const lateIterator = late[Symbol.asyncIterator]();
  await lateIterator.next();
  t.match(await rejection(lateIterator.next()), { kind: "deadline" });
  await over[3];

  const never = test.channel.stream(AGENT, "AttestAgent", { signal: AbortSignal.abort() });
  t.match(await rejection(first(never)), { kind: "cancelled" });
  t.equal(over.length, 4, "an aborted signal calls nobody");
  t.throws(() => test.channel.stream(AGENT, "Nonsense"), TypeError);
  t.throws(() => test.channel.unary("no.such.Service", "Get", {}), TypeError);
});

t.test("sizes: a request above the server's bound, an answer of many megabytes", async (t) => {
  await using test = await start(
    { GetAgent: async (request) => ({ agent_version: "x".repeat(Number(request.id?.path)) }) },
    { maxMessageBytes: 1000 },
  );
  const id = { trust_domain: "x".repeat(1000), path: "1" };
  t.match(await rejection(test.channel.unary(AGENT, "GetAgent", { id })), { kind: "limited" });
  const size = 20 << 20;
  const answer = await test.channel.unary<{ agent_version: string }>(AGENT, "GetAgent", {
    id: { path: String(size) },
  });
  t.equal(answer.agent_version.length, size);
  const tooMuch = test.channel.unary(AGENT, "GetAgent", { id: { path: String(65 << 20) } });
  t.match(await rejection(tooMuch), { kind: "limited" });
});

t.test("an ordinary end does not abort the handler's signal", async (t) => {
  let signal: AbortSignal | undefined;
  await using test = await start({
    async GetAgent(_request, call) {
      signal = call.signal;
      return {};
    },
  });
  await test.channel.unary(AGENT, "GetAgent", {});
  await test.channel.unary(AGENT, "GetAgent", {});
  t.equal(signal?.aborted, false);
});

t.test("every service of the house can be served", async (t) => {
  const server = new GrpcServer({ logger: memoryLogger().logger });
  for (const name of [
    "agent.v1.Agent",
    "bundle.v1.Bundle",
    "entry.v1.Entry",
    "svid.v1.SVID",
    "trustdomain.v1.TrustDomain",
    "localauthority.v1.LocalAuthority",
    "logger.v1.Logger",
    "debug.v1.Debug",
  ]) {
    const full = `spire.api.server.${name}`;
    server.addService(full, {});
    t.ok(Object.keys(serviceDefinition(full)).length > 0, full);
  }
  server.addService("assay.agent.v1.AgentHost", {});
  server.addService("grpc.health.v1.Health", {});
  await server.shutdown(0);
});
