import { performServerHandshake } from "node:http2";
import { type Server, createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import fc from "fast-check";
import t from "tap";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { FrameRewriter } from "../../../src/rpc/h2/authority/frame-rewriter.ts";
import { encodeFrame } from "../../../src/rpc/h2/frame.ts";
import { H2GrpcServer } from "../../../src/rpc/h2/server.ts";
import {
  CONTINUATION,
  DATA,
  Encoder,
  type Form,
  GOAWAY,
  HEADERS,
  type Header,
  INCREMENTAL,
  INDEX,
  PING,
  PLAIN,
  PREFACE,
  RawClient,
  SETTINGS,
  frame,
  integer,
  message,
  request,
  splitFrames,
} from "./raw-client.ts";

const PATH = "/S/Echo";
const EMPTY = Buffer.alloc(0);
const HELLO = Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, EMPTY)]);

/** Feeds `bytes` cut as told through a rewriter into nghttp2; resolves with the headers of each request, and GOAWAY's code. */
async function throughNghttp2(
  pieces: readonly Uint8Array[],
  requests: number,
  rewrite = true,
): Promise<{ headers: Header[][]; goaway: number | undefined }> {
  const [near, far] = duplexPair();
  const headers: Header[][] = [];
  const session = performServerHandshake(far);
  let rest: Buffer = Buffer.alloc(0);
  let goaway: number | undefined;
  await new Promise<void>((resolve) => {
    session.on("error", () => undefined);
    session.on("close", resolve);
    session.on("stream", (stream, _headers, _flags, raw: unknown) => {
      const flat = raw as string[];
      stream.on("error", () => undefined);
      headers.push(
        Array.from({ length: flat.length / 2 }, (_, i) => [
          flat[2 * i] ?? "",
          flat[2 * i + 1] ?? "",
        ]),
      );
      stream.respond({ ":status": 200 }, { endStream: true });
      if (headers.length === requests) resolve();
    });
    near.on("data", (chunk: Buffer) => {
      const split = splitFrames(Buffer.concat([rest, chunk]));
      rest = split.rest;
      for (const { type, payload } of split.frames) {
        if (type !== GOAWAY) continue;
        goaway = payload.readUInt32BE(4);
        resolve();
      }
    });
    const rewriter = new FrameRewriter({ dropSettingsAck: false });
    for (const piece of pieces) {
      for (const out of rewrite ? rewriter.push(piece) : [piece]) near.write(out);
    }
  });
  session.destroy();
  return { headers, goaway };
}

const token = fc.stringMatching(/^x-[a-z]{0,6}$/);
const value = fc.stringMatching(/^[a-z0-9]{0,40}$/);
const form: fc.Arbitrary<Form> = fc.record({
  as: fc.constantFrom("index", "incremental", "incremental", "plain", "never"),
  coded: fc.boolean(),
  nameIndex: fc.boolean(),
});
const authority = fc.constantFrom("/run/agent.sock", "", "localhost", "a|b", "\xff", undefined);

t.test("every request keeps its headers but for the authority", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          authority,
          own: fc.array(fc.tuple(token, value), { maxLength: 6 }),
          forms: fc.array(form, { minLength: 12, maxLength: 12 }),
          padding: fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined }),
          priority: fc.boolean(),
          cuts: fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 3 }),
          resize: fc.option(fc.integer({ min: 0, max: 4096 }), { nil: undefined, freq: 4 }),
        }),
        { minLength: 1, maxLength: 40 },
      ),
      fc.integer({ min: 1, max: 300 }),
      async (requests, pieceLength) => {
        const encoder = new Encoder();
        const wanted: Header[][] = [];
        const parts: Buffer[] = [HELLO];
        requests.forEach((one, at) => {
          const headers = [...request(PATH, one.authority), ...one.own];
          const legal = one.authority === "localhost";
          wanted.push([
            ...(one.authority === undefined ? ([[":authority", "localhost"]] as Header[]) : []),
            ...headers.map(
              ([n, v]): Header => (n === ":authority" && !legal ? [n, "localhost"] : [n, v]),
            ),
          ]);
          const resize = one.resize === undefined ? EMPTY : encoder.resize(one.resize);
          const block = encoder.block(headers, (i) => one.forms[i] ?? PLAIN);
          parts.push(...headerFrames(2 * at + 1, Buffer.concat([resize, block]), one));
        });
        const bytes = Buffer.concat(parts);
        const pieces: Buffer[] = [];
        for (let i = 0; i < bytes.length; i += pieceLength)
          pieces.push(bytes.subarray(i, i + pieceLength));
        const { headers } = await throughNghttp2(pieces, requests.length);
        t.same(headers, wanted);
      },
    ),
    { seed: 1, numRuns: 60 },
  );
});

interface Framing {
  readonly padding: number | undefined;
  readonly priority: boolean;
  readonly cuts: readonly number[];
}

/** HEADERS with END_STREAM and a CONTINUATION for each cut. */
function headerFrames(streamId: number, block: Buffer, framing: Framing): Buffer[] {
  const cuts = [...framing.cuts.map((cut) => Math.min(cut, block.length)), block.length].sort(
    (a, b) => a - b,
  );
  let from = 0;
  return cuts.map((cut, i) => {
    const part = block.subarray(from, cut);
    from = cut;
    const last = i === cuts.length - 1 ? 0x4 : 0;
    if (i > 0) return frame(CONTINUATION, last, streamId, part);
    const { padding, priority } = framing;
    const payload = Buffer.concat([
      padding === undefined ? EMPTY : Buffer.of(padding),
      priority ? Buffer.from([0, 0, 0, 0, 15]) : EMPTY,
      part,
      Buffer.alloc(padding ?? 0),
    ]);
    const flags = 0x1 | last | (padding === undefined ? 0 : 0x8) | (priority ? 0x20 : 0);
    return frame(HEADERS, flags, streamId, payload);
  });
}

t.test("the table cycles over hundreds of requests", async (t) => {
  const encoder = new Encoder();
  const parts: Buffer[] = [HELLO];
  const wanted: Header[][] = [];
  for (let i = 0; i < 600; i++) {
    const headers = [
      ...request(PATH, "/run/agent.sock"),
      ["x-n", `${"v".repeat(i % 97)}${i}`],
    ] as Header[];
    wanted.push(headers.map(([n, v]) => (n === ":authority" ? [n, "localhost"] : [n, v])));
    const block = encoder.block(headers, (at) => ({ ...INDEX, coded: (i + at) % 3 === 0 }));
    parts.push(frame(HEADERS, 5, 2 * i + 1, block));
  }
  // In runs: nghttp2 refuses more open streams than it announces.
  const { headers, goaway } = await throughNghttp2(parts, 600);
  t.equal(goaway, undefined);
  t.same(headers, wanted);
});

t.test("the static table is nghttp2's", async (t) => {
  for (let index = 15; index <= 61; index++) {
    const block = new Encoder().block(request(PATH, "localhost"), PLAIN);
    const pieces = [HELLO, frame(HEADERS, 5, 1, Buffer.concat([block, integer(index, 7, 0x80)]))];
    if (FORBIDDEN.has(index)) continue;
    t.same(await throughNghttp2(pieces, 1), await throughNghttp2(pieces, 1, false), `${index}`);
  }
});

/** content-length (empty), host (empty), transfer-encoding: no request may have them so. */
const FORBIDDEN = new Set([28, 38, 57]);

t.test("malformed HPACK ends the connection with COMPRESSION_ERROR", async (t) => {
  const good = new Encoder().block(request(PATH, "/a"), PLAIN);
  const bad: [string, Buffer][] = [
    ["index 0", Buffer.of(0x80)],
    ["index beyond the tables", Buffer.of(0xfe)],
    ["name index beyond the tables", Buffer.from([0x7e, 1, 97])],
    ["integer without an end", Buffer.alloc(20, 0xff)],
    ["string longer than the block", Buffer.from([0, 20, 97])],
    ["Huffman padding", Buffer.from([0, 0x81, 0x00, 1, 97])],
    ["table above the announced size", integer(4097, 5, 0x20)],
    ["size update after a header", Buffer.from([0x83, 0x20])],
  ];
  for (const [name, block] of bad) {
    const { goaway } = await throughNghttp2(
      [HELLO, frame(HEADERS, 5, 1, good), frame(HEADERS, 5, 3, block)],
      2,
    );
    t.equal(goaway, 9, name);
  }
  const bomb = new Encoder().encode(["x", "v".repeat(3000)], INCREMENTAL);
  const refused = await throughNghttp2(
    [HELLO, frame(HEADERS, 5, 1, Buffer.concat([bomb, Buffer.alloc(10_000, 0x80 | 62)]))],
    1,
  );
  t.equal(refused.goaway, 9, "decompression bomb");
});

t.test("broken framing is nghttp2's to refuse", async (t) => {
  const block = new Encoder().block(request(PATH, "/a"), PLAIN);
  const cases: [string, Buffer, number | undefined][] = [
    ["CONTINUATION alone", frame(CONTINUATION, 4, 1, block), 1],
    [
      "DATA within a header block",
      Buffer.concat([frame(HEADERS, 1, 1, block), frame(DATA, 0, 1, EMPTY)]),
      1,
    ],
    [
      "CONTINUATION of another stream",
      Buffer.concat([frame(HEADERS, 1, 1, block), frame(CONTINUATION, 4, 3, EMPTY)]),
      1,
    ],
    ["padding longer than the frame", frame(HEADERS, 0xd, 1, Buffer.of(9, 1)), 1],
    ["frame above 16,384 bytes", frame(HEADERS, 5, 1, Buffer.alloc(16_385)), 6],
    ["HEADERS on stream 0", frame(HEADERS, 5, 0, block), undefined],
    [
      "a header block without an end",
      Buffer.concat([
        frame(HEADERS, 1, 1, block),
        ...Array(6).fill(frame(CONTINUATION, 0, 1, Buffer.alloc(16_000, 0x82))),
      ]),
      9,
    ],
  ];
  for (const [name, bytes, code] of cases) {
    const { goaway } = await throughNghttp2([HELLO, bytes], 1);
    t.equal(goaway, code, name);
  }
});

async function withServer(run: (path: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "h2-"));
  const path = join(dir, "s");
  const server = new H2GrpcServer<undefined>({ clock: systemClock, logger: silentLogger });
  server.route(PATH, async (call) => {
    call.send(encodeFrame(await call.request()));
  });
  const listener: Server = createServer((socket) => server.attach(socket, undefined));
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  try {
    await run(path);
  } finally {
    listener.close();
    await server.shutdown({ graceMs: 0 });
    rmSync(dir, { recursive: true });
  }
}

const ACK = frame(SETTINGS, 1, 0, EMPTY);
const BODY = frame(DATA, 1, 1, message("hi"));

t.test("first requests as each client sends them", async (t) => {
  await withServer(async (path) => {
    const coded: Form = { ...INCREMENTAL, coded: true };
    const never: Form = { ...PLAIN, as: "never" };
    const rows: [string, Buffer][] = [
      ["legal", new Encoder().block(request(PATH, "localhost"), INCREMENTAL)],
      [
        "path as plain literal, indexed",
        new Encoder().block(request(PATH, "/run/a.sock"), INCREMENTAL),
      ],
      ["path, Huffman", new Encoder().block(request(PATH, "/run/a.sock"), coded)],
      ["path, never indexed", new Encoder().block(request(PATH, "/run/a.sock"), never)],
      [
        "path, name as a literal",
        new Encoder().block(request(PATH, "/a"), { ...PLAIN, nameIndex: false }),
      ],
      ["legal, Huffman", new Encoder().block(request(PATH, "localhost"), coded)],
      ["Envoy's cluster name", new Encoder().block(request(PATH, "a|b"), coded)],
      ["user information", new Encoder().block(request(PATH, "a@b"), coded)],
      ["empty", new Encoder().block(request(PATH, ""), INCREMENTAL)],
      ["empty, from the static table", new Encoder().block(request(PATH, ""), INDEX)],
      ["absent", new Encoder().block(request(PATH), INCREMENTAL)],
      [
        "absent, after a size update",
        Buffer.concat([integer(0, 5, 0x20), new Encoder().block(request(PATH), PLAIN)]),
      ],
      ["host only", new Encoder().block([...request(PATH), ["host", "localhost"]], PLAIN)],
      ["illegal host only", new Encoder().block([...request(PATH), ["host", "/run/a"]], PLAIN)],
      ["legal, empty host", new Encoder().block([...request(PATH, "a"), ["host", ""]], PLAIN)],
    ];
    for (const [name, block] of rows) {
      for (const eager of [true, false]) {
        const client = new RawClient(path);
        client.hello();
        if (!eager) await client.until(({ type }) => type === SETTINGS);
        client.write(frame(HEADERS, 4, 1, block), BODY);
        t.equal(await client.outcome(1), "ok", `${name}${eager ? ", sent at once" : ""}`);
        client.destroy();
      }
    }
  });
});

t.test("a request split at each byte", async (t) => {
  await withServer(async (path) => {
    for (const authority of ["localhost", "/run/a.sock"]) {
      const block = new Encoder().block(request(PATH, authority), { ...INCREMENTAL, coded: true });
      const bytes = Buffer.concat([
        ...headerFrames(1, block, { padding: 3, priority: true, cuts: [] }).map(unended),
        BODY,
      ]);
      for (let at = 0; at <= bytes.length; at++) {
        const client = new RawClient(path);
        client.hello();
        client.acknowledge = false;
        client.write(bytes.subarray(0, at));
        await client.until(({ type }) => type === SETTINGS);
        client.write(bytes.subarray(at), ACK);
        if ((await client.outcome(1)) !== "ok") t.fail(`${authority} split at ${at}`);
        client.destroy();
      }
      for (let at = 0; at <= block.length; at++) {
        const client = new RawClient(path);
        client.hello();
        client.write(
          ...headerFrames(1, block, { padding: undefined, priority: false, cuts: [at] }).map(
            unended,
          ),
          BODY,
        );
        if ((await client.outcome(1)) !== "ok") t.fail(`${authority} continued at ${at}`);
        client.destroy();
      }
      t.pass(authority);
    }
  });
});

/** Without END_STREAM. */
function unended(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  if (copy[3] === HEADERS) copy[4] = (copy[4] ?? 0) & ~1;
  return copy;
}

t.test("a client that acknowledges late keeps its connection", async (t) => {
  await withServer(async (path) => {
    for (const authority of ["localhost", "/run/a.sock"]) {
      const client = new RawClient(path);
      client.acknowledge = false;
      client.hello();
      await client.until(({ type }) => type === SETTINGS);
      const encoder = new Encoder();
      client.write(
        frame(HEADERS, 4, 1, encoder.block(request(PATH, authority), INCREMENTAL)),
        BODY,
      );
      if (authority === "localhost") client.write(frame(SETTINGS, 1, 0, EMPTY));
      t.equal(await client.outcome(1), "ok", authority);
      // Every SETTINGS frame that came has one acknowledgement; nghttp2 would end the connection for one too many.
      const settings = client.frames.filter(
        (f) => f.type === SETTINGS && (f.flags & 1) === 0,
      ).length;
      for (let i = authority === "localhost" ? 1 : 0; i < settings; i++) {
        client.write(frame(SETTINGS, 1, 0, EMPTY));
      }
      client.write(frame(PING, 0, 0, Buffer.alloc(8)));
      t.ok(await client.until(({ type, flags }) => type === PING && flags === 1), "alive");
      t.notOk(client.frames.some(({ type }) => type === GOAWAY));
      client.destroy();
    }
  });
});

t.test("a thousand calls on one mended connection", async (t) => {
  await withServer(async (path) => {
    const client = new RawClient(path);
    client.hello();
    const encoder = new Encoder();
    for (let i = 0; i < 1000; i++) {
      const id = 2 * i + 1;
      const headers: Header[] = [
        ...request(PATH, "/run/a.sock"),
        ["grpc-timeout", `${90_000 + i * 7}m`],
      ];
      client.write(
        frame(HEADERS, 4, id, encoder.block(headers, INDEX)),
        frame(DATA, 1, id, message(`m${i}`)),
      );
      const outcome = await client.outcome(id);
      if (outcome !== "ok") {
        t.fail(`call ${i}: ${outcome}`);
        return;
      }
      client.frames.length = 0;
    }
    t.pass("all answered");
    client.destroy();
  });
});
