import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { systemClock } from "../../src/base/clock.ts";
import type { AssayError } from "../../src/base/errors.ts";
import { systemRandom } from "../../src/base/random.ts";
import { Delivery, Follower } from "../../src/delivery/delivery.ts";
import { type Target, checkTarget, defaultNames } from "../../src/delivery/target.ts";
import type { DeliveredSvid, View } from "../../src/delivery/view.ts";
import { parsePid, startOf, tell } from "../../src/delivery/tell.ts";
import { decodePem } from "../../src/x509/pem.ts";
import { Program } from "../cli/program.ts";
import { TEST_EPOCH, TestCa } from "../support/test-ca.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const ca = await TestCa.create();
const foreign = await TestCa.create({ trustDomain: "partner.example" });
const expired = await TestCa.create({ notAfter: TEST_EPOCH - 1 });

async function svid(path: string, hint = ""): Promise<DeliveredSvid> {
  const { der, pkcs8 } = await ca.leaf({ spiffeId: `spiffe://example.org${path}` });
  return {
    spiffeId: `spiffe://example.org${path}`,
    hint,
    serialNumber: "1",
    expiresAt: TEST_EPOCH + 3600,
    chain: [der],
    key: pkcs8,
    bundle: [rootOf(ca), rootOf(expired)],
  };
}

function rootOf({ certificate }: TestCa): { der: Uint8Array; expiresAt: number } {
  return { der: certificate.raw, expiresAt: certificate.notAfter };
}

function viewOf(...svids: readonly DeliveredSvid[]): View {
  return {
    svids,
    federated: new Map([["partner.example", [rootOf(foreign)]]]),
    crls: [],
    jwtBundle: undefined,
    tokens: new Map(),
  };
}

function targetAt(dir: string, more: Partial<Target> = {}): Target {
  const format = more.format ?? "pem";
  return {
    dir,
    format,
    pick: {},
    names: defaultNames(format),
    fileMode: 0o644,
    keyMode: 0o600,
    includeFederated: false,
    omitExpired: false,
    jwtBundle: false,
    crl: false,
    tokens: [],
    storeCipher: "aes256",
    tell: { runTimeoutMs: PATIENCE_MS, signalName: "SIGHUP" },
    ...more,
  };
}

function deliveryTo(
  t: Test,
  more: Partial<Target> = {},
): { delivery: Delivery; dir: string; written: number[] } {
  const dir = mkdtempSync(join(tmpdir(), "assay-delivery-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const written: number[] = [];
  const delivery = new Delivery({
    target: targetAt(join(dir, "out"), more),
    clock: { ...systemClock, nowMs: () => TEST_EPOCH * 1000 },
    random: systemRandom,
    env: { PATH: process.env["PATH"] },
    onWritten: (_target, _contents, files) => written.push(files.length),
  });
  t.teardown(() => delivery[Symbol.dispose]());
  return { delivery, dir: join(dir, "out"), written };
}

const never = new AbortController().signal;
const main = await svid("/main");
const named = await svid("/second", "web");

t.test("what each format holds", async (t) => {
  const names = (dir: string): string[] =>
    readdirSync(dir)
      .filter((name) => !name.startsWith("."))
      .sort();
  const pem = deliveryTo(t);
  await pem.delivery.deliver(viewOf(main, named), never);
  t.same(names(pem.dir), ["bundle.pem", "current", "federated", "key.pem", "svid.pem"]);
  t.same(
    decodePem(readFileSync(`${pem.dir}/svid.pem`, "utf8")).map(({ der }) => der),
    main.chain,
  );
  t.same(decodePem(readFileSync(`${pem.dir}/bundle.pem`, "utf8")).length, 2);
  t.same(
    decodePem(readFileSync(`${pem.dir}/federated/partner.example.pem`, "utf8"))[0]?.der,
    foreign.certificate.raw,
  );

  const haproxy = deliveryTo(t, { format: "haproxy", includeFederated: true, omitExpired: true });
  await haproxy.delivery.deliver(viewOf(main), never);
  t.same(names(haproxy.dir), ["bundle.pem", "current", "federated", "haproxy.pem"]);
  t.same(
    decodePem(readFileSync(`${haproxy.dir}/haproxy.pem`, "utf8")).map(({ label }) => label),
    ["CERTIFICATE", "PRIVATE KEY"],
  );
  t.same(
    decodePem(readFileSync(`${haproxy.dir}/bundle.pem`, "utf8")).map(({ der }) => der),
    [ca.certificate.raw, foreign.certificate.raw],
  );

  const jwt = deliveryTo(t, {
    format: "jwt",
    jwtBundle: true,
    tokens: [{ file: "token", audience: ["a"] }],
  });
  const jwtBundle = new TextEncoder().encode('{"keys":[]}');
  await jwt.delivery.deliver(
    { ...viewOf(), jwtBundle, tokens: new Map([["token", "e.y.J"]]) },
    never,
  );
  t.same(names(jwt.dir), ["current", "jwt-bundle.json", "token"]);
  t.equal(readFileSync(`${jwt.dir}/token`, "utf8"), "e.y.J");
});

t.test("revocation lists: where they are asked for, while there are any", async (t) => {
  const { delivery, dir, written } = deliveryTo(t, { crl: true });
  await delivery.deliver(viewOf(main), never);
  t.notOk(existsSync(`${dir}/crl.pem`));
  const crls = [new Uint8Array([0x30, 0]), new Uint8Array([0x30, 1, 0])];
  await delivery.deliver({ ...viewOf(main), crls }, never);
  t.same(decodePem(readFileSync(`${dir}/crl.pem`, "utf8")), [
    { label: "X509 CRL", der: crls[0] },
    { label: "X509 CRL", der: crls[1] },
  ]);
  await delivery.deliver(viewOf(main), never);
  t.notOk(existsSync(`${dir}/crl.pem`));
  t.equal(written.length, 3);
  const without = deliveryTo(t);
  await without.delivery.deliver({ ...viewOf(main), crls }, never);
  t.notOk(existsSync(`${without.dir}/crl.pem`));
});

t.test("which SVID: the first, by hint, by ID; what is missing is named", async (t) => {
  const cases: [Target["pick"], Uint8Array | RegExp][] = [
    [{}, main.chain[0] ?? new Uint8Array()],
    [{ hint: "web" }, named.chain[0] ?? new Uint8Array()],
    [{ spiffeId: named.spiffeId }, named.chain[0] ?? new Uint8Array()],
    [{ spiffeId: named.spiffeId, hint: "web" }, named.chain[0] ?? new Uint8Array()],
    [
      { hint: "db" },
      /no SVID with hint 'db', but spiffe:\/\/example.org\/main, spiffe:\/\/example.org\/second \(hint 'web'\)$/,
    ],
    [{ spiffeId: "spiffe://example.org/x" }, /no SVID with spiffe:\/\/example.org\/x, but/],
    [{ spiffeId: main.spiffeId, hint: "web" }, /no SVID with .* and hint 'web'/],
  ];
  for (const [pick, expected] of cases) {
    const { delivery, dir } = deliveryTo(t, { pick });
    const delivered = delivery.deliver(viewOf(main, named), never);
    if (expected instanceof RegExp) {
      await t.rejects(delivered, { kind: "not_found", message: expected });
      continue;
    }
    await delivered;
    t.same(decodePem(readFileSync(`${dir}/svid.pem`, "utf8"))[0]?.der, expected);
  }
});

t.test("an equal view writes and tells nothing; a token writes and tells nobody", async (t) => {
  const { delivery, dir, written } = deliveryTo(t, {
    tokens: [{ file: "token", audience: ["a"] }],
    tell: { run: 'echo told >> "$TOLD"', runTimeoutMs: PATIENCE_MS, signalName: "SIGHUP" },
  });
  const log = join(dir, "../told");
  const told = new Delivery({
    target: { ...delivery.target, tell: { ...delivery.target.tell, run: `echo told >> ${log}` } },
    clock: systemClock,
    random: systemRandom,
    env: {},
    onWritten: (_target, _contents, files) => written.push(files.length),
  });
  t.teardown(() => told[Symbol.dispose]());
  const view = (token: string, ...svids: DeliveredSvid[]): View => ({
    ...viewOf(...svids),
    tokens: new Map([["token", token]]),
  });
  await told.deliver(view("1", main), never);
  await told.deliver(view("1", main, named), never);
  t.equal(written.length, 1);
  await told.deliver(view("2", main), never);
  t.equal(written.length, 2);
  t.equal(readFileSync(`${dir}/token`, "utf8"), "2");
  t.equal(readFileSync(log, "utf8"), "told\n");
  await told.deliver(view("2", await svid("/main")), never);
  t.equal(readFileSync(log, "utf8"), "told\ntold\n");
});

t.test(
  "a command that fails is said and tried again; its files are not written twice",
  async (t) => {
    const { delivery, dir, written } = deliveryTo(t);
    const gate = join(dir, "../gate");
    const tries = join(dir, "../tries");
    const failing = new Delivery({
      target: {
        ...delivery.target,
        tell: {
          run: `echo x >> ${tries}; test -e ${gate}`,
          runTimeoutMs: PATIENCE_MS,
          signalName: "SIGHUP",
        },
      },
      clock: systemClock,
      random: systemRandom,
      env: {},
      onWritten: () => written.push(0),
    });
    const errors: AssayError[] = [];
    const { promise: failedOnce, resolve } = Promise.withResolvers<void>();
    const follower = new Follower(
      failing,
      { clock: systemClock, random: systemRandom },
      (error) => {
        errors.push(error);
        resolve();
      },
    );
    follower.offer(viewOf(main));
    await failedOnce;
    t.match(errors[0], { kind: "unavailable", message: /the command '.*' ended with exit code 1/ });
    writeFileSync(gate, "");
    // Another view asks again at once; the one before would have been tried after a second.
    follower.offer(viewOf(main, named));
    while (readFileSync(tries, "utf8") !== "x\nx\n")
      await new Promise((done) => setTimeout(done, 5));
    await follower[Symbol.asyncDispose]();
    t.equal(written.length, 1);
  },
);

t.test("a view without the target's SVID leaves the files alone and is said", async (t) => {
  const { delivery, dir } = deliveryTo(t);
  const errors: AssayError[] = [];
  const { promise: said, resolve } = Promise.withResolvers<void>();
  const follower = new Follower(delivery, { clock: systemClock, random: systemRandom }, (error) => {
    errors.push(error);
    resolve();
  });
  follower.offer(viewOf(main));
  while (!existsSync(`${dir}/svid.pem`)) await new Promise((done) => setTimeout(done, 5));
  follower.offer(viewOf());
  await said;
  t.match(errors[0], { kind: "not_found", message: "the agent gives this process no SVID" });
  t.ok(existsSync(`${dir}/svid.pem`));
  await follower[Symbol.asyncDispose]();
});

t.test("an empty bundle is no bundle", async (t) => {
  const { delivery, dir } = deliveryTo(t, { omitExpired: true });
  const bare = { ...main, bundle: [rootOf(expired)] };
  await t.rejects(delivery.deliver(viewOf(bare), never), {
    kind: "precondition",
    message: /bundle of the trust domain is empty/,
  });
  t.notOk(existsSync(`${dir}/svid.pem`));
});

t.test("commands: bounds, output, and what is left of them", async (t) => {
  const context = { env: { PATH: process.env["PATH"] }, clock: systemClock };
  const run = (command: string, runTimeoutMs = PATIENCE_MS, signal = never): Promise<void> =>
    tell({ run: command, runTimeoutMs, signalName: "SIGHUP" }, context, signal);
  await run("true");
  await t.rejects(run("exit 3"), { kind: "unavailable", message: /ended with exit code 3/ });
  await t.rejects(run("kill -9 $$"), { message: /ended by SIGKILL/ });
  await t.rejects(run("no-such-command-here 2>/dev/null"), { message: /exit code 127/ });
  const pidFile = join(mkdtempSync(join(tmpdir(), "assay-tell-")), "pid");
  t.teardown(() => rmSync(join(pidFile, ".."), { recursive: true, force: true }));
  await t.rejects(run(`sleep 600 & echo $! > ${pidFile}; wait`, 3000), {
    kind: "deadline",
    message: /took longer than 3 s/,
  });
  const left = Number(readFileSync(pidFile, "utf8"));
  while (isRunning(left)) await new Promise((done) => setTimeout(done, 5));
  t.pass("the command's own children ended with it");
  const stop = new AbortController();
  const long = run("sleep 600", 600_000, stop.signal);
  stop.abort();
  await t.rejects(long, { name: "AbortError" });
  await t.rejects(run("true", 1000, AbortSignal.abort()), { name: "AbortError" });
});

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

t.test("signals: by PID, by file, and what is no PID of one process", async (t) => {
  const script =
    "process.on('SIGUSR2', () => console.log('got it')); setInterval(() => {}, 1e6); console.log('up')";
  const program = new Program(process.execPath, ["-e", script], process.env);
  await program.said(/up/);
  const pid = program.child.pid ?? 0;
  const context = { env: {}, clock: systemClock };
  const send = (signal: number | string): Promise<void> =>
    tell({ signal, runTimeoutMs: 1, signalName: "SIGUSR2" }, context, never);
  await send(pid);
  await program.said(/got it\n/);
  const file = join(mkdtempSync(join(tmpdir(), "assay-tell-")), "pid");
  t.teardown(() => rmSync(join(file, ".."), { recursive: true, force: true }));
  writeFileSync(file, `${pid}\n/var/lib/postgresql\n`);
  await send(file);
  await program.said(/got it\ngot it\n/);
  const started = startOf(pid) ?? "";
  t.match(started, /^\d+$/);
  await tell(
    { signal: pid, runTimeoutMs: 1, signalName: "SIGUSR2" },
    { ...context, started },
    never,
  );
  const another = { ...context, started: `${started}0` };
  await t.rejects(tell({ signal: pid, runTimeoutMs: 1, signalName: "SIGUSR2" }, another, never), {
    kind: "not_found",
    message: /has ended, and another one has its PID/,
  });
  await program.stop("SIGKILL");
  await t.rejects(send(pid), { kind: "not_found", message: /there is no process \d+ to signal/ });
  const bad: [string, RegExp][] = [
    ["", /is no PID/],
    ["0", /is no PID/],
    ["1", /is no PID/],
    ["-5", /is no PID/],
    ["12x", /is no PID/],
    ["9".repeat(20), /is no PID/],
    ["7".repeat(5000), /is no PID file/],
  ];
  for (const [text, message] of bad) {
    writeFileSync(file, text);
    await t.rejects(send(file), { kind: "invalid", message }, text.slice(0, 20));
  }
  rmSync(file);
  await t.rejects(send(file), {
    kind: "not_found",
    message: /cannot read the PID file .* \(ENOENT\)/,
  });
  t.equal(parsePid("4194304"), 4_194_304);
});

t.test("targets that cannot be", async (t) => {
  const cases: [Partial<Target>, RegExp][] = [
    [{ format: "jwt" }, /holds nothing without a JWT-SVID/],
    [{ format: "pkcs12" }, /needs a password/],
    [{ format: "jwt", jwtBundle: true, crl: true }, /revocation lists go with X.509-SVIDs/],
    [{ names: { ...defaultNames("pem"), key: "svid.pem" } }, /two files are called 'svid.pem'/],
    [{ names: { ...defaultNames("pem"), key: "current" } }, /no file may be called 'current'/],
    [{ tokens: [{ file: "federated", audience: ["a"] }] }, /no file may be called 'federated'/],
    [{ jwtBundle: true, tokens: [{ file: "jwt-bundle.json", audience: ["a"] }] }, /two files/],
  ];
  for (const [more, message] of cases) {
    t.throws(() => checkTarget(targetAt("/x", more)), { kind: "invalid", message });
  }
  checkTarget(targetAt("/x", { format: "pkcs12", password: "changeit" }));
});
