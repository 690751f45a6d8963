/** What breaks RFC 9113, rule by rule: how the server says so, and that nothing else suffers. */
import t from "tap";
import {
  CONTINUATION,
  DATA,
  Encoder,
  GOAWAY,
  HEADERS,
  type Header,
  INCREMENTAL,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  frame,
  integer,
  request,
} from "./raw-client.ts";
import { block, number, open, setting } from "./client-frames.ts";
import { sessionRig } from "./session-rig.ts";

const EMPTY = Buffer.alloc(0);
const PRIORITY = 2;
const PUSH_PROMISE = 5;

/** A request whose headers are these behind the pseudo-headers. */
function withFields(...fields: readonly Header[]): Buffer {
  return open(1, 5, block([...request("/a", "localhost"), ...fields]));
}

const PSEUDO = request("/a", "localhost").slice(0, 4);
const half = block().subarray(0, 8);
const rest = block().subarray(8);

const ROWS: readonly (readonly [name: string, bytes: Buffer, outcome: string])[] = [
  ["a request", Buffer.concat([open(1), frame(DATA, 1, 1, Buffer.from("hi"))]), "ok"],
  ["a request without a body", open(1, 5), "ok"],
  ["trailers of a request", Buffer.concat([open(1), open(1, 5, block([["x", "y"]]))]), "ok"],
  ["padding", Buffer.concat([open(1), frame(DATA, 9, 1, Buffer.from([2, 65, 0, 0]))]), "ok"],
  ["padding and nothing else", Buffer.concat([open(1), frame(DATA, 9, 1, Buffer.of(0))]), "ok"],
  ["a priority", open(1, 0x25, Buffer.concat([Buffer.from([0, 0, 0, 0, 9]), block()])), "ok"],
  [
    "a frame of an unknown type",
    Buffer.concat([frame(99, 255, 0, Buffer.alloc(9)), open(1, 5)]),
    "ok",
  ],
  ["an unknown setting", Buffer.concat([frame(SETTINGS, 0, 0, setting(99, 1)), open(1, 5)]), "ok"],
  ["unknown flags", open(1, 5 | 0xc0), "ok"],
  [
    "an acknowledgement that nobody asked for",
    Buffer.concat([frame(PING, 1, 0, Buffer.alloc(8)), open(1, 5)]),
    "ok",
  ],
  [
    "PRIORITY of a stream to come",
    Buffer.concat([frame(PRIORITY, 0, 7, Buffer.alloc(5)), open(1, 5)]),
    "ok",
  ],
  [
    "the client's GOAWAY",
    Buffer.concat([open(1), frame(GOAWAY, 0, 0, Buffer.alloc(8)), frame(DATA, 1, 1, EMPTY)]),
    "ok",
  ],
  [
    "WINDOW_UPDATE and RST_STREAM behind the end",
    Buffer.concat([
      open(1, 5),
      frame(WINDOW_UPDATE, 0, 1, number(1)),
      frame(RST_STREAM, 0, 1, number(0)),
    ]),
    "ok",
  ],
  [
    "content-length that is right",
    Buffer.concat([
      open(1, 4, block([...request("/a"), ["content-length", "2"]])),
      frame(DATA, 1, 1, Buffer.from("hi")),
    ]),
    "ok",
  ],
  ["a header whose value is content-length", withFields(["x", "content-length"]), "ok"],
  ["te: trailers", withFields(["te", "trailers"]), "ok"],
  ["any byte above 127 in a value", withFields(["x", "\xff\x80"]), "ok"],

  ["DATA on stream 0", frame(DATA, 0, 0, EMPTY), "goaway 1"],
  ["DATA on a stream nobody opened", frame(DATA, 0, 1, EMPTY), "goaway 1"],
  [
    "DATA behind the end",
    Buffer.concat([
      open(1),
      frame(DATA, 1, 1, EMPTY),
      frame(DATA, 0, 1, EMPTY),
      frame(PING, 0, 0, Buffer.alloc(8)),
    ]),
    "ok",
  ],
  [
    "padding as long as the frame",
    Buffer.concat([open(1), frame(DATA, 8, 1, Buffer.from([4, 1, 2, 3]))]),
    "goaway 1",
  ],
  ["HEADERS on stream 0", open(0), "goaway 1"],
  ["an even stream", open(2), "goaway 1"],
  ["padding of HEADERS as long as the frame", open(1, 0xd, Buffer.of(9, 1)), "goaway 1"],
  ["a priority that is cut off", open(1, 0x25, Buffer.of(0, 0)), "goaway 1"],
  [
    "a stream that depends on itself",
    open(1, 0x25, Buffer.concat([Buffer.from([0, 0, 0, 1, 9]), block()])),
    "goaway 1",
  ],
  ["CONTINUATION alone", frame(CONTINUATION, 4, 1, block()), "goaway 1"],
  [
    "CONTINUATION behind END_HEADERS",
    Buffer.concat([open(1), frame(CONTINUATION, 4, 1, EMPTY)]),
    "goaway 1",
  ],
  [
    "DATA within a header block",
    Buffer.concat([open(1, 0, half), frame(DATA, 0, 1, EMPTY)]),
    "goaway 1",
  ],
  [
    "PING within a header block",
    Buffer.concat([open(1, 0, half), frame(PING, 0, 0, Buffer.alloc(8))]),
    "goaway 1",
  ],
  ["HEADERS within a header block", Buffer.concat([open(1, 0, half), open(3)]), "goaway 1"],
  [
    "an unknown frame within a header block",
    Buffer.concat([open(1, 0, half), frame(99, 0, 0, EMPTY)]),
    "goaway 1",
  ],
  [
    "CONTINUATION of another stream",
    Buffer.concat([open(1, 1, half), frame(CONTINUATION, 4, 3, rest)]),
    "goaway 1",
  ],
  [
    "a header block without an end",
    Buffer.concat([
      open(1, 0),
      ...Array<Buffer>(6).fill(frame(CONTINUATION, 0, 1, Buffer.alloc(16_000, 0x82))),
    ]),
    "goaway 11",
  ],
  [
    "a header block in sixty-five pieces",
    Buffer.concat([
      open(1, 0),
      ...Array<Buffer>(64).fill(frame(CONTINUATION, 0, 1, Buffer.of(0x82))),
    ]),
    "goaway 11",
  ],
  ["SETTINGS on a stream", frame(SETTINGS, 0, 1, EMPTY), "goaway 1"],
  ["SETTINGS of five bytes", frame(SETTINGS, 0, 0, Buffer.alloc(5)), "goaway 6"],
  ["an acknowledgement with settings", frame(SETTINGS, 1, 0, setting(3, 1)), "goaway 6"],
  ["ENABLE_PUSH of 2", frame(SETTINGS, 0, 0, setting(2, 2)), "goaway 1"],
  ["a window of 2^31", frame(SETTINGS, 0, 0, setting(4, 2 ** 31)), "goaway 3"],
  ["MAX_FRAME_SIZE of 16,383", frame(SETTINGS, 0, 0, setting(5, 16_383)), "goaway 1"],
  ["MAX_FRAME_SIZE of 2^24", frame(SETTINGS, 0, 0, setting(5, 2 ** 24)), "goaway 1"],
  ["PING on a stream", frame(PING, 0, 1, Buffer.alloc(8)), "goaway 1"],
  ["PING of seven bytes", frame(PING, 0, 0, Buffer.alloc(7)), "goaway 6"],
  ["GOAWAY on a stream", frame(GOAWAY, 0, 1, Buffer.alloc(8)), "goaway 1"],
  ["GOAWAY of seven bytes", frame(GOAWAY, 0, 0, Buffer.alloc(7)), "goaway 6"],
  ["PUSH_PROMISE", frame(PUSH_PROMISE, 4, 1, Buffer.alloc(4)), "goaway 1"],
  ["PRIORITY on stream 0", frame(PRIORITY, 0, 0, Buffer.alloc(5)), "goaway 1"],
  ["RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, number(8)), "goaway 1"],
  ["RST_STREAM of a stream nobody opened", frame(RST_STREAM, 0, 1, number(8)), "goaway 1"],
  [
    "RST_STREAM of three bytes",
    Buffer.concat([open(1), frame(RST_STREAM, 0, 1, Buffer.alloc(3))]),
    "goaway 6",
  ],
  ["WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3)), "goaway 6"],
  ["WINDOW_UPDATE by nothing", frame(WINDOW_UPDATE, 0, 0, number(0)), "goaway 1"],
  ["WINDOW_UPDATE of a stream nobody opened", frame(WINDOW_UPDATE, 0, 1, number(1)), "goaway 1"],
  [
    "a connection's window above 31 bits",
    frame(WINDOW_UPDATE, 0, 0, number(0x7fffffff)),
    "goaway 3",
  ],
  ["a frame above 16,384 bytes", open(1, 5, Buffer.alloc(16_385)), "goaway 6"],
  [
    "a frame of an unknown type above 16,384 bytes",
    frame(99, 0, 0, Buffer.alloc(20_000)),
    "goaway 6",
  ],
  ["an older stream that was never opened", Buffer.concat([open(5), open(3)]), "goaway 5"],

  ["index 0", open(1, 5, Buffer.of(0x80)), "goaway 9"],
  ["index beyond the tables", open(1, 5, Buffer.of(0xfe)), "goaway 9"],
  ["name index beyond the tables", open(1, 5, Buffer.from([0x7e, 1, 97])), "goaway 9"],
  ["an integer without an end", open(1, 5, Buffer.alloc(20, 0xff)), "goaway 9"],
  ["a string longer than the block", open(1, 5, Buffer.from([0, 20, 97])), "goaway 9"],
  ["Huffman padding", open(1, 5, Buffer.from([0, 0x81, 0x00, 1, 97])), "goaway 9"],
  ["a table above the announced size", open(1, 5, integer(4097, 5, 0x20)), "goaway 9"],
  ["a size update behind a header", open(1, 5, Buffer.from([0x83, 0x20])), "goaway 9"],
  [
    "a byte that stands for a whole table entry",
    open(
      1,
      5,
      Buffer.concat([
        block(),
        new Encoder().encode(["x", "v".repeat(3000)], INCREMENTAL),
        Buffer.alloc(10_000, 0x80 | 62),
      ]),
    ),
    "reset 11",
  ],

  [
    "PRIORITY of four bytes",
    Buffer.concat([open(1), frame(PRIORITY, 0, 1, Buffer.alloc(4))]),
    "reset 6",
  ],
  [
    "PRIORITY on itself",
    Buffer.concat([open(1), frame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 1, 0]))]),
    "reset 1",
  ],
  [
    "a stream's window grows by nothing",
    Buffer.concat([open(1), frame(WINDOW_UPDATE, 0, 1, number(0))]),
    "reset 1",
  ],
  [
    "a stream's window above 31 bits",
    Buffer.concat([open(1), frame(WINDOW_UPDATE, 0, 1, number(0x7fffffff))]),
    "reset 3",
  ],
  [
    "trailers without the end",
    Buffer.concat([open(1), open(1, 4, block([["x", "y"]]))]),
    "reset 1",
  ],
  ["trailers with a pseudo-header", Buffer.concat([open(1), open(1, 5)]), "reset 1"],
  [
    "content-length that is too large",
    Buffer.concat([
      open(1, 4, block([...request("/a"), ["content-length", "3"]])),
      frame(DATA, 1, 1, Buffer.from("hi")),
    ]),
    "reset 1",
  ],
  [
    "content-length that is too small",
    Buffer.concat([
      open(1, 4, block([...request("/a"), ["content-length", "1"]])),
      frame(DATA, 1, 1, Buffer.from("hi")),
    ]),
    "reset 1",
  ],
  ["content-length without a body", withFields(["content-length", "1"]), "reset 1"],
  ["content-length that is none", withFields(["content-length", "two"]), "reset 1"],
  ["upper case", withFields(["X", "y"]), "reset 1"],
  ["a blank in a name", withFields(["x y", "z"]), "reset 1"],
  ["an empty name", withFields(["", "z"]), "reset 1"],
  ["NUL in a value", withFields(["x", "a\0b"]), "reset 1"],
  ["a line break in a value", withFields(["x", "a\r\nb: c"]), "reset 1"],
  ["a blank in front of a value", withFields(["x", " y"]), "reset 1"],
  ["a tab behind a value", withFields(["x", "y\t"]), "reset 1"],
  ["connection", withFields(["connection", "close"]), "reset 1"],
  ["keep-alive", withFields(["keep-alive", "1"]), "reset 1"],
  ["proxy-connection", withFields(["proxy-connection", "1"]), "reset 1"],
  ["transfer-encoding", withFields(["transfer-encoding", "chunked"]), "reset 1"],
  ["upgrade", withFields(["upgrade", "h2c"]), "reset 1"],
  ["te: gzip", withFields(["te", "gzip"]), "reset 1"],
  ["an unknown pseudo-header", open(1, 5, block([...PSEUDO, [":x", "y"]])), "reset 1"],
  ["an answer's pseudo-header", open(1, 5, block([...PSEUDO, [":status", "200"]])), "reset 1"],
  ["a pseudo-header behind a header", withFields([":path", "/b"]), "reset 1"],
  ["a pseudo-header twice", open(1, 5, block([...PSEUDO, [":path", "/b"]])), "reset 1"],
  ["an empty path", open(1, 5, block(request("", "a"))), "reset 1"],
  ...([":method", ":scheme", ":path"] as const).map(
    (name) =>
      [`no ${name}`, open(1, 5, block(PSEUDO.filter(([n]) => n !== name))), "reset 1"] as const,
  ),
  ["a line break in the path", open(1, 5, block(request("/a\nb", "a"))), "reset 1"],
  [
    "129 headers",
    withFields(...Array.from({ length: 123 }, (_, i): Header => [`x${i}`, "y"])),
    "reset 11",
  ],
  [
    "headers above 32 KiB",
    open(
      1,
      5,
      Buffer.concat([
        block(),
        new Encoder().encode(["x", "v".repeat(3000)], INCREMENTAL),
        Buffer.alloc(10, 0x80 | 62),
      ]),
    ),
    "reset 11",
  ],
];

t.test("each rule", async (t) => {
  const { raw, violations, sessions, closed } = await sessionRig(t);
  const beside = raw();
  for (const [at, [name, bytes, outcome]] of ROWS.entries()) {
    const client = raw();
    await client.until(({ type }) => type === SETTINGS);
    client.write(bytes);
    t.equal(await client.outcome(1), outcome, name);
    if (outcome.startsWith("goaway")) await client.untilClosed();
    client.destroy();
    const id = 2 * at + 1;
    beside.write(frame(HEADERS, 5, id, block()));
    t.equal(await beside.outcome(id), "ok", `${name}: another connection goes on`);
  }
  t.equal(violations.length, ROWS.filter(([, , outcome]) => outcome.startsWith("goaway")).length);
  while (closed() < ROWS.length) await new Promise((resolve) => setImmediate(resolve));
  t.equal(
    sessions.reduce((sum, { streams }) => sum + streams, 0),
    0,
    "no stream is left",
  );
});

t.test("GOAWAY says which rule was broken", async (t) => {
  const { raw } = await sessionRig(t);
  const client = raw();
  client.write(frame(SETTINGS, 0, 1, EMPTY));
  const last = await client.until(({ type }) => type === GOAWAY);
  t.equal(last?.payload.subarray(8).toString(), "SETTINGS has no stream");
});

t.test("what is no HTTP/2 from the first byte", async (t) => {
  const { silent } = await sessionRig(t);
  const rows: readonly (readonly [string, Buffer])[] = [
    ["HTTP/1.1", Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n")],
    ["a preface with one wrong byte", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX")],
    ["TLS", Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5])],
    ["a preface, then HEADERS", Buffer.concat([PREFACE, open(1)])],
    ["a preface, then an acknowledgement", Buffer.concat([PREFACE, frame(SETTINGS, 1, 0, EMPTY)])],
  ];
  for (const [name, bytes] of rows) {
    const client = silent();
    client.acknowledge = false;
    client.write(bytes);
    await client.untilClosed();
    t.notOk(
      client.frames.some(({ type }) => type === HEADERS),
      name,
    );
  }
});

t.test("the connection's last word names the last stream", async (t) => {
  const { raw } = await sessionRig(t);
  const client = raw();
  client.write(open(1, 5), open(9, 5), frame(DATA, 0, 0, EMPTY));
  const goaway = await client.until(({ type }) => type === GOAWAY);
  t.equal(goaway?.payload.readUInt32BE(0), 9);
});

t.test("a client with a smaller header table is told that none is used", async (t) => {
  const { raw } = await sessionRig(t);
  const client = raw();
  client.write(frame(SETTINGS, 0, 0, setting(1, 0)), open(1, 5), open(3, 5));
  t.equal(await client.outcome(3), "ok");
  const answers = client.frames.filter(({ type }) => type === HEADERS);
  t.equal(answers[0]?.payload[0], 0x20, "a size update to 0 first");
  t.equal(answers.filter(({ payload }) => payload[0] === 0x20).length, 1, "once");
});

t.test("a client that says goodbye with nothing open is let go at once", async (t) => {
  const { raw, closed } = await sessionRig(t);
  const client = raw();
  client.write(open(1, 5));
  t.equal(await client.outcome(1), "ok");
  client.write(frame(PING, 0, 0, Buffer.alloc(8)), frame(GOAWAY, 0, 0, Buffer.alloc(8)));
  await client.untilClosed();
  t.notOk(
    client.frames.some(({ type }) => type === PING || type === GOAWAY),
    "without a word",
  );
  t.equal(closed(), 1);
});

t.test("what a client had sent before it knew that its stream was reset", async (t) => {
  const { raw } = await sessionRig(t, (stream) => stream.reset(7));
  const client = raw();
  client.write(open(1));
  t.equal(await client.outcome(1), "reset 7");
  client.write(
    frame(DATA, 0, 1, Buffer.from("late")),
    open(1, 5, block([["x", "y"]])),
    frame(WINDOW_UPDATE, 0, 1, number(9)),
    frame(PING, 0, 0, Buffer.alloc(8)),
  );
  t.ok(await client.until(({ type }) => type === PING));
  t.equal(client.frames.filter(({ type }) => type === RST_STREAM || type === GOAWAY).length, 1);
});

t.test("a reset is remembered as long as so many streams may be open", async (t) => {
  const { raw } = await sessionRig(t, (stream) => stream.reset(7), { maxStreams: 300 });
  const client = raw();
  const ids = Array.from({ length: 300 }, (_, i) => 2 * i + 1);
  client.write(...ids.map((id) => open(id)));
  t.equal(await client.outcome(599), "reset 7");
  client.write(open(1, 5, block([["x", "y"]])), frame(PING, 0, 0, Buffer.alloc(8)));
  t.ok(await client.until(({ type }) => type === PING), "late trailers of the oldest");
  t.notOk(client.frames.some(({ type }) => type === GOAWAY));
});

t.test("what is wrong with an open stream ends it", async (t) => {
  const { raw, sessions } = await sessionRig(t);
  for (const payload of [Buffer.alloc(4), Buffer.from([0, 0, 0, 1, 0])]) {
    const client = raw();
    client.write(open(1), frame(PRIORITY, 0, 1, payload));
    t.match(await client.outcome(1), /^reset/);
    t.equal(sessions.at(-1)?.streams, 0);
  }
});

t.test("the last stream that GOAWAY names does not rise", async (t) => {
  const { raw, sessions } = await sessionRig(t, (stream) => stream.respond(new Uint8Array(0)));
  const client = raw();
  client.write(open(1), frame(PING, 0, 0, Buffer.alloc(8)));
  await client.until(({ type }) => type === PING);
  sessions[0]?.close();
  client.write(open(7), frame(DATA, 0, 0, EMPTY));
  await client.untilClosed();
  const named = client.frames.filter(({ type }) => type === GOAWAY);
  t.same(
    named.map(({ payload }) => payload.readUInt32BE(0)),
    [1, 1],
  );
});
