import { type ServiceError, Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import t from "tap";
import { fail } from "../../../src/base/errors.ts";
import { MessageAssembler, encodeFrame, ownMessageOf } from "../../../src/rpc/grpc/frame.ts";
import { MAX_REQUEST_BYTES } from "../../../src/rpc/grpc/limits.ts";
import { parseGrpcTimeout } from "../../../src/rpc/grpc/request-headers.ts";
import { encodeStatusMessage } from "../../../src/rpc/grpc/status-headers.ts";
import { settle } from "../../support/virtual-clock.ts";
import {
  type Header,
  DATA,
  Encoder,
  HEADERS,
  PLAIN,
  frame,
  message,
  request,
} from "../http2/raw-client.ts";
import { ask, echo, refusal, rig, same, unary } from "./rig.ts";

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
  t.equal(encodeStatusMessage("  a b "), "%20%20a b%20");
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

t.test("a message does not keep the buffer that it was read into", (t) => {
  const read = Buffer.alloc(65_536);
  const small = encodeFrame(Buffer.from("small"));
  read.set(small, 9);
  const frame = read.subarray(9, 9 + small.length);
  t.ok(ownMessageOf(frame).buffer.byteLength < 100);
  t.equal(Buffer.from(ownMessageOf(frame)).toString(), "small");
  const got: Uint8Array[] = [];
  new MessageAssembler((message) => got.push(message)).push(frame);
  t.ok((got[0]?.buffer.byteLength ?? 0) < 100, "from an assembler");
  t.equal(ownMessageOf(small).buffer, small.buffer, "its own is no copy");
  t.end();
});

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
