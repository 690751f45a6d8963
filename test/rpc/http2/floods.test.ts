/** What is legal and costs the client nothing: how much of it a connection bears, and what ends it. */
import t from "tap";
import { block, number, open, setting } from "./client-frames.ts";
import {
  CONTINUATION,
  DATA,
  GOAWAY,
  PING,
  RST_STREAM,
  SETTINGS,
  frame,
  request,
} from "./raw-client.ts";
import { sessionRig } from "./session-rig.ts";

const EMPTY = Buffer.alloc(0);
const PRIORITY = 2;

t.test("floods of what is legal", async (t) => {
  const rows: readonly (readonly [string, () => Buffer])[] = [
    ["streams opened and reset", pairs],
    ["DATA without a byte", () => Buffer.concat([open(1), repeat(frame(DATA, 0, 1, EMPTY))])],
    [
      "CONTINUATION without a byte",
      () => Buffer.concat([open(1, 0), repeat(frame(CONTINUATION, 0, 1, EMPTY))]),
    ],
    ["PRIORITY", () => repeat(frame(PRIORITY, 0, 1, Buffer.alloc(5)))],
    ["acknowledgements", () => repeat(frame(SETTINGS, 1, 0, EMPTY))],
    ["frames of an unknown type", () => repeat(frame(99, 0, 0, EMPTY))],
    ["GOAWAY", () => Buffer.concat([open(1), repeat(frame(GOAWAY, 0, 0, Buffer.alloc(8)))])],
    ["malformed requests", () => malformed(1_200)],
    ["changes of every stream's window", windows],
  ];
  for (const [name, bytes] of rows) {
    const { raw, violations } = await sessionRig(t);
    const client = raw();
    client.write(bytes());
    const goaway = await client.until(({ type }) => type === GOAWAY);
    t.equal(goaway?.payload.readUInt32BE(4), 11, name);
    await client.untilClosed();
    t.equal(violations.length, 1, `${name}: once`);
  }
  const { raw, sessions } = await sessionRig(t);
  const patient = raw();
  for (let round = 0; round < 3; round++) {
    const opened: Buffer[] = [];
    for (let i = 0; i < 400; i++) {
      const id = 2 * (round * 400 + i) + 1;
      opened.push(open(id), frame(RST_STREAM, 0, id, number(8)));
    }
    patient.write(...opened, frame(PING, 0, 0, Buffer.alloc(8)));
    const seen = round + 1;
    while (patient.frames.filter(({ type }) => type === PING).length < seen) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    sessions[0]?.check();
  }
  t.notOk(patient.closed, "1,200 resets over three sweeps are no flood");
});

t.test("one that asks and does not read", async (t) => {
  const { raw, violations, sessions, closed } = await sessionRig(
    t,
    (stream) => stream.respond(new Uint8Array(0)),
    {
      maxStreams: 1_000_000,
    },
  );
  const client = raw();
  await client.until(({ type }) => type === SETTINGS);
  client.socket.pause();
  const pings = Buffer.concat(Array<Buffer>(5_000).fill(frame(PING, 0, 0, Buffer.alloc(8))));
  while (violations.length === 0) {
    client.write(pings);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.match(violations[0]?.message, /does not read/);
  t.equal(closed(), 0, "its last word may still be read");
  for (let sweep = 0; sweep < 2; sweep++) sessions[0]?.check();
  while (closed() === 0) await new Promise((resolve) => setImmediate(resolve));
});

function pairs(): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < 1_100; i++) {
    parts.push(open(2 * i + 1), frame(RST_STREAM, 0, 2 * i + 1, number(8)));
  }
  return Buffer.concat(parts);
}

function malformed(count: number): Buffer {
  const bad = block([...request("/a"), ["connection", "x"]]);
  return Buffer.concat(Array.from({ length: count }, (_, i) => open(2 * i + 1, 5, bad)));
}

function windows(): Buffer {
  const opened = Array.from({ length: 100 }, (_, i) => open(2 * i + 1));
  const both = [1, 2].map((bytes) => frame(SETTINGS, 0, 0, setting(4, bytes)));
  return Buffer.concat([...opened, ...Array<Buffer[]>(600).fill(both).flat()]);
}

function repeat(one: Buffer): Buffer {
  return Buffer.concat(Array<Buffer>(100_100).fill(one));
}
