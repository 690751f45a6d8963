import t from "tap";
import { fail } from "../../../src/base/errors.ts";
import type { GrpcCall } from "../../../src/rpc/grpc/call.ts";
import { encodeFrame } from "../../../src/rpc/grpc/frame.ts";
import { MAX_HELD_BYTES } from "../../../src/rpc/grpc/limits.ts";
import { settle } from "../../support/virtual-clock.ts";
import {
  DATA,
  Encoder,
  GOAWAY,
  HEADERS,
  PING,
  PLAIN,
  RST_STREAM,
  RawClient,
  SETTINGS,
  WINDOW_UPDATE,
  frame,
  message,
  request,
} from "../http2/raw-client.ts";
import { ask, echo, hold, rig } from "./rig.ts";

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
  const opened = Promise.withResolvers<GrpcCall<string>>();
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
  const inAMoment = clock.nowMs() + 1_000;
  t.notOk(call.send(encodeFrame(Buffer.from("view 0.5")), inAMoment));
  await clock.advance(1_000);
  client.write(frame(WINDOW_UPDATE, 0, 1, Buffer.from([0, 0, 0, 11])));
  await client.until(({ type, payload }) => type === DATA && payload.includes("view 0"));
  await call.flushed();
  t.ok(call.send(encodeFrame(Buffer.from("view 1"))), "what ended while it waited is not sent");
  const long = Buffer.alloc(100_000);
  for (let i = 0; i < 50; i++) t.notOk(call.send(encodeFrame(long)));
  for (let i = 2; i < 99; i++) t.notOk(call.send(encodeFrame(Buffer.from(`view ${i}`))));
  t.notOk(call.send(encodeFrame(Buffer.from("view 99")), clock.nowMs() + 1_000));
  client.write(frame(WINDOW_UPDATE, 0, 1, Buffer.from([0, 1, 0, 0])));
  await client.until(({ type, payload }) => type === DATA && payload.includes("view 99"));
  const views = client.frames
    .filter(({ type }) => type === DATA)
    .map(({ payload }) => payload.subarray(5).toString());
  t.same(views, ["view 0", "view 1", "view 99"]);
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
    const calls: GrpcCall<string>[] = [];
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

t.test("handlers that go on behind their reset streams are bounded", async (t) => {
  let running = 0;
  const stuck = Promise.withResolvers<void>();
  t.teardown(() => stuck.resolve());
  const { raw } = await rig(t, {
    "/S/Stuck": async () => {
      running += 1;
      await stuck.promise;
    },
  });
  const client = raw();
  const parts: Buffer[] = [];
  for (let i = 0; i < 3_000; i++) {
    const id = 2 * i + 1;
    parts.push(frame(HEADERS, 5, id, new Encoder().block(request("/S/Stuck", "a"), PLAIN)));
    parts.push(frame(RST_STREAM, 0, id, Buffer.from([0, 0, 0, 8])));
  }
  client.write(...parts);
  ask(client, 9_001, "/S/Stuck");
  t.equal(await client.trailer(9_001), "reset 7", "REFUSED_STREAM");
  t.equal(running, 2_000);
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
