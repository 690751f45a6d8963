/** Flow control (RFC 9113 §5.2, §6.9): what either side may send, and that one stream does not starve another. */
import t from "tap";
import type { Http2Stream } from "../../../src/rpc/http2/stream.ts";
import { number, open, setting } from "./client-frames.ts";
import {
  DATA,
  type Frame,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  type RawClient,
  SETTINGS,
  WINDOW_UPDATE,
  frame,
} from "./raw-client.ts";
import { DONE, OK, sessionRig } from "./session-rig.ts";

function window(streamId: number, bytes: number): Buffer {
  return frame(WINDOW_UPDATE, 0, streamId, number(bytes));
}

function initialWindow(bytes: number): Buffer {
  return frame(SETTINGS, 0, 0, setting(4, bytes));
}

let pings = 0;

/** Waits until the server has seen all that was written. */
async function seen(client: RawClient): Promise<void> {
  const mark = Buffer.alloc(8);
  mark.writeUInt32BE(++pings, 0);
  client.write(frame(PING, 0, 0, mark));
  await client.until(({ type, payload }) => type === PING && payload.equals(mark));
}

function bytesOf(client: RawClient, streamId: number): number {
  return dataOf(client, streamId).reduce((sum, { payload }) => sum + payload.length, 0);
}

function dataOf(client: RawClient, streamId: number): Frame[] {
  return client.frames.filter((one) => one.type === DATA && one.streamId === streamId);
}

/** Answers with so many bytes, each the number of its place. */
function answer(bytes: number): (stream: Http2Stream) => void {
  return (stream) => {
    stream.respond(OK);
    stream.write(Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => i)));
    stream.end(DONE);
  };
}

t.test("a stream's window, a byte at a time and then all", async (t) => {
  const { raw } = await sessionRig(t, answer(50_000));
  const client = raw();
  client.write(initialWindow(0), open(1, 5));
  await seen(client);
  t.equal(bytesOf(client, 1), 0, "nothing without a window");
  for (let i = 1; i <= 20; i++) {
    client.write(window(1, 1));
    await seen(client);
    t.equal(bytesOf(client, 1), i);
  }
  client.write(initialWindow(100));
  await seen(client);
  t.equal(bytesOf(client, 1), 120, "a larger initial window counts for open streams");
  client.write(initialWindow(10), window(1, 50));
  await seen(client);
  t.equal(bytesOf(client, 1), 120, "a smaller one makes a debt");
  client.write(window(1, 41));
  await seen(client);
  t.equal(bytesOf(client, 1), 121);
  client.write(window(1, 60_000));
  t.equal(await client.outcome(1), "ok");
  const body = Buffer.concat(dataOf(client, 1).map(({ payload }) => payload));
  t.ok(body.equals(Buffer.from(Uint8Array.from({ length: 50_000 }, (_, i) => i))), "in order");
  t.ok(dataOf(client, 1).every(({ payload }) => payload.length <= 16_384));
});

t.test("the connection's window is shared in turns", async (t) => {
  const { raw } = await sessionRig(t, answer(60_000));
  const client = raw();
  client.write(open(1, 5), open(3, 5), open(5, 5));
  await seen(client);
  const all = (): number => [1, 3, 5].reduce((sum, id) => sum + bytesOf(client, id), 0);
  t.equal(all(), 65_535);
  client.write(window(0, 200_000));
  for (const id of [1, 3, 5]) t.equal(await client.outcome(id), "ok");
  t.equal(all(), 180_000);
});

t.test("a stream that nobody reads holds no other up", async (t) => {
  const { raw, sessions } = await sessionRig(t, answer(100_000));
  const client = raw();
  client.write(window(0, 10_000_000), initialWindow(0), open(1, 5), open(3, 5), window(3, 100_000));
  t.equal(await client.outcome(3), "ok");
  t.equal(bytesOf(client, 1), 0);
  client.write(frame(RST_STREAM, 0, 1, Buffer.from([0, 0, 0, 8])));
  await seen(client);
  t.equal(sessions[0]?.streams, 0);
});

t.test("a client that reads slowly gets all of it, and the others too", async (t) => {
  const { raw } = await sessionRig(t, answer(2_000_000));
  const client = raw();
  client.write(initialWindow(4_000_000), window(0, 100_000_000), open(1, 5), open(3, 5));
  client.socket.pause();
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  client.socket.resume();
  t.equal(await client.outcome(1), "ok");
  t.equal(await client.outcome(3), "ok");
  t.equal(bytesOf(client, 1) + bytesOf(client, 3), 4_000_000);
});

t.test("what a client sends is bounded by the windows it was given", async (t) => {
  const idle = new Set<Http2Stream>();
  const { raw, violations } = await sessionRig(t, (stream) => idle.add(stream), {
    connectionWindow: 100_000,
  });
  const piece = (id: number): Buffer => frame(DATA, 0, id, Buffer.alloc(16_000));
  const one = raw();
  one.write(open(1), ...Array.from({ length: 5 }, () => piece(1)));
  t.equal(await one.outcome(1), "reset 3", "80,000 bytes on a stream whose window is 65,535");
  await seen(one);
  t.notOk(one.closed, "the connection goes on");

  const two = raw();
  two.write(open(1), open(3));
  for (let i = 0; i < 4; i++) two.write(piece(1), piece(3));
  const goaway = await two.until(({ type }) => type === GOAWAY);
  t.equal(
    goaway?.payload.readUInt32BE(4),
    3,
    "128,000 bytes on a connection whose window is 100,000",
  );
  t.match(violations[0]?.message, /window/);
});

t.test("what is read makes room, on the stream and on the connection", async (t) => {
  const streams: Http2Stream[] = [];
  const got: number[] = [];
  const { raw } = await sessionRig(
    t,
    (stream) => {
      streams.push(stream);
      got.push(0);
      const at = got.length - 1;
      stream.receive({
        data(chunk) {
          got[at] = (got[at] ?? 0) + chunk.length;
          if (at === 0) stream.pause();
        },
        end: () => undefined,
      });
    },
    { connectionWindow: 100_000 },
  );
  const client = raw();
  const piece = (id: number): Buffer => frame(DATA, 0, id, Buffer.alloc(10_000));
  const widened = (id: number): number =>
    client.frames
      .filter((one) => one.type === WINDOW_UPDATE && one.streamId === id)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  client.write(open(1), ...Array.from({ length: 6 }, () => piece(1)));
  await seen(client);
  t.equal(got[0], 10_000, "a paused stream takes one piece");
  t.equal(widened(1), 0, "and no room is made for it");
  client.write(open(3));
  let sent = 60_000;
  for (let round = 0; round < 20; round++) {
    client.write(piece(3));
    sent += 10_000;
    await seen(client);
    t.ok(sent - widened(0) <= 100_000 + 65_535, "never more than the windows allow");
  }
  t.equal(got[1], 200_000, "the other stream goes on");
  t.ok(widened(3) >= 140_000);
  const before = widened(0);
  for (let i = 0; i < 6; i++) streams[0]?.resume();
  await seen(client);
  t.equal(got[0], 60_000);
  t.ok(widened(0) > before && widened(1) > 0, "room comes back");
  client.write(open(5), piece(5));
  await seen(client);
  t.equal(got[2], 10_000);
});

t.test("padding counts as read", async (t) => {
  const { raw } = await sessionRig(t, (stream) => stream.discard());
  const client = raw();
  client.write(open(1));
  const padded = frame(DATA, 8, 1, Buffer.concat([Buffer.of(255), Buffer.alloc(256)]));
  for (let i = 0; i < 1_000; i++) {
    client.write(padded);
    if (i % 100 === 0) await seen(client);
  }
  await seen(client);
  t.notOk(client.frames.some(({ type }) => type === RST_STREAM || type === GOAWAY));
});

t.test(
  "a body that comes before anybody reads it is kept, and given back when nobody will",
  async (t) => {
    const streams: Http2Stream[] = [];
    const { raw } = await sessionRig(t, (stream) => streams.push(stream), {
      connectionWindow: 65_535,
    });
    const client = raw();
    const body = frame(DATA, 1, 1, Buffer.from("early"));
    client.write(open(1), body);
    await seen(client);
    const got: string[] = [];
    streams[0]?.receive({
      data: (chunk) => got.push(Buffer.from(chunk).toString()),
      end: () => got.push("end"),
    });
    t.same(got, ["early", "end"]);
    for (let id = 3; id < 43; id += 2) {
      client.write(open(id), frame(DATA, 0, id, Buffer.alloc(10_000)));
      client.write(frame(RST_STREAM, 0, id, Buffer.from([0, 0, 0, 8])));
      await seen(client);
    }
    t.notOk(client.closed, "200,000 bytes of streams that were reset fill no window of 65,535");
  },
);

t.test("sixty thousand pieces of a byte that nobody reads become a few", async (t) => {
  const streams: Http2Stream[] = [];
  const { raw } = await sessionRig(t, (stream) => streams.push(stream));
  const client = raw();
  const body = Buffer.from(Uint8Array.from({ length: 60_000 }, (_, i) => i % 251));
  client.write(open(1));
  for (let at = 0; at < body.length; at += 1_000) {
    const pieces = Array.from(body.subarray(at, at + 1_000), (byte) =>
      frame(DATA, 0, 1, Buffer.of(byte)),
    );
    client.write(...pieces);
  }
  await seen(client);
  const got: Uint8Array[] = [];
  streams[0]?.receive({
    data(chunk) {
      got.push(chunk);
      if (got.length === 3) streams[0]?.pause();
    },
    end: () => undefined,
  });
  t.equal(got.length, 3, "it may pause within");
  streams[0]?.resume();
  t.ok(got.length < 20, `${got.length} pieces`);
  t.ok(Buffer.concat(got).equals(body), "in order");
  client.write(frame(DATA, 0, 1, Buffer.from("more")));
  await seen(client);
  t.equal(Buffer.concat(got).subarray(60_000).toString(), "more");
});

t.test("a wider window is acknowledged before it is used", async (t) => {
  const { raw } = await sessionRig(t, answer(1_000));
  const client = raw();
  client.write(initialWindow(0), open(1, 5));
  await seen(client);
  const before = client.frames.length;
  client.write(initialWindow(10_000));
  t.equal(await client.outcome(1), "ok");
  t.same(
    client.frames.slice(before).map(({ type }) => type),
    [SETTINGS, DATA, HEADERS],
  );
});

t.test("close lets streams under way end, and takes no more", async (t) => {
  const streams: Http2Stream[] = [];
  const { raw, sessions, closed } = await sessionRig(t, (stream) => streams.push(stream));
  const client = raw();
  client.write(open(1, 5));
  await seen(client);
  sessions[0]?.close();
  await client.until(({ type }) => type === GOAWAY);
  client.write(open(3, 5));
  await seen(client);
  t.equal(streams.length, 1);
  streams[0]?.respond(OK);
  streams[0]?.end(DONE);
  t.equal(await client.outcome(1), "goaway 0");
  await client.untilClosed();
  t.ok(
    client.frames.some(
      ({ type, streamId, flags }) => type === HEADERS && streamId === 1 && flags === 5,
    ),
  );
  while (closed() === 0) await new Promise((resolve) => setImmediate(resolve));
  const idle = raw();
  await idle.until(({ type }) => type === SETTINGS);
  sessions[1]?.close();
  await idle.untilClosed();
});
