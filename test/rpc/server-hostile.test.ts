/** Who is let in, what errors tell, hostile requests and connections, and the end of a server. */
import { once } from "node:events";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import t from "tap";
import { fail } from "../../src/base/errors.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import type { CallContext } from "../../src/rpc/service.ts";
import { frame, rawCall, rawSession } from "./raw-call.ts";
import { memoryLogger, rejection, tempDir } from "./support.ts";
import { AGENT, path, start, echo } from "./server-rig.ts";

t.test("gate", async (t) => {
  const KEY = Symbol("caller");
  const gated: string[] = [];
  let handled = 0;
  await using test = await start({
    async GetAgent(_request, call) {
      handled += 1;
      return { agent_version: String(call.store.get(KEY)) };
    },
    async AttestAgent() {
      handled += 1;
    },
  });
  test.server.setGate(async (method: string, call: CallContext) => {
    gated.push(method);
    const [name] = call.metadata("name");
    if (name === undefined) throw fail("denied", "who are you", { reason: "AGENT_NOT_ATTESTED" });
    call.store.set(KEY, name);
  });
  const metadata = { name: "alice" };

  t.match(await test.channel.unary(AGENT, "GetAgent", {}, { metadata }), {
    agent_version: "alice",
  });
  t.match(await rejection(test.channel.unary(AGENT, "GetAgent", {})), {
    kind: "denied",
    message: "who are you",
    reason: "AGENT_NOT_ATTESTED",
  });
  t.equal(handled, 1, "a refused call reaches no handler");

  t.match(await rejection(test.channel.unary(AGENT, "PostStatus", {})), { kind: "denied" });
  t.match(
    await rejection(test.channel.unary(AGENT, "PostStatus", {}, { metadata })),
    { kind: "unsupported" },
    "a method without a handler is gated first",
  );
  t.same(gated, [path("GetAgent"), path("GetAgent"), path("PostStatus"), path("PostStatus")]);

  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  t.match(
    await rawCall(session, path("GetAgent"), "keep open"),
    { status: 7, message: "who are you" },
    "refused before a byte of the request has come",
  );
  t.match(
    await rawCall(session, path("GetAgent"), frame(Buffer.from("ffff", "hex"))),
    { status: 7 },
    "refused before the request is decoded",
  );
});

t.test("without a gate nobody gets in", async (t) => {
  using dir = tempDir();
  await using server = new GrpcServer({ logger: memoryLogger().logger });
  server.addService(AGENT, echo);
  await server.listenUnix(dir.file("s"), { mode: 0o600 });
  using channel = connectUnix(dir.file("s"));
  t.match(await rejection(channel.unary(AGENT, "GetAgent", {})), { kind: "unavailable" });
});

t.test("errors: internal text stays here, with an id that the log has once", async (t) => {
  await using test = await start({
    async GetAgent() {
      throw new Error("password is hunter2");
    },
    async AttestAgent(call) {
      await call.send({ challenge: Buffer.from("x") });
      throw fail("internal", "disk 7 is broken");
    },
  });
  const error = await rejection(test.channel.unary(AGENT, "GetAgent", {}));
  t.equal(error.kind, "internal");
  const id = /^internal error \(id ([0-9a-f]{8})\)$/.exec(error.message)?.[1] ?? "none";
  const lines = test.lines.filter((line) => line.includes(id));
  t.equal(lines.length, 1);
  t.match(lines[0], /hunter2/);
  t.match(lines[0], /GetAgent/);

  using stream = test.channel.stream(AGENT, "AttestAgent");
  stream.end();
  const got: object[] = [];
  const streamError = await rejection(
    (async () => {
      for await (const response of stream) got.push(response);
    })(),
  );
  t.equal(got.length, 1, "what was sent before the error arrives");
  t.match(streamError, { kind: "internal", message: /^internal error \(id/ });
  t.notMatch(streamError.message, /disk/);
});

t.test("programmer's slips are told at once", async (t) => {
  const server = new GrpcServer({ logger: memoryLogger().logger });
  t.throws(() => server.addService("no.such.Service", {}), TypeError);
  t.throws(() => server.addService(AGENT, { Nonsense: async () => ({}) }), TypeError);
  await server.shutdown(0);
});

t.test("hostile requests: each gets a status, and the server serves on", async (t) => {
  await using test = await start(echo, { maxMessageBytes: 64 << 10 });
  const session = rawSession(test.socket);
  t.teardown(() => session.destroy());
  const get = path("GetAgent");
  const gzip = { "grpc-encoding": "gzip" };
  const table: readonly [
    name: string,
    at: string,
    body: Uint8Array,
    headers: Record<string, string>,
    statuses: readonly (number | undefined)[],
  ][] = [
    ["unknown service", "/no.such.Service/Get", frame(Buffer.alloc(0)), {}, [12]],
    ["unknown method", path("Nonsense"), frame(Buffer.alloc(0)), {}, [12]],
    ["a method of Object", path("constructor"), frame(Buffer.alloc(0)), {}, [12]],
    ["path without a method", "/", frame(Buffer.alloc(0)), {}, [12]],
    ["no message", get, Buffer.alloc(0), {}, [3]],
    ["two messages", get, Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(0))]), {}, [3]],
    ["half a frame head", get, Buffer.from([0, 0]), {}, [3]],
    ["half a message", get, frame(Buffer.from("0a", "hex"), 0, 100), {}, [3]],
    ["length of 4 GiB", get, frame(Buffer.alloc(0), 0, 0xffff_ffff), {}, [8]],
    ["message above the bound", get, frame(Buffer.alloc((64 << 10) + 1)), {}, [8]],
    ["field cut off", get, frame(Buffer.from("0a05", "hex")), {}, [3]],
    ["endless varint", get, frame(Buffer.alloc(16, 0xff)), {}, [3]],
    ["illegal wire type 7", get, frame(Buffer.from("0f", "hex")), {}, [3]],
    ["unclosed group", get, frame(Buffer.from("7b", "hex")), {}, [3]],
    ["groups 10,000 deep", get, frame(Buffer.alloc(10_000, 0x7b)), {}, [3]],
    ["string where a message belongs", get, frame(Buffer.from("0a03616263", "hex")), {}, [3]],
    ["varint where a message belongs", get, frame(Buffer.from("0805", "hex")), {}, [3]],
    ["not UTF-8", get, frame(Buffer.from("0a040a02c328", "hex")), {}, [3]],
    ["unknown fields", get, frame(Buffer.from("fa3e03616263", "hex")), {}, [0]],
    ["compressed", get, frame(gzipSync(Buffer.alloc(0)), 1), gzip, [0]],
    ["compressed, but not so", get, frame(Buffer.from("nope"), 1), gzip, [13]],
    ["bomb", get, frame(gzipSync(Buffer.alloc(8 << 20)), 1), gzip, [8]],
    ["unknown encoding", get, frame(Buffer.alloc(1), 1), { "grpc-encoding": "br" }, [12]],
    ["timeout that is none", get, frame(Buffer.alloc(0)), { "grpc-timeout": "soon" }, [13]],
    ["timeout of 0", get, frame(Buffer.alloc(0)), { "grpc-timeout": "0n" }, [4, 0]],
    ["bad base64 metadata", get, frame(Buffer.alloc(0)), { "x-bin": "%%%" }, [0]],
    [
      "metadata of 100 KB",
      get,
      frame(Buffer.alloc(0)),
      { "x-big": "a".repeat(100_000) },
      [undefined],
    ],
  ];
  for (const [name, at, body, headers, statuses] of table) {
    const own = rawSession(test.socket);
    const answer = await rawCall(own, at, body, headers);
    own.destroy();
    t.ok(statuses.includes(answer.status), `${name}: ${answer.status} ${answer.message}`);
    t.notMatch(answer.message, /node_modules|\bat \b.*:\d+/, `${name}: no inner text`);
  }
  const other = await rawCall(session, get, frame(Buffer.alloc(0)), {
    "content-type": "text/html",
  });
  t.equal(other.http, 415);
  const alive = await rawCall(session, get, frame(Buffer.alloc(0)));
  t.equal(alive.status, 0);
});

t.test("hostile connections", async (t) => {
  await using test = await start(echo);
  for (const bytes of [
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\u0016\u0003\u0001\u0002\u0000",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u00ff\u00ff\u00ff\u0004\u0000\u0000\u0000\u0000\u0000",
    "\u0000".repeat(100),
  ]) {
    const socket = connect(test.socket);
    socket.on("error", () => undefined);
    socket.resume();
    socket.write(Buffer.from(bytes, "latin1"));
    await once(socket, "close");
    t.pass(`${JSON.stringify(bytes.slice(0, 12))} is dropped`);
  }
  const silent = connect(test.socket);
  t.teardown(() => silent.destroy());
  silent.on("error", () => undefined);
  silent.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000");
  const session = rawSession(test.socket);
  await once(session, "remoteSettings");
  t.equal(
    session.remoteSettings.maxConcurrentStreams,
    256,
    "streams of one connection are bounded",
  );
  for (let i = 0; i < 3_000 && !session.destroyed; i++) {
    const stream = session.request({
      ":method": "POST",
      ":path": path("AttestAgent"),
      "content-type": "application/grpc",
    });
    stream.on("error", () => undefined);
    stream.close(8);
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  session.destroy();
  t.match(await test.channel.unary(AGENT, "GetAgent", {}), { agent_version: "unix" }, "served on");
});

t.test("texts that cannot be percent-encoded, and long ones", async (t) => {
  const texts = ["lone \ud800 surrogate", "x".repeat(100_000), "100 % größer\r\n日本", ""];
  let at = 0;
  await using test = await start({
    async GetAgent() {
      throw fail("invalid", texts[at] ?? "");
    },
  });
  const got: string[] = [];
  for (; at < texts.length; at++) {
    const error = await rejection(test.channel.unary(AGENT, "GetAgent", {}));
    t.equal(error.kind, "invalid");
    got.push(error.message);
  }
  t.same(got, [
    "lone \ufffd surrogate",
    "x".repeat(1024),
    "100 % größer\r\n日本",
    "status 3 without text",
  ]);
});

t.test("shutdown", async (t) => {
  t.test("lets a call under way finish", async (t) => {
    const go = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    await using test = await start({
      async GetAgent() {
        begun.resolve();
        await go.promise;
        return { agent_version: "done" };
      },
    });
    const call = test.channel.unary(AGENT, "GetAgent", {});
    await begun.promise;
    const down = test.server.shutdown(10_000);
    go.resolve();
    t.match(await call, { agent_version: "done" });
    await down;
    t.match(await rejection(test.channel.unary(AGENT, "GetAgent", {})), { kind: "unavailable" });
  });

  t.test("ends a call whose request never came, and so does its client", async (t) => {
    const arrived = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let calls = 0;
    await using test = await start(echo);
    test.server.setGate(async () => arrived[calls++]?.resolve());
    const gone = rawSession(test.socket);
    const left = rawCall(gone, path("GetAgent"), "keep open");
    await arrived[0]?.promise;
    gone.destroy();
    t.equal((await left).status, undefined);

    const session = rawSession(test.socket);
    t.teardown(() => session.destroy());
    const waiting = rawCall(session, path("GetAgent"), "keep open");
    await arrived[1]?.promise;
    await test.server.shutdown(20);
    t.match(await waiting, { status: 14, message: "the server is shutting down" });
    t.notMatch(test.lines.join(""), /internal error/);
  });

  t.test("then ends the rest with UNAVAILABLE and tells the handlers", async (t) => {
    const reasons: unknown[] = [];
    await using test = await start({
      async AttestAgent(call) {
        await call.send({ challenge: Buffer.from("hello") });
        await once(call.signal, "abort");
        reasons.push(call.signal.reason);
      },
    });
    using stream = test.channel.stream<object, object>(AGENT, "AttestAgent");
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const ended = rejection(iterator.next() as Promise<unknown>);
    await test.server.shutdown(20);
    t.match(await ended, { kind: "unavailable", message: "the server is shutting down" });
    t.match(reasons, [{ kind: "unavailable" }]);
  });
});
