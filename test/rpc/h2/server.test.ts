import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Metadata, type ServiceError, credentials } from "@grpc/grpc-js";
import fc from "fast-check";
import t from "tap";
import { fail } from "../../../src/base/errors.ts";
import { createLogger } from "../../../src/observe/logger.ts";
import type { H2Call, H2Handler } from "../../../src/rpc/h2/call.ts";
import { MessageAssembler, encodeFrame } from "../../../src/rpc/h2/frame.ts";
import { MAX_HELD_BYTES, MAX_REQUEST_BYTES } from "../../../src/rpc/h2/limits.ts";
import { parseGrpcTimeout } from "../../../src/rpc/h2/request-headers.ts";
import { H2GrpcServer } from "../../../src/rpc/h2/server.ts";
import { encodeStatusMessage } from "../../../src/rpc/h2/status-headers.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";
import {
  DATA,
  Encoder,
  GOAWAY,
  HEADERS,
  type Header,
  PING,
  PLAIN,
  RST_STREAM,
  RawClient,
  SETTINGS,
  WINDOW_UPDATE,
  frame,
  message,
  request,
} from "./raw-client.ts";

interface Rig {
  readonly path: string;
  readonly clock: VirtualClock;
  readonly server: H2GrpcServer<string>;
  readonly log: string[];
  readonly raw: () => RawClient;
  readonly client: () => Client;
}

type Routes = Readonly<Record<string, H2Handler<string>>>;

async function rig(t: Tap, routes: Routes, maxConnections = 10_000): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), "h2-"));
  const path = join(dir, "s");
  const clock = new VirtualClock();
  const log: string[] = [];
  const logger = createLogger({
    level: "debug",
    format: "text",
    write: (line) => log.push(line),
    nowMs: () => clock.nowMs(),
  });
  const server = new H2GrpcServer<string>({ clock, logger, maxConnections });
  for (const [route, handler] of Object.entries(routes)) server.route(route, handler);
  const listener: Server = createServer((socket) => server.attach(socket, "pid 7"));
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  const open: { destroy(): void }[] = [];
  t.teardown(async () => {
    for (const one of open) one.destroy();
    listener.close();
    const gone = server.shutdown({ graceMs: 0 });
    await clock.advance(1);
    await gone;
    rmSync(dir, { recursive: true });
  });
  return {
    path,
    clock,
    server,
    log,
    raw() {
      const client = new RawClient(path);
      client.hello();
      open.push(client);
      return client;
    },
    client() {
      const client = new Client(`unix:${path}`, credentials.createInsecure());
      open.push({ destroy: () => client.close() });
      return client;
    },
  };
}

interface Tap {
  teardown(run: () => Promise<void>): void;
}

const same = (bytes: Buffer): Buffer => bytes;

function unary(
  client: Client,
  path: string,
  body: string,
  metadata = new Metadata(),
  deadlineMs?: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      same,
      same,
      Buffer.from(body),
      metadata,
      deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
      (error, value) => (error === null ? resolve(String(value)) : reject(error)),
    );
  });
}

async function refusal(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error("the call was answered");
}

const echo = async (call: H2Call<string>): Promise<void> => {
  call.send(encodeFrame(await call.request()));
};

/** Sends one message and holds the stream until the client goes. */
const hold = async (call: H2Call<string>): Promise<void> => {
  await call.request();
  call.send(encodeFrame(Buffer.from("first")));
  await new Promise((_, reject) => call.onEnd(reject));
};

t.test("a grpc-js client", async (t) => {
  const seen: unknown[] = [];
  const { client, log } = await rig(t, {
    "/S/Echo": echo,
    "/S/Headers": async (call) => {
      await call.request();
      seen.push(
        call.context,
        call.path,
        call.metadata("X-Two"),
        call.metadata("x-bin"),
        call.metadata("none"),
      );
      call.send(encodeFrame(Buffer.alloc(0)));
    },
    "/S/Count": async (call) => {
      const count = Number(Buffer.from(await call.request()).toString());
      for (let i = 0; i < count; i++) {
        call.send(encodeFrame(Buffer.from(String(i))));
        await settle();
      }
      throw fail("unavailable", "the agent is stopping");
    },
    "/S/Bidi": async (call) => {
      for await (const one of call.requests) {
        call.send(encodeFrame(one));
        await settle();
      }
    },
    "/S/Denied": async (call) => {
      await call.request();
      throw fail("denied", "no identity issued: 100 % für\nuid 7");
    },
    "/S/Cancelled": () => Promise.reject(fail("cancelled", "inner call")),
    "/S/Bug": () => Promise.reject(new Error("secret of /etc/key")),
    "/S/Silent": async () => undefined,
  });
  const c = client();
  t.equal(await unary(c, "/S/Echo", "hello"), "hello");
  t.equal((await unary(c, "/S/Echo", "x".repeat(3_000_000))).length, 3_000_000);

  const metadata = new Metadata();
  metadata.add("x-two", "a");
  metadata.add("x-two", "b");
  metadata.add("x-bin", Buffer.of(1));
  await unary(c, "/S/Headers", "", metadata);
  t.same(seen, ["pid 7", "/S/Headers", ["a", "b"], [], []]);

  const counted: string[] = [];
  const stream = c.makeServerStreamRequest("/S/Count", same, same, Buffer.from("5"));
  stream.on("data", (one: Buffer) => counted.push(String(one)));
  const ended = await new Promise<ServiceError>((resolve) => stream.on("error", resolve));
  t.same(
    [counted, ended.code, ended.details],
    [["0", "1", "2", "3", "4"], 14, "the agent is stopping"],
  );

  const bidi = c.makeBidiStreamRequest("/S/Bidi", same, same);
  const echoed: string[] = [];
  bidi.on("data", (one: Buffer) => echoed.push(String(one)));
  const status = new Promise<{ code: number }>((resolve) => bidi.on("status", resolve));
  for (const one of ["a", "b", "c"]) {
    bidi.write(Buffer.from(one));
    await settle();
  }
  bidi.end();
  t.equal((await status).code, 0);
  t.same(echoed, ["a", "b", "c"]);

  const denied = await refusal(unary(c, "/S/Denied", ""));
  t.same([denied.code, denied.details], [7, "no identity issued: 100 % für\nuid 7"]);
  t.equal((await refusal(unary(c, "/S/Cancelled", ""))).code, 14, "never CANCELLED from here");
  const unknown = await refusal(unary(c, "/S/None", ""));
  t.equal(unknown.code, 12);
  const bug = await refusal(unary(c, "/S/Bug", ""));
  t.equal(bug.code, 13);
  const id = /^internal error \(id ([0-9a-f]+)\)$/.exec(bug.details)?.[1] ?? "no id";
  t.ok(
    log.some((line) => line.includes("secret of /etc/key") && line.includes(id)),
    "log has it",
  );
});

t.test("deadlines and cancellation reach the handler", async (t) => {
  const ends: string[] = [];
  const { client, raw, clock } = await rig(t, {
    "/S/Hold": async (call) => {
      await call.request();
      call.send(encodeFrame(Buffer.from("first")));
      await new Promise<void>((resolve) => call.signal.addEventListener("abort", () => resolve()));
      ends.push((call.signal.reason as { kind: string }).kind);
      t.notOk(call.send(encodeFrame(Buffer.from("late"))), "nothing is sent after the end");
      throw call.signal.reason;
    },
  });
  const stream = client().makeServerStreamRequest("/S/Hold", same, same, Buffer.alloc(0));
  stream.on("error", () => undefined);
  await new Promise((resolve) => stream.once("data", resolve));
  stream.cancel();
  while (ends.length < 1) await settle();
  t.same(ends, ["cancelled"]);

  const one = raw();
  ask(one, 1, "/S/Hold", [["grpc-timeout", "1500m"]]);
  await one.until(({ type }) => type === DATA);
  await clock.advance(1499);
  t.equal(ends.length, 1, "not before its time");
  await clock.advance(1);
  t.equal(await one.trailer(1), "4");
  t.same(ends, ["cancelled", "deadline"]);
  ask(one, 3, "/S/None", [["grpc-timeout", "1H"]]);
  t.equal(await one.trailer(3), "12");
  t.equal(clock.timers, 1, "no timer but the server's own");
});

t.test("grpc-timeout", (t) => {
  const rows: [string, number | undefined | "malformed"][] = [
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3_000],
    ["99999999m", 99_999_999],
    ["1u", 1],
    ["1n", 1],
    ["0S", 0],
    ["99999999H", undefined],
    ["", "malformed"],
    ["1", "malformed"],
    ["S", "malformed"],
    ["-1S", "malformed"],
    ["1.5S", "malformed"],
    ["123456789S", "malformed"],
    ["1s", "malformed"],
    ["1S ", "malformed"],
  ];
  for (const [text, ms] of rows) t.equal(parseGrpcTimeout(text), ms, text);
  t.end();
});

t.test("status messages are percent-encoded", (t) => {
  t.equal(encodeStatusMessage("plain ~ text"), "plain ~ text");
  t.equal(encodeStatusMessage("100%"), "100%25");
  t.equal(encodeStatusMessage("a\r\nb\x7fü"), "a%0D%0Ab%7F%C3%BC");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const wire = encodeStatusMessage(text);
      return /^[\x20-\x7e]*$/.test(wire) && decodeURIComponent(wire) === text;
    }),
    { seed: 1, numRuns: 300 },
  );
  t.end();
});

t.test("messages are put together from any pieces", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (messages, lengths) => {
        const bytes = Buffer.concat(messages.map((one) => encodeFrame(one)));
        const out: Uint8Array[] = [];
        const assembler = new MessageAssembler((one) => out.push(one));
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = lengths[i % lengths.length] ?? 1;
          assembler.push(bytes.subarray(at, at + length));
          at += length;
        }
        t.equal(assembler.heldBytes, 0);
        return Buffer.concat(out).equals(Buffer.concat(messages)) && out.length === messages.length;
      },
    ),
    { seed: 1, numRuns: 300 },
  );
  t.end();
});

function ask(
  client: RawClient,
  streamId: number,
  path: string,
  more: readonly Header[] = [],
  body: Uint8Array = message(""),
): void {
  const headers = [...request(path, "localhost"), ...more];
  client.write(
    frame(HEADERS, 4, streamId, new Encoder().block(headers, PLAIN)),
    frame(DATA, 1, streamId, body),
  );
}

const NOTHING = Buffer.alloc(0);

t.test("requests that break gRPC's rules", async (t) => {
  const { raw } = await rig(t, {
    "/S/Echo": echo,
    "/S/Header": async (call) => {
      const values = call.metadata("workload.spiffe.io");
      if (values.length !== 1 || values[0] !== "true") throw fail("invalid", "header");
      call.send(encodeFrame(await call.request()));
    },
  });
  const long = Buffer.alloc(5);
  long.writeUInt32BE(MAX_REQUEST_BYTES + 1, 1);
  const rows: [string, string, Header[], Buffer, string][] = [
    ["well-formed", "/S/Echo", [], message("a"), "0"],
    ["no message", "/S/Echo", [], NOTHING, "3"],
    ["two messages", "/S/Echo", [], Buffer.concat([message("a"), message("b")]), "3"],
    ["half a prefix", "/S/Echo", [], Buffer.from([0, 0]), "3"],
    ["half a message", "/S/Echo", [], message("abc").subarray(0, 6), "3"],
    ["compressed", "/S/Echo", [["grpc-encoding", "gzip"]], Buffer.from([1, 0, 0, 0, 1, 9]), "12"],
    ["unknown flag", "/S/Echo", [], Buffer.from([7, 0, 0, 0, 0]), "3"],
    ["above 4 MiB", "/S/Echo", [], long, "8"],
    ["malformed timeout", "/S/Echo", [["grpc-timeout", "soon"]], message("a"), "3"],
    ["unknown method", "/S/Other", [], message("a"), "12"],
    ["no path to speak of", "/", [], message("a"), "12"],
    ["one security header", "/S/Header", [["workload.spiffe.io", "true"]], message("a"), "0"],
    [
      "two security headers",
      "/S/Header",
      [
        ["workload.spiffe.io", "true"],
        ["workload.spiffe.io", "true"],
      ],
      message("a"),
      "3",
    ],
    [
      "joined security header",
      "/S/Header",
      [["workload.spiffe.io", "true, true"]],
      message("a"),
      "3",
    ],
    ["no security header", "/S/Header", [], message("a"), "3"],
  ];
  const client = raw();
  let id = -1;
  for (const [name, path, headers, body, code] of rows) {
    id += 2;
    ask(client, id, path, headers, body);
    t.equal(await client.trailer(id), code, name);
  }
  const plain: [string, Header[], string][] = [
    [
      "GET",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/S/Echo"],
        [":authority", "a"],
        ["content-type", "application/grpc"],
      ],
      "405",
    ],
    ["no content type", request("/S/Echo", "a").slice(0, 4), "415"],
    [
      "another content type",
      [...request("/S/Echo", "a").slice(0, 4), ["content-type", "application/grpc-web"]],
      "415",
    ],
  ];
  for (const [name, headers, status] of plain) {
    id += 2;
    client.write(frame(HEADERS, 5, id, new Encoder().block(headers, PLAIN)));
    t.equal(await client.trailer(id, ":status"), status, name);
  }
  const cut = raw();
  cut.write(frame(HEADERS, 4, 1, new Encoder().block(request("/S/Echo", "a"), PLAIN)));
  for (const byte of message("byte by byte")) cut.write(frame(DATA, 0, 1, Buffer.of(byte)));
  cut.write(frame(DATA, 1, 1, NOTHING));
  t.equal(await cut.trailer(1), "0", "a message in DATA frames of one byte");
});

t.test("silence is not waited for", async (t) => {
  const { raw, clock, server } = await rig(t, { "/S/Echo": echo, "/S/Hold": hold });
  const silent = raw();
  await silent.until(({ type }) => type === SETTINGS);
  await clock.advance(9_999);
  t.notOk(silent.closed);
  await clock.advance(1);
  await silent.untilClosed();

  const half = raw();
  const held = raw();
  ask(held, 1, "/S/Hold");
  await held.until(({ type }) => type === DATA);
  half.write(
    frame(HEADERS, 4, 1, new Encoder().block(request("/S/Echo", "a"), PLAIN)),
    frame(DATA, 0, 1, message("half").subarray(0, 7)),
  );
  half.write(frame(PING, 0, 0, Buffer.alloc(8)));
  await half.until(({ type }) => type === PING);
  await clock.advance(30_000);
  t.notOk(half.frames.some(({ type }) => type === HEADERS));
  await clock.advance(5_000);
  t.equal(await half.trailer(1), "4", "a request message that does not get whole");
  await clock.advance(3_600_000);
  t.notOk(held.frames.some(({ flags, type }) => type === HEADERS && (flags & 1) !== 0));
  t.equal(server.connections, 2, "an idle stream is no silence");
});

t.test("a client that does not read keeps the newest frame only, and is closed", async (t) => {
  const opened = Promise.withResolvers<H2Call<string>>();
  const ended = Promise.withResolvers<string>();
  const { raw, clock } = await rig(t, {
    "/S/Views": async (one) => {
      await one.request();
      opened.resolve(one);
      one.onEnd((reason) => ended.resolve(reason.kind));
      await new Promise((_, reject) => one.onEnd(reject));
    },
  });
  const client = raw();
  // SETTINGS_INITIAL_WINDOW_SIZE 0: not a byte of DATA may be sent.
  client.write(frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
  ask(client, 1, "/S/Views");
  const call = await opened.promise;
  t.ok(call.send(encodeFrame(Buffer.from("view 0"))));
  const long = Buffer.alloc(100_000);
  for (let i = 0; i < 50; i++) t.notOk(call.send(encodeFrame(long)));
  for (let i = 1; i < 100; i++) t.notOk(call.send(encodeFrame(Buffer.from(`view ${i}`))));
  client.write(frame(WINDOW_UPDATE, 0, 1, Buffer.from([0, 1, 0, 0])));
  await client.until(({ type, payload }) => type === DATA && payload.includes("view 99"));
  const views = client.frames
    .filter(({ type }) => type === DATA)
    .map(({ payload }) => payload.subarray(5).toString());
  t.same(views, ["view 0", "view 99"]);
  await clock.advance(60_000);
  t.notOk(client.closed, "nothing is held any more");
  t.ok(call.send(encodeFrame(Buffer.alloc(300_000))));
  await clock.advance(30_000);
  t.notOk(client.closed);
  await clock.advance(5_000);
  await client.untilClosed();
  t.equal(await ended.promise, "cancelled");
});

t.test(
  "at most 1 MB is held for a connection; one frame for many streams counts once",
  async (t) => {
    const calls: H2Call<string>[] = [];
    const { raw } = await rig(t, {
      "/S/Views": async (one) => {
        await one.request();
        calls.push(one);
        await new Promise((_, reject) => one.onEnd(reject));
      },
    });
    const client = raw();
    client.write(frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
    const streams = 40;
    for (let i = 0; i < streams; i++) ask(client, 2 * i + 1, "/S/Views");
    while (calls.length < streams) await settle();
    const shared = encodeFrame(Buffer.alloc(100_000));
    t.ok(
      calls.every((call) => call.send(shared)),
      "shared",
    );
    const refused = calls.map((call) => {
      call.send(encodeFrame(Buffer.alloc(100_000)));
      return call.signal.aborted;
    });
    t.equal(refused.filter((one) => !one).length, Math.floor(MAX_HELD_BYTES / 100_005) - 1);
    client.write(frame(WINDOW_UPDATE, 0, 0, Buffer.from([0x20, 0, 0, 0])));
    for (let i = 0; i < streams; i++)
      client.write(frame(WINDOW_UPDATE, 0, 2 * i + 1, Buffer.from([0, 16, 0, 0])));
    t.equal(
      await client.trailer(2 * streams - 1),
      "14",
      "the stream that could not be served comes back",
    );
  },
);

t.test("streams opened and reset without end are no offence", async (t) => {
  const { raw } = await rig(t, { "/S/Hold": hold });
  const client = raw();
  const resets = 5_000;
  for (let i = 0; i < resets; i++) {
    const id = 2 * i + 1;
    ask(client, id, "/S/Hold");
    const answer = await client.until((f) => f.streamId === id && f.type === DATA);
    if (answer === undefined) break;
    client.frames.length = 0;
    client.write(frame(RST_STREAM, 0, id, Buffer.from([0, 0, 0, 8])));
  }
  ask(client, 2 * resets + 1, "/S/None");
  t.equal(await client.trailer(2 * resets + 1), "12");
});

t.test("requests reset in the same breath leave nothing behind", async (t) => {
  let open = 0;
  const { raw } = await rig(t, {
    "/S/Hold": async (call) => {
      open++;
      call.onEnd(() => open--);
      await hold(call);
    },
  });
  const client = raw();
  ask(client, 1, "/S/Hold");
  await client.until(({ type }) => type === DATA);
  const parts: Buffer[] = [];
  for (let id = 3; id < 1_000; id += 2) {
    const headers = id % 4 === 1 ? request("/S/Hold", "a") : request("/S/None", "a").slice(0, 4);
    parts.push(frame(HEADERS, 5, id, new Encoder().block(headers, PLAIN)));
    parts.push(frame(RST_STREAM, 0, id, Buffer.from([0, 0, 0, id % 3])));
  }
  client.write(...parts);
  ask(client, 1_001, "/S/None");
  t.equal(await client.trailer(1_001), "12");
  t.equal(open, 1, "only the one that was not reset");
});

t.test("a mended client that leaves within an answer", async (t) => {
  const big = encodeFrame(Buffer.alloc(1_000_000));
  const { path, server } = await rig(t, {
    "/S/Big": async (call) => {
      await call.request();
      call.send(big);
    },
  });
  for (let i = 0; i < 10; i++) {
    const client = new RawClient(path);
    client.hello();
    client.write(
      frame(HEADERS, 4, 1, new Encoder().block(request("/S/Big", "/run/a.sock"), PLAIN)),
      frame(DATA, 1, 1, message("")),
    );
    await client.until(({ type }) => type === DATA);
    client.destroy();
  }
  while (server.connections > 0) await settle();
  t.equal(server.connections, 0);
});

t.test("10,000 streams at once: no more than 1,000 are served", async (t) => {
  const { raw } = await rig(t, { "/S/Hold": hold });
  const client = raw();
  ask(client, 1, "/S/Hold");
  await client.until(({ type }) => type === DATA);
  client.write(frame(WINDOW_UPDATE, 0, 0, Buffer.from([0, 16, 0, 0])));
  for (let i = 1; i < 10_000; i++) ask(client, 2 * i + 1, "/S/Hold");
  client.write(frame(PING, 0, 0, Buffer.alloc(8)));
  const end = await client.until(({ type }) => type === PING || type === GOAWAY);
  t.not(end?.type, PING, "a client that breaks the bound it acknowledged loses its connection");
  const served = client.frames.filter(({ type }) => type === DATA).length;
  t.ok(served <= 1_000, `${served} served`);
  const other = raw();
  ask(other, 1, "/S/Hold");
  t.ok(await other.until(({ type }) => type === DATA), "another connection is served");
});

t.test("shutdown: UNAVAILABLE, then GOAWAY, with a time limit", async (t) => {
  const { raw, server, clock } = await rig(t, { "/S/Hold": hold });
  const idle = raw();
  const [reading, stuck] = [raw(), raw()];
  stuck.write(frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
  for (const client of [reading, stuck]) ask(client, 1, "/S/Hold");
  await reading.until(({ type }) => type === DATA);
  await stuck.until(({ type }) => type === HEADERS);
  await idle.until(({ type }) => type === SETTINGS);
  const gone = server.shutdown({ status: fail("unavailable", "the agent stops"), graceMs: 2_000 });
  t.equal(await reading.trailer(1), "14");
  t.equal(await reading.trailer(1, "grpc-message"), "the agent stops");
  await reading.untilClosed();
  const order = reading.frames.filter(
    ({ type, flags }) => type === GOAWAY || (type === HEADERS && (flags & 1) !== 0),
  );
  t.same(
    order.slice(0, 2).map(({ type }) => type),
    [HEADERS, GOAWAY],
  );
  t.equal(order[1]?.payload.readUInt32BE(4), 0, "NO_ERROR");
  await idle.untilClosed();
  t.notOk(stuck.closed);
  await clock.advance(2_000);
  await stuck.untilClosed();
  await gone;
  const late = raw();
  await late.untilClosed();
  t.equal(server.connections, 0);
});

t.test("connections are bounded, and none outlives its socket", async (t) => {
  const { raw, server, clock } = await rig(t, { "/S/Hold": hold }, 3);
  const clients = [raw(), raw(), raw()];
  for (const client of clients) {
    ask(client, 1, "/S/Hold");
    await client.until(({ type }) => type === DATA);
  }
  await raw().untilClosed();
  t.equal(server.connections, 3);
  for (const client of clients) client.destroy();
  while (server.connections > 0) await settle();
  t.equal(clock.timers, 0, "no timer is left");
});

t.test("garbage ends a connection and nothing else", async (t) => {
  const { raw, path } = await rig(t, { "/S/Hold": hold });
  const held = raw();
  ask(held, 1, "/S/Hold");
  await held.until(({ type }) => type === DATA);
  const inputs = [
    Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    Buffer.alloc(100, 0xff),
    Buffer.alloc(100_000, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]),
  ];
  for (const input of inputs) {
    const client = new RawClient(path);
    client.acknowledge = false;
    client.write(input);
    await client.untilClosed();
  }
  ask(held, 3, "/S/None");
  t.equal(await held.trailer(3), "12");
});

t.test("misuse by a handler is a bug of ours", async (t) => {
  const { client, server } = await rig(t, {
    "/S/Raw": async (call) => {
      await call.request();
      call.send(Buffer.from("no frame"));
    },
  });
  t.equal((await refusal(unary(client(), "/S/Raw", ""))).code, 13);
  t.throws(() => server.route("/S/Raw", echo), TypeError);
});
