import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import t, { type Test } from "tap";
import { isKind } from "../../../src/base/errors.ts";
import type { KeyManager } from "../../../src/server/keymanager/contract.ts";
import { openDiskKeyManager } from "../../../src/server/keymanager/disk.ts";
import { openMemoryKeyManager } from "../../../src/server/keymanager/memory.ts";
import { systemRandom as random } from "../../../src/base/random.ts";
import { keyManagerConformance } from "./conformance.ts";

keyManagerConformance("memory", openMemoryKeyManager);
keyManagerConformance("disk", async () => openIn(await folder()));

t.test("disk: keys survive, sealed, with private modes", async (t) => {
  const dir = await folder();
  let publicKey: Uint8Array;
  {
    await using manager = await openIn(dir);
    publicKey = (await manager.generate("trust-domain.x509.1", "ec-p256")).publicKey;
    await manager.generate("trust-domain.jwt.1", "rsa-2048");
  }
  await using again = await openIn(dir);
  t.same(await again.list(), ["trust-domain.jwt.1", "trust-domain.x509.1"]);
  t.same((await again.get("trust-domain.x509.1"))?.publicKey, publicKey);
  const signer = await again.get("trust-domain.jwt.1");
  t.equal((await signer?.sign(Buffer.from("x")))?.length, 256);

  t.same((await readdir(join(dir, "keys"))).sort(), ["keys.json"], "no temporary file is left");
  t.equal((await stat(join(dir, "keys"))).mode & 0o777, 0o700);
  t.equal((await stat(join(dir, "keys", "keys.json"))).mode & 0o777, 0o600);
  t.equal((await stat(join(dir, "sealing.key"))).mode & 0o777, 0o600);
  const text = await readFile(join(dir, "keys", "keys.json"), "utf8");
  t.match(text, /^\{\n "version": 1,\n "sealedWith": "[0-9a-f]{16}"/);
  t.equal(text.includes("PRIVATE KEY"), false);
  const file = JSON.parse(text) as SealedFile;
  for (const key of Object.values(file.keys)) {
    t.equal(Buffer.from(key.sealed, "base64").includes(PKCS8_START), false, "sealed");
  }
  const sealing = (await readFile(join(dir, "sealing.key"), "utf8")).trim();
  t.equal(text.includes(sealing), false, "the sealing key stays out");
});

t.test("disk: each writing of a key takes a fresh nonce", async (t) => {
  const dir = await folder();
  await using manager = await openIn(dir);
  const nonces = new Set<string>();
  for (let i = 0; i < 5; i++) {
    await manager.generate("a", "ec-p256");
    nonces.add((await readSealed(dir)).keys["a"]?.nonce ?? "");
  }
  t.equal(nonces.size, 5);
});

t.test("disk: the sealing key's forms", async (t) => {
  const bytes = Buffer.from(random.bytes(32));
  const forms = {
    base64: bytes.toString("base64"),
    "base64 with a line end": `${bytes.toString("base64")}\n`,
    base64url: bytes.toString("base64url"),
    hex: bytes.toString("hex"),
    "upper-case hex": ` ${bytes.toString("hex").toUpperCase()}\r\n`,
  };
  const dir = await folder();
  for (const [name, text] of Object.entries(forms)) {
    await writeFile(join(dir, "sealing.key"), text);
    await using manager = await openIn(dir);
    if ((await manager.list()).length === 0) await manager.generate("a", "ec-p256");
    t.ok(await manager.get("a"), name);
    await using byText = await openIn(dir, { keyText: text, keyFile: join(dir, "none") });
    t.ok(await byText.get("a"), `${name} as text`);
  }
  const bad = {
    empty: "",
    short: bytes.subarray(1).toString("base64"),
    long: Buffer.concat([bytes, bytes]).toString("base64"),
    "raw bytes": bytes.toString("latin1"),
    "not hex": "g".repeat(64),
    "a huge file": "a".repeat(10_000),
  };
  for (const [name, text] of Object.entries(bad)) {
    await writeFile(join(dir, "sealing.key"), text, "latin1");
    await refused(
      t,
      openIn(dir),
      "invalid",
      /does not hold a sealing key; it must be 32 bytes/,
      name,
    );
    await refused(
      t,
      openIn(dir, { keyText: text }),
      "invalid",
      /the key given as text does not/,
      name,
    );
  }
});

t.test("disk: refuses what it cannot trust, with the way out", async (t) => {
  const dir = await folder();
  {
    await using manager = await openIn(dir);
    await manager.generate("a", "ec-p256");
    await manager.generate("b", "ec-p256");
  }
  const path = join(dir, "keys", "keys.json");
  const keyFile = join(dir, "sealing.key");
  const whole = await readFile(path, "utf8");
  const good = JSON.parse(whole) as SealedFile;
  const keyText = await readFile(keyFile, "utf8");

  const wrong = Buffer.from(random.bytes(32)).toString("base64");
  const message = /keys\.json was sealed with another key than .*; use the key it was sealed with$/;
  await refused(t, openIn(dir, { keyText: wrong }), "precondition", message, "wrong key");
  await rm(keyFile);
  await refused(
    t,
    openIn(dir),
    "precondition",
    /^key file .*sealing\.key is missing but .*keys\.json holds keys sealed with it; restore it/,
    "missing key file",
  );
  t.same(await readdir(dir), ["keys"], "no new key file was made");
  await writeFile(keyFile, keyText);

  const a = good.keys["a"];
  const b = good.keys["b"];
  if (a === undefined || b === undefined) throw new TypeError("the fixture has two keys");
  const hostile: Record<string, [string, RegExp]> = {
    empty: ["", /is damaged \(it is not whole JSON\); restore it from a backup/],
    "half-written": [whole.slice(0, whole.length / 2), /is not whole JSON/],
    "one byte short": [whole.trimEnd().slice(0, -1), /is not whole JSON/],
    zeros: ["\0".repeat(whole.length), /is not whole JSON/],
    garbage: ["\u{fffd}PNG", /is not whole JSON/],
    "an array": ["[]", /is not a JSON object/],
    null: ["null", /is not a JSON object/],
    "no version": [JSON.stringify({ ...good, version: undefined }), /has no format version/],
    "version 0": [JSON.stringify({ ...good, version: 0 }), /has no format version/],
    "version 1.5": [JSON.stringify({ ...good, version: 1.5 }), /has no format version/],
    newer: [JSON.stringify({ ...good, version: 2 }), /has format version 2 .* run a newer version/],
    "no keys": [JSON.stringify({ ...good, keys: undefined }), /lacks a member/],
    "keys as a list": [JSON.stringify({ ...good, keys: [a] }), /lacks a member/],
    "no fingerprint": [JSON.stringify({ ...good, sealedWith: undefined }), /lacks a member/],
    "unknown type": [withKeys({ a: { ...a, type: "ed25519" } }), /holds a malformed key 'a'/],
    "another type": [withKeys({ a: { ...a, type: "ec-p384" } }), /key 'a' that does not open/],
    "names swapped": [withKeys({ a: b, b: a }), /key 'a' that does not open/],
    "renamed key": [withKeys({ c: a }), /key 'c' that does not open/],
    "bad name": [withKeys({ "../c": a }), /holds a malformed key/],
    "short nonce": [withKeys({ a: { ...a, nonce: "AAAA" } }), /key 'a' that does not open/],
    "no nonce": [withKeys({ a: { ...a, nonce: 7 } }), /holds a malformed key 'a'/],
    "tag only": [withKeys({ a: { ...a, sealed: "A".repeat(20) } }), /that does not open/],
    "flipped bit": [withKeys({ a: { ...a, sealed: flip(a.sealed) } }), /that does not open/],
  };
  for (const [name, [text, pattern]] of Object.entries(hostile)) {
    await writeFile(path, text);
    await refused(t, openIn(dir), "precondition", pattern, name);
    t.equal(await readFile(path, "utf8"), text, `${name}: left as it was found`);
  }
  await writeFile(path, whole);
  await using manager = await openIn(dir);
  t.same(await manager.list(), ["a", "b"]);

  function withKeys(keys: Record<string, unknown>): string {
    return JSON.stringify({ ...good, keys });
  }
});

t.test("disk: whatever one byte is changed to, the keys are the same or refused", async (t) => {
  const dir = await folder();
  const publicKeys = new Map<string, string>();
  {
    await using manager = await openIn(dir);
    for (const name of ["a", "b"]) {
      const { publicKey } = await manager.generate(name, "ec-p256");
      publicKeys.set(name, Buffer.from(publicKey).toString("hex"));
    }
  }
  const path = join(dir, "keys", "keys.json");
  const whole = await readFile(path);
  let opened = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, value) => {
      await writeFile(path, whole.with(at, value));
      try {
        await using manager = await openIn(dir);
        opened += 1;
        for (const name of await manager.list()) {
          const publicKey = (await manager.get(name))?.publicKey ?? new Uint8Array();
          if (publicKeys.get(name) !== Buffer.from(publicKey).toString("hex")) return false;
        }
        return true;
      } catch (thrown) {
        return isKind(thrown, "precondition");
      }
    }),
    { seed: 1, numRuns: 500 },
  );
  t.equal(opened < 50, true, `${opened} of 500 changes were to white space or to the same`);
});

t.test("disk: a half-written temporary file of a crash is never read", async (t) => {
  const dir = await folder();
  {
    await using manager = await openIn(dir);
    await manager.generate("a", "ec-p256");
  }
  await writeFile(join(dir, "keys", ".keys.json.new"), '{"version":1,"keys":{');
  await using manager = await openIn(dir);
  t.same(await manager.list(), ["a"]);
  await manager.generate("b", "ec-p256");
  t.same(await readdir(join(dir, "keys")), ["keys.json"]);
});

t.test("disk: a write that fails changes nothing", async (t) => {
  const dir = await folder();
  await using manager = await openIn(dir);
  const before = await manager.generate("a", "ec-p256");
  await rm(join(dir, "keys"), { recursive: true });
  await writeFile(join(dir, "keys"), "a file where the folder was");
  await refused(
    t,
    manager.generate("b", "ec-p256"),
    "unavailable",
    /cannot be written/,
    "generate",
  );
  await refused(t, manager.generate("a", "ec-p256"), "unavailable", /cannot be written/, "replace");
  await refused(t, manager.delete("a"), "unavailable", /cannot be written/, "delete");
  t.same(await manager.list(), ["a"]);
  t.same((await manager.get("a"))?.publicKey, before.publicKey);
});

t.test("disk: what was acknowledged survives kill -9", async (t) => {
  const dir = await folder();
  const expected = new Set<string>();
  for (let round = 0; round < 6; round++) {
    const acknowledged = await killedAfter(8 + round * 5, dir, `r${round}`);
    for (const line of acknowledged) {
      if (line.startsWith("!")) expected.delete(line.slice(1));
      else expected.add(line);
    }
    await using manager = await openIn(dir);
    const present = new Set(await manager.list());
    const lost = [...expected].filter((name) => !present.has(name));
    // The last deletion may be done and not yet acknowledged; no more than that one is missing.
    t.equal(lost.length <= 1, true, `${expected.size} keys, ${lost.length} of them being deleted`);
    for (const name of lost) expected.delete(name);
    t.ok(await (await manager.get([...expected][0] ?? ""))?.sign(Buffer.from("x")));
  }
});

t.test("disk: files it may not read are named", async (t) => {
  if (process.getuid?.() === 0) {
    t.pass("root reads everything");
    return;
  }
  const dir = await folder();
  {
    await using manager = await openIn(dir);
    await manager.generate("a", "ec-p256");
  }
  await chmod(join(dir, "sealing.key"), 0);
  await refused(
    t,
    openIn(dir),
    "precondition",
    /sealing\.key cannot be read; check its owner/,
    "key",
  );
  await chmod(join(dir, "sealing.key"), 0o600);
  await chmod(join(dir, "keys", "keys.json"), 0);
  await refused(
    t,
    openIn(dir),
    "precondition",
    /keys\.json cannot be read; check its owner/,
    "keys",
  );
});

interface SealedFile {
  readonly keys: Readonly<Record<string, { type: string; nonce: string; sealed: string }>>;
}

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "assay-keys-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

function openIn(
  dir: string,
  key: { keyText?: string; keyFile?: string } = {},
): Promise<KeyManager> {
  const keyFile = join(dir, "sealing.key");
  return openDiskKeyManager({ dir: join(dir, "keys"), keyFile, random, ...key });
}

/** Starts the child, kills it in the middle of its work and returns what it had acknowledged by then. */
function killedAfter(lines: number, dir: string, prefix: string): Promise<readonly string[]> {
  const script = join(import.meta.dirname, "crash-child.ts");
  const args = [script, join(dir, "keys"), join(dir, "sealing.key"), prefix];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.split("\n").length > lines) child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== null) reject(new Error(`the child ended by itself with ${code}`));
      else resolve(text.split("\n").slice(0, -1));
    });
  });
}

async function readSealed(dir: string): Promise<SealedFile> {
  return JSON.parse(await readFile(join(dir, "keys", "keys.json"), "utf8")) as SealedFile;
}

function flip(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  return bytes.toString("base64");
}

async function refused(
  t: Test,
  promise: Promise<unknown>,
  kind: string,
  message: RegExp,
  name: string,
): Promise<void> {
  await t.rejects(promise, { kind, message }, name);
}

/** SEQUENCE, INTEGER 0, then the algorithm: how a PKCS #8 of an EC key goes on after its length. */
const PKCS8_START = Buffer.from("020100301306072a8648ce3d0201", "hex");
