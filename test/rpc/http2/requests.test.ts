import { type Server, createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import t, { type Test } from "tap";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { encodeFrame } from "../../../src/rpc/grpc/frame.ts";
import { SocketGrpcServer } from "../../../src/rpc/grpc/server.ts";
import type { Http2Stream } from "../../../src/rpc/http2/stream.ts";
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
  RawClient,
  SETTINGS,
  frame,
  integer,
  message,
  request,
} from "./raw-client.ts";
import { echo, sessionRig } from "./session-rig.ts";

const PATH = "/S/Echo";
const EMPTY = Buffer.alloc(0);

const token = fc.stringMatching(/^x-[a-z]{0,6}$/);
const value = fc.stringMatching(/^[a-z0-9]{0,40}$/);
const form: fc.Arbitrary<Form> = fc.record({
  as: fc.constantFrom("index", "incremental", "incremental", "plain", "never"),
  coded: fc.boolean(),
  nameIndex: fc.boolean(),
});
const authority = fc.constantFrom("/run/agent.sock", "", "localhost", "a|b", "\xff", undefined);

/** Sessions that keep what headers their streams had. */
async function seeing(t: Test, answer: (stream: Http2Stream) => void) {
  const seen: (readonly string[])[] = [];
  const rig = await sessionRig(t, (stream) => {
    seen.push(stream.fields);
    answer(stream);
  });
  return { ...rig, seen };
}

const refuse = (stream: Http2Stream): void => stream.reset();

/** Node's own client, and what its requests brought. */
async function nodeClient(t: Test) {
  const { path, seen } = await seeing(t, echo);
  const session = connectHttp2("http://localhost", { createConnection: () => connect(path) });
  t.teardown(() => session.destroy());
  return { session, seen };
}

t.test("every request has the headers that its client encoded, however", async (t) => {
  const { raw, seen } = await seeing(t, refuse);
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
        seen.length = 0;
        const encoder = new Encoder();
        const wanted: string[][] = [];
        const parts: Buffer[] = [];
        requests.forEach((one, at) => {
          const headers = [...request(PATH, one.authority), ...one.own];
          wanted.push(headers.flat());
          const resize = one.resize === undefined ? EMPTY : encoder.resize(one.resize);
          const block = encoder.block(headers, (i) => one.forms[i] ?? PLAIN);
          parts.push(...headerFrames(2 * at + 1, Buffer.concat([resize, block]), one));
        });
        const bytes = Buffer.concat([...parts, frame(PING, 0, 0, Buffer.alloc(8))]);
        const client = raw();
        for (let i = 0; i < bytes.length; i += pieceLength) {
          client.write(bytes.subarray(i, i + pieceLength));
        }
        await client.until(({ type }) => type === PING);
        client.destroy();
        t.same(seen, wanted);
      },
    ),
    { seed: 1, numRuns: 60 },
  );
});

t.test("the table cycles over hundreds of requests", async (t) => {
  const { raw, seen } = await seeing(t, refuse);
  const encoder = new Encoder();
  const parts: Buffer[] = [];
  const wanted: string[][] = [];
  for (let i = 0; i < 600; i++) {
    const headers: Header[] = [
      ...request(PATH, "/run/agent.sock"),
      ["x-n", `${"v".repeat(i % 97)}${i}`],
    ];
    wanted.push(headers.flat());
    const block = encoder.block(headers, (at) => ({ ...INDEX, coded: (i + at) % 3 === 0 }));
    parts.push(frame(HEADERS, 5, 2 * i + 1, block));
  }
  const client = raw();
  client.write(...parts, frame(PING, 0, 0, Buffer.alloc(8)));
  await client.until(({ type }) => type === PING);
  t.same(seen, wanted);
});

t.test("what Node's client encodes and reads", async (t) => {
  const { session, seen } = await nodeClient(t);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(token, fc.stringMatching(/^[!-~]{1,60}$/)), { maxLength: 20 }),
      fc.integer({ min: 0, max: 200_000 }),
      async (own, bytes) => {
        seen.length = 0;
        const body = Buffer.alloc(bytes, own.length + 1);
        const headers = Object.fromEntries(own);
        const answer = await exchange(session, headers, body);
        t.equal(answer.status, 200);
        t.equal(answer.done, "yes", "trailers");
        t.ok(answer.body.equals(body), `${bytes} bytes there and back`);
        const fields = new Map<string, string>();
        for (let i = 0; i < (seen[0]?.length ?? 0); i += 2) {
          fields.set(seen[0]?.[i] ?? "", seen[0]?.[i + 1] ?? "");
        }
        for (const [name, value] of Object.entries(headers)) t.equal(fields.get(name), value);
      },
    ),
    { seed: 1, numRuns: 60 },
  );
});

t.test("names of the static table, as Node's client indexes them", async (t) => {
  const { session, seen } = await nodeClient(t);
  const headers = Object.fromEntries(
    STATIC_NAMES.split(" ").map((name, at) => [name, `value-${at}`]),
  );
  // Twice: the second time from the dynamic table.
  for (let round = 0; round < 2; round++) {
    t.equal((await exchange(session, headers, EMPTY)).status, 200);
    const fields = seen[round] ?? [];
    for (const [name, value] of Object.entries(headers)) {
      t.equal(fields[fields.indexOf(name) + 1], value, `${name}, round ${round}`);
    }
  }
});

/** RFC 7541 appendix A without pseudo-headers and those that a request may not have. */
const STATIC_NAMES =
  "accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow " +
  "authorization cache-control content-disposition content-encoding content-language content-location " +
  "content-range content-type date etag expect expires from if-match if-modified-since if-none-match if-range " +
  "if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range " +
  "referer refresh retry-after server strict-transport-security user-agent vary via www-authenticate";

function exchange(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<{ status: unknown; done: unknown; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": "/a", ...headers });
    let status: unknown;
    let done: unknown;
    const chunks: Buffer[] = [];
    stream.on("response", (fields) => (status = fields[":status"]));
    stream.on("trailers", (fields) => (done = fields["done"]));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => resolve({ status, done, body: Buffer.concat(chunks) }));
    stream.end(body);
  });
}

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

async function withServer(run: (path: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "h2-"));
  const path = join(dir, "s");
  const server = new SocketGrpcServer<undefined>({ clock: systemClock, logger: silentLogger });
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
      // Every SETTINGS frame that came has one acknowledgement; one too many is passed over.
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

t.test("a thousand calls on one connection, with a path as authority", async (t) => {
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
