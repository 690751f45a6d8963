import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { fail } from "../../../src/base/errors.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import { publishOwnBundle } from "../../../src/server/ca/publish.ts";
import type { AuthoritySet } from "../../../src/server/ca/authority-set.ts";
import type { AuthorityKind, Datastore } from "../../../src/server/datastore/contract.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import type { KeyManager } from "../../../src/server/keymanager/contract.ts";
import { openDiskKeyManager } from "../../../src/server/keymanager/disk.ts";
import { openMemoryKeyManager } from "../../../src/server/keymanager/memory.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { formatName } from "../../../src/x509/names.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { refused } from "../../support/refused.ts";
import { DAY, Domain, HOUR, TRUST_DOMAIN } from "./domain.ts";

const KINDS = ["x509", "jwt"] as const;

t.test("a new domain can sign at once, with what it has published", async (t) => {
  await using domain = await Domain.open();
  await using set = await domain.authorities();
  const { now } = domain;
  const bundle = await domain.bundle();
  t.equal(bundle.sequence, 2, "one publication for each kind");
  t.equal(bundle.refreshHint, 300);

  const x509 = set.activeX509();
  t.same(bundle.x509Authorities, [{ der: x509.certificate.raw, tainted: false }]);
  t.same(x509.chain, [], "a self-signed authority goes with no leaf");
  const { certificate } = x509;
  t.match(certificate, {
    notBefore: now - 10,
    notAfter: now + DAY,
    uris: ["spiffe://example.org"],
    dnsNames: { length: 0 },
    basicConstraints: { ca: true },
    keyUsageCritical: true,
    subjectKeyId: x509.id,
    authorityKeyId: x509.id,
  });
  t.equal(certificate.basicConstraints?.pathLen, undefined);
  t.equal(certificate.extKeyUsage, undefined);
  t.same([...(certificate.keyUsage ?? [])].sort(), ["cRLSign", "keyCertSign"]);
  t.same(certificate.subject, certificate.issuer);
  const serial = BigInt(`0x${certificate.serial}`).toString();
  t.equal(formatName(certificate.subject), `C=US, O=SPIFFE, serialNumber=${serial}`);
  await verifyChain([certificate], [certificate], now);

  const jwt = set.activeJwt();
  t.match(jwt.keyId, /^[A-Za-z0-9]{32}$/);
  t.same(bundle.jwtAuthorities, [
    {
      keyId: jwt.keyId,
      publicKey: new Uint8Array(jwt.signer.publicKey),
      expiresAt: now + DAY,
      tainted: false,
    },
  ]);
  for (const kind of KINDS) t.same(statuses(set, kind), ["active"]);
});

for (const kind of KINDS) {
  t.test(`${kind}: prepare, activate, taint, revoke`, async (t) => {
    await using domain = await Domain.open();
    await using set = await domain.authorities();
    const first = activeId(set, kind);

    const next = await set.prepare(kind);
    t.equal(next.status, "prepared");
    t.equal(activeId(set, kind), first, "a prepared one does not sign");
    t.same(await published(domain, kind), [first, next.id], "but is published");
    t.same(statuses(set, kind), ["active", "prepared"]);

    await set.activate(kind, next.id);
    t.equal(activeId(set, kind), next.id);
    t.same(statuses(set, kind), ["old", "active"]);
    t.same(await published(domain, kind), [first, next.id]);
    t.equal((await domain.keyManager.list()).length, 2, "the old one's key is deleted");

    await set.taint(kind, first);
    t.same(await tainted(domain, kind), [first]);
    t.same(await published(domain, kind), [first, next.id], "a tainted one still verifies");

    await set.revoke(kind, first);
    t.same(await published(domain, kind), [next.id]);
    t.same(statuses(set, kind), ["active"]);
    const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
    const journal = [...(await domain.datastore.authorities.list("trust-domain"))].sort(byId);
    t.same(journal, [...set.records("x509"), ...set.records("jwt")].sort(byId));
  });

  t.test(`${kind}: steps out of order are refused with the next step`, async (t) => {
    await using domain = await Domain.open();
    await using set = await domain.authorities();
    const old = activeId(set, kind);
    const active = (await set.prepare(kind)).id;
    await set.activate(kind, active);
    const prepared = (await set.prepare(kind)).id;
    const before = await domain.bundle();
    const precondition = "precondition";

    const cases: readonly [string, () => Promise<unknown>, RegExp][] = [
      ["activate active", () => set.activate(kind, active), /is active; only a prepared one/],
      ["activate old", () => set.activate(kind, old), /is old; .*: prepare one first$/],
      ["taint active", () => set.taint(kind, active), /is active; prepare and activate another/],
      ["taint prepared", () => set.taint(kind, prepared), /is prepared and signed nothing yet/],
      ["revoke untainted", () => set.revoke(kind, old), /is old and not tainted; taint it first/],
      ["revoke active", () => set.revoke(kind, active), /is active .* replace it, then taint/],
      ["revoke prepared", () => set.revoke(kind, prepared), /is prepared .* replace it/],
    ];
    for (const [name, step, message] of cases) {
      await refused(t, step(), { kind: precondition, message }, name);
    }
    for (const id of ["", "unknown", "x".repeat(10_000), other(set, kind)]) {
      for (const step of ["activate", "taint", "revoke"] as const) {
        const message =
          /^no (X\.509|JWT) authority '.{0,64}' in the trust domain; 'assay authority/;
        await refused(t, set[step](kind, id), { kind: "not_found", message }, `${step} unknown`);
      }
    }
    await set.taint(kind, old);
    await refused(
      t,
      set.taint(kind, old),
      { kind: precondition, message: /is tainted already; revoke it next$/ },
      "taint twice",
    );
    await set.revoke(kind, old);
    await refused(t, set.revoke(kind, old), { kind: "not_found" }, "revoke twice");
    t.equal((await domain.bundle()).sequence, before.sequence + 2, "refusals change nothing");
    t.same(statuses(set, kind), ["active", "prepared"]);
  });

  t.test(`${kind}: a second prepare replaces the first`, async (t) => {
    await using domain = await Domain.open();
    await using set = await domain.authorities();
    const [first, second] = await Promise.all([set.prepare(kind), set.prepare(kind)]);
    t.same(statuses(set, kind), ["active", "old", "prepared"]);
    t.equal((await published(domain, kind)).length, 3);
    await refused(t, set.activate(kind, first.id), { kind: "precondition" });
    await set.activate(kind, second.id);
    await set.taint(kind, first.id);
    await set.revoke(kind, first.id);
    t.equal((await published(domain, kind)).length, 2);
  });

  t.test(`${kind}: a restart keeps the slots`, async (t) => {
    await using domain = await Domain.open();
    const before = await domain.authorities();
    const next = await before.prepare(kind);
    const id = activeId(before, kind);
    const records = before.records(kind);
    await before[Symbol.asyncDispose]();
    const { sequence } = await domain.bundle();

    await using after = await domain.authorities();
    t.equal(activeId(after, kind), id);
    t.same(after.records(kind), records);
    t.equal((await domain.bundle()).sequence, sequence, "nothing is published anew");
    await after.activate(kind, next.id);
    t.ok(await signerOf(after, kind).sign(Buffer.from("x")));
  });

  t.test(
    `${kind}: when the keys are gone, another takes over and the old one stays trusted`,
    async (t) => {
      await using domain = await Domain.open();
      const before = await domain.authorities();
      const id = activeId(before, kind);
      const prepared = (await before.prepare(kind)).id;
      await before[Symbol.asyncDispose]();
      domain.keyManager = await openMemoryKeyManager();

      await using after = await domain.authorities();
      const now = activeId(after, kind);
      t.equal([id, prepared].includes(now), false);
      t.same(statuses(after, kind), ["old", "old", "active"]);
      t.same(await published(domain, kind), [id, prepared, now]);
      await refused(t, after.activate(kind, prepared), { kind: "precondition" });

      domain.pass(2 * DAY + 1);
      await after.rotate();
      t.equal((await published(domain, kind)).includes(id), false, "until a day after its end");
    },
  );

  t.test(`${kind}: another key under the same name is not used`, async (t) => {
    await using domain = await Domain.open();
    const before = await domain.authorities();
    const id = activeId(before, kind);
    await before[Symbol.asyncDispose]();
    for (const name of await domain.keyManager.list()) {
      await domain.keyManager.generate(name, "ec-p256");
    }
    await using after = await domain.authorities();
    t.equal(activeId(after, kind) === id, false);
  });

  t.test(`${kind}: what is not published does not sign`, async (t) => {
    await using domain = await Domain.open();
    let broken = false;
    const datastore: Datastore = Object.create(domain.datastore, {
      transaction: {
        value: (work: Parameters<Datastore["transaction"]>[0]) =>
          domain.datastore.transaction(async (writers) => {
            await work(writers);
            if (broken) throw fail("unavailable", "disk full");
          }),
      },
    }) as Datastore;
    for (const name of [
      "entries",
      "nodes",
      "tokens",
      "bundles",
      "authorities",
      "changes",
    ] as const) {
      Object.defineProperty(datastore, name, { value: domain.datastore[name] });
    }
    await using set = await domain.authorities({ datastore });
    const id = activeId(set, kind);
    const next = await set.prepare(kind);
    const keys = await domain.keyManager.list();
    const records = set.records(kind);
    broken = true;
    await refused(t, set.prepare(kind), { kind: "unavailable" }, "prepare");
    await refused(t, set.activate(kind, next.id), { kind: "unavailable" }, "activate");
    domain.pass(DAY - HOUR);
    await refused(t, set.rotate(), { kind: "unavailable" }, "rotate");
    t.equal(activeId(set, kind), id);
    t.same(set.records(kind), records);
    t.same(await domain.keyManager.list(), keys, "no key is left behind");
    domain.pass(2 * HOUR);
    t.throws(() => activeId(set, kind), { kind: "unavailable", message: /can sign now/ }, "ended");
    broken = false;
    await set.rotate();
    t.equal(activeId(set, kind) === id, false, "heals with the next round");
  });
}

t.test(
  "a restart on disk: the same authorities sign, from sealed keys and the journal",
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), "assay-ca-"));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const ids: string[] = [];
    for (let start = 0; start < 3; start++) {
      const clock = new VirtualClock();
      const path = join(dir, "datastore.db");
      await using datastore = await openSqliteDatastore({ path, clock, logger: silentLogger });
      const keys = { dir: join(dir, "keys"), keyFile: join(dir, "sealing.key") };
      await using keyManager = await openDiskKeyManager({ ...keys, random: systemRandom });
      await using domain = await Domain.open();
      await using set = await domain.authorities({ datastore, keyManager, clock });
      const { id, signer, certificate } = set.activeX509();
      t.same(signer.publicKey, certificate.publicKey);
      ids.push(`${id} ${set.activeJwt().keyId}`);
      t.equal((await keyManager.list()).length, 2);
    }
    t.equal(new Set(ids).size, 1);
  },
);

t.test(
  "keys without a journal line, as a crash leaves them, are deleted at the start",
  async (t) => {
    await using domain = await Domain.open();
    await domain.keyManager.generate("trust-domain.x509.0123456789abcdef", "ec-p256");
    await domain.keyManager.generate("web.x509.0123456789abcdef", "ec-p256");
    await using set = await domain.authorities();
    const kept = [...set.records("x509"), ...set.records("jwt")].map(({ keyName }) => keyName);
    t.same(await domain.keyManager.list(), [...kept, "web.x509.0123456789abcdef"].sort());
  },
);

t.test("other sets have journals and keys of their own and are in nobody's bundle", async (t) => {
  await using domain = await Domain.open();
  await using own = await domain.authorities();
  const { sequence } = await domain.bundle();
  await using web = await domain.authorities({ name: "web" });
  await web.prepare("x509");
  await web.rotate();
  t.equal((await domain.bundle()).sequence, sequence);
  t.equal(own.activeX509().id === web.activeX509().id, false);
  t.same(statuses(web, "x509"), ["active", "prepared"]);
  t.same(statuses(own, "x509"), ["active"]);
  await using again = await domain.authorities({ name: "web" });
  t.equal(again.activeX509().id, web.activeX509().id);
  t.equal((await domain.keyManager.list()).length, 5);
  for (const name of ["", "Web", "../x", "a.b", "a".repeat(65)]) {
    await t.rejects(domain.authorities({ name }), { name: "TypeError" }, name);
  }
});

t.test("what others added to the own bundle stays, until a day after its end", async (t) => {
  await using domain = await Domain.open();
  await using set = await domain.authorities();
  const { signer } = await generateKey("ec-p256");
  const expiresAt = domain.now + HOUR;
  const foreign = { keyId: "nested", publicKey: signer.publicKey, expiresAt, tainted: false };
  await domain.datastore.transaction((writers) =>
    publishOwnBundle(writers, TRUST_DOMAIN, domain.now, (bundle) => ({
      ...bundle,
      jwtAuthorities: [...bundle.jwtAuthorities, foreign],
    })),
  );
  await set.prepare("jwt");
  t.equal((await published(domain, "jwt")).includes("nested"), true);
  domain.pass(DAY + HOUR + 1);
  await set.rotate();
  t.equal((await published(domain, "jwt")).includes("nested"), false);
});

t.test("an authority that someone took out of the bundle is back before it signs", async (t) => {
  await using domain = await Domain.open();
  await using set = await domain.authorities();
  const { id } = await set.prepare("x509");
  await domain.datastore.transaction(({ bundles }) => bundles.delete(TRUST_DOMAIN.name));
  await set.activate("x509", id);
  t.same(await published(domain, "x509"), [id]);
});

t.test("by-hand preparation has a bound", async (t) => {
  await using domain = await Domain.open();
  await using set = await domain.authorities();
  for (let i = 1; i < 64; i++) await set.prepare("jwt");
  const message = /holds 64 authorities of this kind; taint and revoke old ones/;
  await refused(t, set.prepare("jwt"), { kind: "limited", message });
  const [, old] = set.records("jwt");
  await set.taint("jwt", old?.id ?? "");
  await set.revoke("jwt", old?.id ?? "");
  t.ok(await set.prepare("jwt"), "room was made");
  domain.pass(DAY);
  await set.rotate();
  t.same(statuses(set, "jwt").slice(-1), ["active"], "rotation by the clock is not held up");
});

t.test("a server that loses its keys at each start does not fill the bundle", async (t) => {
  await using domain = await Domain.open();
  let first = "";
  for (let start = 0; start < 130; start++) {
    domain.keyManager = await openMemoryKeyManager();
    await using set = await domain.authorities();
    if (start === 0) first = activeId(set, "jwt");
    if (start === 129) t.equal((await published(domain, "jwt")).at(-1), activeId(set, "jwt"));
  }
  for (const kind of KINDS) t.equal((await published(domain, kind)).length, 128);
  t.equal((await published(domain, "jwt")).includes(first), false, "the oldest make room");
  t.equal((await domain.datastore.authorities.list("trust-domain")).length, 256);
});

t.test("after a long sleep, the server signs again within one round", async (t) => {
  await using domain = await Domain.open();
  const before = await domain.authorities();
  const id = activeId(before, "x509");
  await before[Symbol.asyncDispose]();
  domain.pass(10 * DAY);
  const lines: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => lines.push(message) };
  await using after = await domain.authorities({ logger });
  t.equal(activeId(after, "x509") === id, false);
  t.match(lines[0], /cannot sign any more; another takes over/);
  t.equal((await domain.bundle()).x509Authorities.length, 1, "the ended one is gone");
});

t.test("a prepared one that is nearly over is not waited for", async (t) => {
  await using domain = await Domain.open();
  await using set = await domain.authorities();
  await set.prepare("x509");
  domain.pass(DAY - HOUR);
  await set.rotate();
  t.same(statuses(set, "x509"), ["active", "old", "prepared"]);
  domain.pass(1000);
  await set.rotate();
  t.same(statuses(set, "x509"), ["old", "old", "active"]);
  t.equal(set.activeX509().notAfter > domain.now + 23 * HOUR, true);
});

t.test("a clock that was set back", async (t) => {
  await using domain = await Domain.open();
  await using set = await domain.authorities();
  const prepared = await set.prepare("x509");
  const id = activeId(set, "x509");
  domain.pass(-200);
  await set.rotate();
  t.equal(activeId(set, "x509"), id, "a little is borne");
  domain.pass(-DAY);
  t.throws(() => activeId(set, "x509"), { kind: "unavailable", message: /can sign now/ });
  const message = /cannot sign \(it begins in the future\); prepare another one/;
  await refused(t, set.activate("x509", prepared.id), { kind: "precondition", message });
  await set.rotate();
  t.same(statuses(set, "x509"), ["old", "old", "active"]);
  t.equal(set.activeX509().notAfter, domain.now + DAY);
  t.same(statuses(set, "jwt"), ["old", "active"]);
});

t.test("trouble with one kind does not stop the other", async (t) => {
  await using domain = await Domain.open();
  const { keyManager } = domain;
  let broken = false;
  const picky: KeyManager = {
    generate: (name, keyType) =>
      broken && name.includes("x509")
        ? Promise.reject(fail("unavailable", "no X.509 keys today"))
        : keyManager.generate(name, keyType),
    get: (name) => keyManager.get(name),
    list: () => keyManager.list(),
    delete: (name) => keyManager.delete(name),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await using set = await domain.authorities({ keyManager: picky });
  broken = true;
  domain.pass(13 * HOUR);
  await refused(t, set.rotate(), { kind: "unavailable", message: /no X\.509 keys today/ });
  t.same(statuses(set, "jwt"), ["active", "prepared"]);
  t.same(statuses(set, "x509"), ["active"]);
});

t.test("start: rotation runs by itself, in one loop", async (t) => {
  await using domain = await Domain.open();
  const errors: string[] = [];
  const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) };
  const profile = { keyType: "ec-p256", ttlSeconds: HOUR } as const;
  const set = await domain.authorities({
    logger,
    x509: profile,
    jwt: profile,
    longestTtlSeconds: { x509: 60, jwt: 60 },
  });
  set.start();
  set.start();
  const id = activeId(set, "x509");
  await domain.rounds(60_000);
  t.equal(domain.clock.timers, 1, "one loop, however often it is started");
  await domain.rounds(31 * 60_000);
  t.same(statuses(set, "x509"), ["active", "prepared"]);
  await domain.rounds(18 * 60_000);
  t.not(activeId(set, "x509"), id, "another signs");
  t.same(errors, []);
  await set[Symbol.asyncDispose]();
  t.equal(domain.clock.timers, 0);
});

function statuses(set: AuthoritySet, kind: AuthorityKind): readonly string[] {
  return set.records(kind).map(({ status }) => status);
}

function activeId(set: AuthoritySet, kind: AuthorityKind): string {
  return kind === "x509" ? set.activeX509().id : set.activeJwt().keyId;
}

function signerOf(set: AuthoritySet, kind: AuthorityKind) {
  return kind === "x509" ? set.activeX509().signer : set.activeJwt().signer;
}

/** An id that is there, but of the other kind. */
function other(set: AuthoritySet, kind: AuthorityKind): string {
  return activeId(set, kind === "x509" ? "jwt" : "x509");
}

async function published(domain: Domain, kind: AuthorityKind): Promise<readonly string[]> {
  return (await authoritiesOf(domain, kind)).map(({ id }) => id);
}

async function tainted(domain: Domain, kind: AuthorityKind): Promise<readonly string[]> {
  return (await authoritiesOf(domain, kind)).filter((each) => each.tainted).map(({ id }) => id);
}

async function authoritiesOf(
  domain: Domain,
  kind: AuthorityKind,
): Promise<readonly { id: string; tainted: boolean }[]> {
  const { x509Authorities, jwtAuthorities } = await domain.bundle();
  if (kind === "jwt") return jwtAuthorities.map(({ keyId: id, tainted }) => ({ id, tainted }));
  return x509Authorities.map(({ der, tainted }) => {
    return { id: parseCertificate(der).subjectKeyId ?? "", tainted };
  });
}
