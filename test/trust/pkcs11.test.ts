/** Authorities' keys in a token: the conformance suite against SoftHSM, and a server whose keys never leave it. */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import t from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { KEY_TYPES, type Signer } from "../../src/keys/contract.ts";
import { verifySignature } from "../../src/keys/verify-signature.ts";
import { generateKey, signingHash } from "../../src/keys/software-signer.ts";
import type { KeyManager } from "../../src/server/keymanager/contract.ts";
import {
  type Pkcs11Options,
  openPkcs11KeyManager,
} from "../../src/server/keymanager/pkcs11/pkcs11.ts";
import { keyManagerConformance } from "../server/keymanager/conformance.ts";
import { Domain, id } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { softHsm } from "./softhsm.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const exec = promisify(execFile);
const hsm = await softHsm();
t.teardown(() => hsm[Symbol.dispose]());

let spaces = 0;
function open(change: Partial<Pkcs11Options> = {}): Promise<KeyManager> {
  const { module, token, pinFile } = hsm;
  return openPkcs11KeyManager({
    module,
    token,
    pinFile,
    namespace: `space-${spaces++}`,
    timeoutMs: PATIENCE_MS,
    clock: systemClock,
    random: systemRandom,
    ...change,
  });
}

keyManagerConformance("pkcs11", () => open(), { keysElsewhere: true });

t.test("every key type is made in the token, and found again", async (t) => {
  for (const keyType of KEY_TYPES) {
    let publicKey: Uint8Array;
    {
      await using manager = await open({ namespace: "types" });
      publicKey = (await manager.generate(keyType, keyType)).publicKey;
    }
    await using again = await open({ namespace: "types" });
    const signer = await again.get(keyType);
    t.same(signer?.publicKey, publicKey);
    const data = Buffer.from(keyType);
    const signature = (await signer?.sign(data)) ?? Buffer.of();
    const hash = signingHash(keyType);
    t.equal(await verifySignature({ publicKey, data, signature, hash }), true, keyType);
  }
});

t.test("servers on one token do not see each other's keys", async (t) => {
  await using one = await open({ namespace: "one" });
  await using two = await open({ namespace: "one.more" });
  await one.generate("trust-domain.x509.1", "ec-p256");
  t.same(await two.list(), []);
  t.equal(await two.get("trust-domain.x509.1"), undefined);
  t.equal(await two.delete("trust-domain.x509.1"), false);
  t.equal((await one.list()).length, 1);
});

t.test("hundreds of signatures at once, none mixed up", async (t) => {
  await using manager = await open();
  const signers: Signer[] = [
    await manager.generate("a", "ec-p256"),
    await manager.generate("b", "ec-p384"),
  ];
  const all = await Promise.all(
    Array.from({ length: 400 }, async (_, i) => {
      const signer = signers[i % 2];
      if (signer === undefined) throw new TypeError("there are two");
      const { publicKey, keyType } = signer;
      const data = Buffer.from(`message ${i}`);
      const signature = await signer.sign(data);
      return verifySignature({ publicKey, data, signature, hash: signingHash(keyType) });
    }),
  );
  t.equal(all.filter(Boolean).length, 400);
});

t.test("the module outlives every collection of garbage", async (t) => {
  await using manager = await open();
  const signer = await manager.generate("a", "ec-p256");
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 5; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    // A module that was unloaded ends the process here.
    t.ok(await signer.sign(Buffer.from("x")));
  }
});

t.test("what is wrong is said, and no PIN is in it", async (t) => {
  const wrong = join(hsm.dir, "wrong-pin");
  writeFileSync(wrong, "incorrect-horse\n");
  const cases: readonly (readonly [Partial<Pkcs11Options>, RegExp])[] = [
    [{ module: "/nowhere/lib.so" }, /pkcs11 module \/nowhere\/lib\.so cannot be loaded/],
    [{ module: "/lib/x86_64-linux-gnu/libm.so.6" }, /cannot be loaded/],
    [{ token: "other" }, /token 'other' is not there; the module shows 'assay'/],
    [{ pinFile: "/nowhere/pin" }, /PIN file \/nowhere\/pin cannot be read/],
  ];
  for (const [change, message] of cases) {
    await refused(t, open(change), { kind: "precondition", message });
  }
  const outcome = await open({ pinFile: wrong }).catch((error: unknown) => error);
  t.match(outcome, { kind: "precondition", message: /refuses the PIN, which is not tried again/ });
  t.notMatch(String(outcome), /incorrect-horse/);
});

t.test("a token that hangs holds up nothing but its own keys, and is said to", async (t) => {
  await using manager = await open();
  const signer = await manager.generate("a", "ec-p256");
  // SoftHSM waits for its files' locks for as long as somebody else has them.
  const locks = await lockedBySomebodyElse(join(hsm.dir, "tokens"));
  try {
    await using hasty = await openPkcs11KeyManager({
      module: hsm.module,
      token: hsm.token,
      pinFile: hsm.pinFile,
      namespace: "hasty",
      timeoutMs: 50,
      clock: systemClock,
      random: systemRandom,
    }).catch((error: unknown) => {
      t.match(error, { kind: "precondition", message: /did not answer within 0\.6 s/ });
      return undefined;
    });
    t.equal(hasty, undefined);
    const slow = manager.generate("b", "ec-p256");
    // Files and keys go on meanwhile, or it is never unlocked: two of the pool's threads are left.
    await readFile(hsm.pinFile);
    await generateKey("ec-p384");
    locks[Symbol.dispose]();
    t.ok(await slow, "what was asked for in time is done when it comes back");
    t.ok(await signer.sign(Buffer.from("x")));
    t.equal(manager.problem?.(), undefined);
  } finally {
    locks[Symbol.dispose]();
  }
});

t.test(
  "a server whose token hangs ends all the same: at its start, and when asked to",
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), "assay-hanging-"));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const config = join(dir, "server.yaml");
    const { module, token, pinFile } = hsm;
    writeFileSync(
      config,
      JSON.stringify({
        trustDomain: "example.org",
        dataDir: join(dir, "data"),
        listen: "127.0.0.1:0",
        socket: join(dir, "server.sock"),
        keyManager: "pkcs11",
        keyManagers: { pkcs11: { module, token, pinFile, namespace: "hanging", timeout: "1s" } },
      }),
    );
    const start = () => {
      const child = spawn(
        join(import.meta.dirname, "../../bin/assay"),
        ["server", "--config", config, "--ready-fd=3"],
        {
          stdio: ["ignore", "ignore", "pipe", "pipe"],
        },
      );
      t.teardown(() => child.kill("SIGKILL"));
      const said = text(child.stderr as Readable);
      return { child, said, ended: once(child, "exit") };
    };
    const running = start();
    const isUp = once(running.child.stdio[3] as Readable, "data");
    await Promise.race([isUp, running.said.then((said) => Promise.reject(new Error(said)))]);
    const locks = await lockedBySomebodyElse(join(hsm.dir, "tokens"));
    t.teardown(() => locks[Symbol.dispose]());
    await exec(join(import.meta.dirname, "../../bin/assay"), [
      "authority",
      "x509",
      "prepare",
      `--socket=${join(dir, "server.sock")}`,
    ]).catch((error: unknown) => t.match(String(error), /did not answer within|took longer than/));
    running.child.kill("SIGTERM");
    t.same(await running.ended, [0, null]);
    const starting = start();
    t.same(await starting.ended, [1, null]);
    t.match(await starting.said, /pkcs11 .* did not answer within/);
  },
);

t.test("a server keeps its authorities in the token, over a restart", async (t) => {
  const { module, token, pinFile } = hsm;
  const pkcs11 = { module, token, pinFile, namespace: "example.org", timeoutMs: PATIENCE_MS };
  await using domain = await Domain.start({
    keyManager: { kind: "pkcs11", ...pkcs11 },
    ca: { keyType: "ec-p384", ttlSeconds: 86_400, jwtKeyType: "rsa-2048", jwtIssuer: "" },
  });
  await domain.startAgent();
  await domain.entry({ path: "/hsm" });
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  using watch = client.x509();
  t.equal((await watch.next()).svids[0]?.spiffe_id, id("/hsm"));
  const bundle = await domain.bundlePem();
  const file = await domain.bundleFile();
  const { stdout } = await exec("openssl", ["x509", "-noout", "-text", "-in", file]);
  t.match(stdout, /ecdsa-with-SHA384/);
  const keys = await open({ namespace: "example.org" });
  t.equal((await keys.list()).length, 2);
  await keys[Symbol.asyncDispose]();
  await domain.stopServer();
  await domain.startServer();
  t.equal(await domain.bundlePem(), bundle, "the same authorities sign on");
});

/** Another process has write locks on all files of the folder. */
async function lockedBySomebodyElse(folder: string): Promise<Disposable> {
  const script = [
    "import fcntl, os, sys",
    "kept = []",
    "for top, _, names in os.walk(sys.argv[1]):",
    "    for name in names:",
    "        kept.append(open(os.path.join(top, name), 'r+b'))",
    "        fcntl.lockf(kept[-1], fcntl.LOCK_EX)",
    "print('locked', flush=True)",
    "sys.stdin.read()",
  ].join("\n");
  const child = spawn("python3", ["-c", script, folder], { stdio: ["pipe", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return { [Symbol.dispose]: () => child.stdin.end() };
}
