// Renewal by the own certificate, and files that are whole whenever they are read.
import { X509Certificate, createPrivateKey } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { fail } from "../../src/base/errors.ts";
import { type HeldIdentity, firstIdentity, renewalTime } from "../../src/provision/identity.ts";
import { IdentityFiles } from "../../src/provision/identity-files.ts";
import { isInMemory, memoryFolder } from "../../src/provision/memory-folder.ts";
import { identityNames } from "../../src/provision/names.ts";
import { ProvisionClient } from "../../src/provision/provision-client.ts";
import { Renewal } from "../../src/provision/renewal.ts";
import { quiet } from "../support/quiet.ts";
import { OddProvisioner } from "../support/odd-provisioner.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const server = await OddProvisioner.start();
t.teardown(() => server[Symbol.asyncDispose]());
const names = { key: "id.key", certificate: "id.crt", authorities: "cacert.pem" };

function sourceOf(clock: VirtualClock) {
  const roots = [server.root];
  return {
    client: new ProvisionClient({ url: new URL(server.url), roots, timeoutMs: PATIENCE_MS }),
    names: identityNames("web.example.org", []),
    keyType: "ec-p256" as const,
    roots,
    clock,
    random: new SeededRandom("renewal"),
  };
}

const first = (clock: VirtualClock): Promise<HeldIdentity> =>
  firstIdentity(sourceOf(clock), { token: "once", waitMs: 0 }, new AbortController().signal);

t.test(
  "P15 it renews between a half and two thirds of its life, with a new key each time",
  async (t) => {
    const clock = new VirtualClock(Date.now());
    const held = await first(clock);
    const dir = t.testdir({});
    using files = new IdentityFiles({ dir: join(dir, "id"), names, random: new SeededRandom() });
    await files.write(held);
    for (let seed = 0; seed < 50; seed++) {
      const at = renewalTime(held, new SeededRandom(`${seed}`)) - held.obtainedAt;
      t.ok(at >= 1800 && at <= 2400, `${at}`);
    }
    const renewed: HeldIdentity[] = [];
    const errors: string[] = [];
    await using _ = new Renewal({
      source: sourceOf(clock),
      first: held,
      clock,
      random: new SeededRandom("renewal"),
      async onRenewed(identity) {
        // The first time its files cannot be written: the certificate is had again.
        if (errors.length === 0) throw fail("unavailable", "no space");
        await files.write(identity);
        renewed.push(identity);
      },
      onError: ({ message }) => errors.push(message),
    });
    server.asked.length = 0;
    await clock.advance(1700_000);
    t.equal(server.asked.length, 0, "not before a half");
    while (renewed.length === 0) {
      await clock.advance(10_000);
      await quiet();
    }
    const [next] = renewed;
    t.same(errors, ["no space"]);
    t.not(next?.keyPem, held.keyPem);
    const serial = held.chain[0]?.serial;
    t.ok(serial !== undefined && server.asked.length > 0);
    for (const { method, path, authorization, client } of server.asked) {
      t.same(
        { method, path, authorization, client },
        { method: "PUT", path: "/v1/renew", authorization: undefined, client: serial },
      );
    }
    const shown = new X509Certificate(readFileSync(files.paths.certificate));
    t.ok(shown.checkPrivateKey(createPrivateKey(readFileSync(files.paths.key))), "a pair");
    t.equal(statSync(files.paths.key).mode & 0o777, 0o600);
    t.equal(readFileSync(files.paths.authorities, "utf8"), server.ca.pem);
    server.asked.length = 0;
    while (renewed.length === 1) {
      await clock.advance(10_000);
      await quiet();
    }
    t.equal(server.asked[0]?.client, next?.chain[0]?.serial, "by the newest, not by the first");
  },
);

t.test("what is refused at renewal leaves the files of before, and is tried again", async (t) => {
  const clock = new VirtualClock(Date.now());
  const held = await first(clock);
  const plain = server.answer;
  t.teardown(() => {
    server.answer = plain;
  });
  server.answer = async ({ csr }) => server.signed(csr, { commonName: "db.example.org" });
  const errors: string[] = [];
  const renewed: HeldIdentity[] = [];
  await using _ = new Renewal({
    source: sourceOf(clock),
    first: held,
    clock,
    random: new SeededRandom("renewal"),
    async onRenewed(identity) {
      renewed.push(identity);
    },
    onError: ({ message }) => errors.push(message),
  });
  while (errors.length < 3) {
    await clock.advance(30_000);
    await quiet();
  }
  t.equal(renewed.length, 0);
  t.match(errors, [/is for 'db.example.org'/, /is for 'db.example.org'/]);
  server.answer = plain;
  while (renewed.length === 0) {
    await clock.advance(30_000);
    await quiet();
  }
});

t.test("P6 a place for a key: in memory, mounted, elsewhere in memory, or nowhere", async (t) => {
  t.ok(isInMemory("/dev/shm"));
  const disk = t.testdir({ full: { file: "" }, empty: {} });
  t.notOk(isInMemory(disk), "the tests' folder is on a disk");
  t.notOk(isInMemory(join(disk, "none")));
  const shm = mkdtempSync("/dev/shm/assay-test-");
  t.teardown(() => rmSync(shm, { recursive: true }));
  const never = (): boolean => t.fail("nothing is mounted here");
  const base = { candidates: [], mayUseDisk: false, mount: never };
  t.same(memoryFolder({ ...base, dir: join(shm, "a/b") }), {
    path: join(shm, "a/b"),
    how: "memory",
  });
  for (const [name, expected] of [
    ["docker", { path: join(shm, "docker"), how: "memory" }],
    [
      "used",
      { how: "elsewhere", isLinked: false, path: new RegExp(`^${shm}/used/assay-identity-`) },
    ],
  ] as const) {
    const open = join(shm, name);
    mkdirSync(open);
    chmodSync(open, 0o1777);
    if (name === "used") mkdirSync(join(open, "theirs"));
    t.match(memoryFolder({ ...base, dir: open }), expected, "open to everybody, as docker has it");
    t.equal(statSync(open).mode & 0o777, name === "used" ? 0o777 : 0o755);
  }
  const mounted: string[] = [];
  const mount = (path: string): boolean => mounted.push(path) > 0;
  t.same(memoryFolder({ ...base, dir: join(disk, "new"), mount }), {
    path: join(disk, "new"),
    how: "mounted",
  });
  t.same(mounted, [join(disk, "new")]);
  t.throws(() => memoryFolder({ ...base, dir: join(disk, "full"), mount: never }), {
    kind: "denied",
    message: /start the container with '--tmpfs .*full', or allow the disk with --allow-disk/,
  });
  const refused = { ...base, candidates: [disk, "/nowhere", shm], mount: () => false };
  const linked = memoryFolder({ ...refused, dir: join(disk, "empty") });
  t.match(linked, {
    how: "elsewhere",
    isLinked: true,
    path: new RegExp(`^${shm}/assay-identity-`),
  });
  t.ok(lstatSync(join(disk, "empty")).isSymbolicLink());
  t.same(memoryFolder({ ...refused, dir: join(disk, "empty") }), {
    path: linked.path,
    how: "memory",
  });
  rmSync(linked.path, { recursive: true });
  t.same(memoryFolder({ ...refused, dir: join(disk, "empty") }), linked, "after a restart");
  const full = memoryFolder({ ...refused, dir: join(disk, "full") });
  t.match(full, { how: "elsewhere", isLinked: false });
  t.ok(existsSync(join(disk, "full/file")), "what is there is not covered");
  t.not(full.path, linked.path);
  t.same(memoryFolder({ ...base, mount: () => false, dir: join(disk, "new"), mayUseDisk: true }), {
    path: join(disk, "new"),
    how: "disk",
  });
  mkdirSync(join(disk, "theirs"));
  symlinkSync("/etc", join(disk, "trap"));
  t.throws(() => memoryFolder({ ...base, mount: () => false, dir: join(disk, "trap") }), {
    message: /does not lie in memory/,
  });
});
