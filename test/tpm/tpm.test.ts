/** A TPM that does not do as it should: what comes out of its socket or device is checked, bounded and can be given up. */
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Clock } from "../../src/base/clock.ts";
import { encodeCommand, readBody } from "../../src/tpm/command.ts";
import { isKind } from "../../src/base/errors.ts";
import { parseCertifyStatement } from "../../src/tpm/certify-statement.ts";
import {
  nameOf,
  parsePublicArea,
  parsePublicFile,
  spkiOf,
  withoutLength,
} from "../../src/tpm/public-area.ts";
import { tpmError } from "../../src/tpm/response-code.ts";
import { isSignedBy, parseTpmSignature } from "../../src/tpm/signature.ts";
import { Tpm } from "../../src/tpm/tpm.ts";
import { openTpm } from "../../src/tpm/transport.ts";
import { sized, u16, u32 } from "../../src/tpm/wire.ts";
import { damaged } from "../support/damaged.ts";
import {
  attestationKey,
  devidKey,
  endorsementKey,
  newEcc,
  newRsa,
  signatureOf,
  statementOf,
} from "../support/devid-host.ts";
import { refused } from "../support/refused.ts";

/** Short waits are over at once, long ones when a test says so. */
class TpmClock implements Clock {
  readonly #long = new Map<() => void, number>();

  nowMs(): number {
    return 0;
  }

  after(delayMs: number, task: () => void): () => void {
    if (delayMs >= 60_000) {
      this.#long.set(task, delayMs);
      return () => this.#long.delete(task);
    }
    const handle = setImmediate(task);
    return () => clearImmediate(handle);
  }

  /** The long waits that were over. */
  pass(): number[] {
    const passed = [...this.#long];
    for (const [task] of passed) task();
    return passed.map(([, delayMs]) => delayMs);
  }
}

// Short: there is a limit for the paths of sockets.
const dir = mkdtempSync(join(tmpdir(), "assay-tpm-"));
t.teardown(() => rmSync(dir, { recursive: true }));
let sockets = 0;

type Answer = (socket: Socket, command: Buffer) => void;

/** Answers each command with what the list has next. */
async function tpmThat(t: Test, ...answers: readonly Answer[]) {
  const path = join(dir, `${(sockets += 1)}.sock`);
  const commands: Buffer[] = [];
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (command: Buffer) => answers[commands.push(command) - 1]?.(socket, command));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const stop = new AbortController();
  const clock = new TpmClock();
  const tpm = new Tpm(await openTpm(`unix:${path}`, stop.signal), clock, stop.signal);
  t.teardown(() => tpm[Symbol.asyncDispose]());
  return { tpm, stop, commands, clock };
}

function response(code: number, body: Uint8Array = new Uint8Array(), tag = 0x8001): Buffer {
  return Buffer.concat([u16(tag), u32(10 + body.length), u32(code), body]);
}

const say =
  (...parts: readonly Uint8Array[]): Answer =>
  (socket) => {
    for (const part of parts) socket.write(part);
  };

const INDEX = 0x01c0_0002;
const nvPublic = (size: number): Uint8Array =>
  sized(u32(INDEX), u16(0x0b), u32(1 << 18), sized(), u16(size));

t.test("what is no response ends the use of the TPM", async (t) => {
  const cases: readonly (readonly [string, Answer, RegExp])[] = [
    ["a size of 4 GB", say(Buffer.concat([u16(0x8001), u32(0xffff_ffff), u32(0)])), /no response/],
    ["a size below a header's", say(Buffer.concat([u16(0x8001), u32(9), u32(0)])), /no response/],
    ["more than it says", say(Buffer.concat([response(0), Buffer.alloc(1)])), /no response/],
    ["1 MB", say(Buffer.alloc(1 << 20, 0x80)), /no response/],
    ["an end instead", (socket) => socket.end(), /it closed/],
    ["an end within", (socket) => socket.end(Buffer.of(0x80)), /it closed/],
    ["a cut public area", say(response(0, sized(u32(INDEX), u16(11)))), /index ends too early/],
    ["a length beyond it", say(response(0, u16(500))), /response ends too early/],
    ["an index of 64 KB", say(response(0, nvPublic(0xffff))), /larger than 16384/],
  ];
  for (const [name, answer, message] of cases) {
    const { tpm, stop } = await tpmThat(t, answer);
    await refused(t, tpm.readIndex(INDEX, ""), { message }, name);
    stop.abort();
  }
});

t.test("memory is read part by part, and a part may be shorter", async (t) => {
  const content = Buffer.from(Array.from({ length: 600 }, (_, at) => at & 0xff));
  const part = (from: number, to: number): Answer =>
    say(
      response(
        0,
        Buffer.concat([u32(2 + to - from), sized(content.subarray(from, to)), Buffer.alloc(5)]),
        0x8002,
      ),
    );
  const slow: Answer = (socket) => {
    const bytes = response(0, Buffer.concat([nvPublic(600), sized(Buffer.alloc(34))]));
    for (const byte of bytes) socket.write(Buffer.of(byte));
  };
  const { tpm, commands } = await tpmThat(t, slow, part(0, 500), part(500, 600));
  t.same(Buffer.from((await tpm.readIndex(INDEX, "")) ?? []), content);
  t.same(
    commands.slice(1).map((command) => [command.readUInt16BE(31), command.readUInt16BE(33)]),
    [
      [512, 0],
      [100, 500],
    ],
    "size and offset",
  );
  const { tpm: empty } = await tpmThat(t, say(response(0, nvPublic(10))), part(0, 0));
  await refused(t, empty.readIndex(INDEX, ""), { message: /read nothing/ });
  const { tpm: more } = await tpmThat(t, say(response(0, nvPublic(10))), part(0, 11));
  await refused(t, more.readIndex(INDEX, ""), { message: /longer than 10/ });
  const { tpm: none } = await tpmThat(t, say(response(0x18b)));
  t.equal(await none.readIndex(INDEX, ""), undefined, "no such index");
});

t.test("a command is repeated while the TPM asks for it, not for ever", async (t) => {
  const busy = say(response(0x922));
  const { tpm, commands } = await tpmThat(t, busy, busy, say(response(0x18b)));
  t.equal(await tpm.readIndex(INDEX, ""), undefined);
  t.equal(commands.length, 3);
  const many = Array.from({ length: 100 }, () => busy);
  const { tpm: always, commands: sent } = await tpmThat(t, ...many);
  const attempt = always.readIndex(INDEX, "");
  await refused(t, attempt, { kind: "unavailable", message: /it is busy/ });
  t.equal(sent.length, 20);
});

t.test("a TPM that says nothing is given up with its caller", async (t) => {
  const { tpm, stop } = await tpmThat(t);
  const attempt = tpm.readIndex(INDEX, "");
  stop.abort(new Error("the end"));
  await refused(t, attempt, { message: /the end/ });
  await refused(t, tpm.readIndex(INDEX, ""), { message: /the end/ }, "and is of no more use");
});

t.test("nor is it waited for longer than two minutes", async (t) => {
  const waits: number[] = [];
  const { tpm, clock } = await tpmThat(t, () => waits.push(...clock.pass()));
  const message = /the tpm did not answer within 120 s/;
  await refused(t, tpm.readIndex(INDEX, ""), { kind: "deadline", message });
  t.same(waits, [120_000]);
  await refused(t, tpm.readIndex(INDEX, ""), { message: /it closed/ }, "and is of no more use");
});

t.test("a device that gives no response", async (t) => {
  const { signal } = new AbortController();
  await using device = new Tpm(await openTpm("/dev/null", signal), new TpmClock(), signal);
  await refused(t, device.readIndex(INDEX, ""), { kind: "unavailable", message: /no response/ });
});

t.test("response codes: words, also of those with a number of a parameter", (t) => {
  const cases: readonly (readonly [number, string, RegExp])[] = [
    [0x98e, "precondition", /sign: the password is wrong \(response code 0x98e\)/],
    [0x1df, "precondition", /another tpm/],
    [0x902, "unavailable", /no room for another key/],
    [0x149, "precondition", /may not be read so/],
    [0x921, "unavailable", /locked/],
    [0x7777, "precondition", /no known reason \(response code 0x7777\)/],
  ];
  for (const [code, kind, message] of cases) {
    t.match(tpmError("sign", code), { kind, message }, String(code));
  }
  t.end();
});

t.test("bytes: commands, files with and without their length, numbers too long", (t) => {
  t.equal(
    Buffer.from(encodeCommand({ code: 0x165, parameters: [u32(0x8000_0000)] })).toString("hex"),
    "80010000000e0000016580000000",
    "TPM2_FlushContext",
  );
  t.throws(() => encodeCommand({ code: 1, authorizations: [{ password: "a".repeat(65) }] }), {
    kind: "invalid",
    message: /longer than 64/,
  });
  t.throws(() => sized(new Uint8Array(0x1_0000)), { message: /longer than 65535/ });
  const body = { code: 0, body: Buffer.concat([u32(7), u32(99)]), hasSessions: true };
  t.throws(() => readBody(body, 1), { message: /ends too early/ });
  const { raw } = devidKey(newRsa()).area;
  t.same(parsePublicFile(sized(raw), "key").raw, raw);
  t.same(parsePublicFile(raw, "key").raw, raw);
  t.same(withoutLength(Uint8Array.of(0)), Uint8Array.of(0));
  t.end();
});

t.test("every cut and change of a structure is read as something else, or refused", async (t) => {
  const rsa = newRsa();
  const keys = [devidKey(rsa), attestationKey(rsa), endorsementKey(rsa), attestationKey(newEcc())];
  const read: (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [];
  for (const key of keys) {
    const { area } = key;
    const statement = statementOf(nameOf(area));
    read.push(
      ["public area", area.raw, (bytes) => spkiOf(parsePublicArea(bytes, "key"))],
      ["statement", statement, (bytes) => parseCertifyStatement(bytes, "statement")],
    );
    if (area.scheme === undefined) continue;
    const signature = signatureOf(key, statement);
    t.equal(await isSignedBy(area, statement, parseTpmSignature(signature, area, "s")), true);
    read.push(["signature", signature, (bytes) => parseTpmSignature(bytes, area, "signature")]);
    for (const changed of damaged(signature)) {
      const parsed = attempt(() => parseTpmSignature(changed, area, "signature"));
      const fits = parsed !== undefined && (await isSignedBy(area, statement, parsed));
      if (fits) t.fail("a changed signature fits");
    }
  }
  for (const [name, bytes, parse] of read) {
    t.ok(parse(bytes), name);
    let refusals = 0;
    for (const changed of damaged(bytes)) {
      const wrong = (error: unknown): void => {
        refusals += 1;
        if (!isKind(error, "invalid")) t.fail(`${name}: ${String(error)}`);
      };
      attempt(() => parse(changed), wrong);
    }
    t.ok(refusals >= bytes.length, `${name}: no cut one is read`);
  }
});

function attempt<T>(work: () => T, wrong?: (error: unknown) => void): T | undefined {
  try {
    return work();
  } catch (error) {
    wrong?.(error);
    return undefined;
  }
}
