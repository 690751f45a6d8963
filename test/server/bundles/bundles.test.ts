import t from "tap";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import { BundleService } from "../../../src/server/bundles/bundle-service.ts";
import type { ForeignBundle } from "../../../src/server/bundles/foreign-bundle.ts";
import { settle } from "../../support/virtual-clock.ts";
import { refused } from "../../support/refused.ts";
import { Domain, TRUST_DOMAIN } from "../ca/domain.ts";
import { sampleEntry } from "../datastore/samples.ts";
import { Fixture, openBundles } from "./fixture.ts";

t.test("own: there once an authority is, and follows each change of it", async (t) => {
  await using domain = await Domain.open();
  await using bundles = await openBundles(domain);
  t.throws(() => bundles.own(), { kind: "unavailable", message: /no authority yet/ });
  const changes: string[] = [];
  bundles.onChange((trustDomain) => changes.push(trustDomain));
  await using set = await domain.authorities();
  await settle();
  t.same(bundles.own(), await domain.bundle());
  t.same(bundles.own().refreshHint, 300);
  t.equal(bundles.own(), bundles.own(), "the same object until it changes");
  const before = bundles.own();
  const { id } = await set.prepare("x509");
  await settle();
  t.equal(bundles.own().sequence, before.sequence + 1);
  t.equal(bundles.own().x509Authorities.length, 2);
  await set.activate("x509", id);
  await settle();
  t.equal(bundles.own().sequence, before.sequence + 1, "no change, no new sequence");
  const old = set.records("x509")[0]?.id ?? "";
  await set.taint("x509", old);
  await settle();
  t.same(
    bundles.own().x509Authorities.map(({ tainted }) => tainted),
    [true, false],
  );
  t.same(new Set(changes), new Set(["example.org"]));
  t.same((await bundles.list()).items, [], "the own one is not among the foreign ones");
  t.equal(await bundles.count(), 0);
});

t.test("foreign: create, get, update, set, list, delete", async (t) => {
  await using f = await Fixture.open();
  const { bundles } = f;
  const changes: string[] = [];
  const stop = bundles.onChange((trustDomain) => changes.push(trustDomain));
  const content = f.foreign("b.org", { refreshHint: 60 });

  const created = await bundles.create(content);
  t.match(created, { trustDomain: "b.org", refreshHint: 60, sequence: 1 });
  t.same(await bundles.get("b.org"), created, "read as soon as it is written");
  t.same(plain(created), plain(content));
  await refused(t, bundles.create(content), { kind: "exists", message: /there already; set or/ });

  const updated = await bundles.update("b.org", { refreshHint: 120 });
  t.same(plain(updated), plain({ ...content, refreshHint: 120 }), "the rest stays");
  t.equal(updated.sequence, 2);
  const emptied = await bundles.update("b.org", { jwtAuthorities: [] });
  t.equal(emptied.jwtAuthorities.length, 0);
  t.equal(emptied.x509Authorities.length, content.x509Authorities.length);
  const message = /^there is no bundle of c\.org$/;
  await refused(t, bundles.update("c.org", {}), { kind: "not_found", message });

  await bundles.set(f.foreign("a.org"));
  await bundles.set(f.foreign("b.org"));
  t.same(
    (await bundles.list()).items.map(({ trustDomain }) => trustDomain),
    ["a.org", "b.org"],
  );
  t.equal(await bundles.count(), 2);
  const page = await bundles.list({ size: 1 });
  t.same(
    page.items.map(({ trustDomain }) => trustDomain),
    ["a.org"],
  );
  t.equal(typeof page.nextToken, "string");
  t.equal((await bundles.get("a.org"))?.sequence, 1);
  t.equal((await bundles.set(f.foreign("a.org"))).sequence, 1, "equal content is no change");

  await bundles.delete("a.org", "restrict");
  t.equal(await bundles.get("a.org"), undefined);
  await refused(t, bundles.delete("a.org", "restrict"), { kind: "not_found" });
  t.same(changes, ["b.org", "b.org", "b.org", "a.org", "b.org", "a.org"]);
  stop();
  await bundles.set(f.foreign("a.org"));
  t.equal(changes.length, 6, "unsubscribed");
  t.equal(((await bundles.get("a.org"))?.sequence ?? 0) > 1, true, "sequences never fall");
});

t.test("the own trust domain is never foreign, nor is what is no trust domain", async (t) => {
  await using f = await Fixture.open();
  const { bundles } = f;
  const before = bundles.own();
  for (const [name, message] of [
    ["example.org", /is the server's own trust domain/],
    ["", /trust domain is missing/],
    ["spiffe://b.org", /trust domain characters/],
    ["B.org", /trust domain characters/],
    ["b.org/x", /trust domain characters/],
    ["b".repeat(256), /longer than 255/],
  ] as const) {
    const content = f.foreign(name);
    await refused(t, bundles.create(content), { kind: "invalid", message }, `create ${name}`);
    await refused(t, bundles.set(content), { kind: "invalid", message }, `set ${name}`);
    await refused(t, bundles.update(name, {}), { kind: "invalid", message }, `update ${name}`);
    await refused(
      t,
      bundles.delete(name, "delete"),
      { kind: "invalid", message },
      `delete ${name}`,
    );
  }
  t.equal(bundles.own(), before);
  t.equal(await bundles.count(), 0);
});

t.test("contents out of range are refused whole", async (t) => {
  await using f = await Fixture.open();
  const { bundles } = f;
  const [x509] = f.x509;
  const [jwt] = f.jwt;
  if (x509 === undefined || jwt === undefined) throw new TypeError("the fixture has authorities");
  const many = Array.from({ length: 1001 }, (_, i) => ({ ...jwt, keyId: `k${i}` }));
  const flipped = Uint8Array.from(x509.der);
  flipped[4] = 0xff;
  const cases: Record<string, [Partial<ForeignBundle>, RegExp]> = {
    "no certificate": [
      { x509Authorities: [{ ...x509, der: new Uint8Array() }] },
      /X\.509 authority 1 of b\.org/,
    ],
    "half a certificate": [
      { x509Authorities: [x509, { ...x509, der: x509.der.subarray(0, 50) }] },
      /X\.509 authority 2/,
    ],
    "two in one": [
      { x509Authorities: [{ ...x509, der: Buffer.concat([x509.der, x509.der]) }] },
      /cannot be read/,
    ],
    "a flipped byte": [{ x509Authorities: [{ ...x509, der: flipped }] }, /cannot be read/],
    "a huge certificate": [
      { x509Authorities: [{ ...x509, der: new Uint8Array(70_000) }] },
      /cannot be read/,
    ],
    "no key": [
      { jwtAuthorities: [{ ...jwt, publicKey: new Uint8Array(91) }] },
      /JWT authority 1 of b\.org cannot/,
    ],
    "no key id": [{ jwtAuthorities: [{ ...jwt, keyId: "" }] }, /has no key id of 1\.\.255/],
    "a long key id": [
      { jwtAuthorities: [{ ...jwt, keyId: "k".repeat(256) }] },
      /has no key id of 1\.\.255/,
    ],
    "half a surrogate": [{ jwtAuthorities: [{ ...jwt, keyId: "\ud800" }] }, /has no key id/],
    "a negative end": [{ jwtAuthorities: [{ ...jwt, expiresAt: -1 }] }, /has no valid end/],
    "a fractional end": [{ jwtAuthorities: [{ ...jwt, expiresAt: 0.5 }] }, /has no valid end/],
    "too many": [{ jwtAuthorities: many }, /more than 1000 authorities/],
    "a negative hint": [{ refreshHint: -1 }, /refresh hint of b\.org is not within/],
    "no number as hint": [{ refreshHint: Number.NaN }, /refresh hint/],
    "a hint of centuries": [{ refreshHint: 2 ** 40 }, /refresh hint/],
  };
  for (const [name, [fields, message]] of Object.entries(cases)) {
    const content = f.foreign("b.org", fields);
    await refused(t, bundles.create(content), { kind: "invalid", message }, name);
    t.equal(await bundles.get("b.org"), undefined);
  }
  const most = f.foreign("b.org", { x509Authorities: [], jwtAuthorities: many.slice(0, 1000) });
  t.equal((await bundles.create(most)).jwtAuthorities.length, 1000, "a thousand are fine");
  const doubled = {
    x509Authorities: [x509, x509],
    jwtAuthorities: [jwt, { ...jwt, expiresAt: 5 }],
  };
  const kept = await bundles.set(f.foreign("c.org", doubled));
  t.equal(kept.x509Authorities.length, 1, "twice is once");
  t.equal(kept.jwtAuthorities.length, 1);
  const none = await bundles.set(f.foreign("c.org", { x509Authorities: [], jwtAuthorities: [] }));
  t.same([none.x509Authorities, none.jwtAuthorities], [[], []], "nothing trusted is a bundle too");
});

t.test("delete: what happens to entries that federate with it", async (t) => {
  await using f = await Fixture.open();
  const { bundles } = f;
  const { datastore } = f.domain;
  for (const name of ["a.org", "b.org", "c.org"]) await bundles.set(f.foreign(name));
  await datastore.transaction(async ({ entries }) => {
    await entries.create(sampleEntry("1", { federatesWith: ["a.org", "b.org"] }));
    await entries.create(sampleEntry("2", { federatesWith: ["b.org"] }));
    await entries.create(sampleEntry("3", { federatesWith: ["a.org"] }));
    await entries.create(sampleEntry("4", { federatesWith: [] }));
  });
  const message =
    /^2 entries federate with b\.org; delete them, or use the mode dissociate or delete$/;
  await refused(t, bundles.delete("b.org", "restrict"), { kind: "precondition", message });
  t.ok(await bundles.get("b.org"));

  await bundles.delete("b.org", "dissociate");
  t.equal(await bundles.get("b.org"), undefined);
  t.match(await datastore.entries.get("1"), { federatesWith: ["a.org"], revisionNumber: 1 });
  t.match(await datastore.entries.get("2"), { federatesWith: { length: 0 }, revisionNumber: 1 });
  t.match(await datastore.entries.get("3"), { federatesWith: ["a.org"], revisionNumber: 0 });

  await bundles.delete("a.org", "delete");
  const left = (await datastore.entries.list({})).items.map(({ id }) => id);
  t.same(left.sort(), ["2", "4"]);
  await bundles.delete("c.org", "restrict");
  t.equal(await bundles.count(), 0);
});

t.test("delete: all or nothing", async (t) => {
  await using f = await Fixture.open();
  await f.bundles.set(f.foreign("b.org"));
  const { datastore } = f.domain;
  await datastore.transaction(async ({ entries }) => {
    await entries.create(sampleEntry("1", { federatesWith: ["b.org"] }));
    await entries.create(sampleEntry("2", { federatesWith: ["b.org"] }));
  });
  const before = await f.bundles.get("b.org");
  await datastore[Symbol.asyncDispose]();
  await refused(t, f.bundles.delete("b.org", "delete"), { kind: "unavailable" });
  t.equal(await f.bundles.get("b.org"), before);
});

t.test(
  "two services on one store see each other's writes, and one bad bundle spoils nothing",
  async (t) => {
    await using f = await Fixture.open();
    const errors: string[] = [];
    const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) };
    await using other = await openBundles(f.domain, logger);
    await f.bundles.set(f.foreign("b.org"));
    await settle();
    t.same(await other.get("b.org"), await f.bundles.get("b.org"));
    t.equal(other.own().sequence, f.bundles.own().sequence);

    other.onChange(() => {
      throw new Error("a listener's own trouble");
    });
    const seen: string[] = [];
    other.onChange((trustDomain) => seen.push(trustDomain));
    await f.domain.datastore.transaction(async ({ bundles }) => {
      await bundles.put("bad.org", "{");
      await bundles.put("b.org", "null");
    });
    await f.bundles.set(f.foreign("c.org"));
    await settle();
    t.ok(await other.get("c.org"));
    t.ok(await other.get("b.org"), "the last good one stays");
    t.equal(await other.get("bad.org"), undefined);
    t.same(seen, ["c.org"]);
    t.same(errors, [
      "stored bundle cannot be read",
      "stored bundle cannot be read",
      "listener of bundle changes failed",
    ]);
  },
);

t.test("a reader that fell behind the feed loads everything anew", async (t) => {
  await using f = await Fixture.open();
  const { datastore } = f.domain;
  await f.bundles.set(f.foreign("b.org"));
  let deaf = true;
  const patient = Object.create(datastore, {
    onCommit: {
      value: (listener: (revision: number) => void) =>
        datastore.onCommit((revision) => {
          if (!deaf) listener(revision);
        }),
    },
  }) as Domain["datastore"];
  for (const name of ["bundles", "changes", "entries"] as const) {
    Object.defineProperty(patient, name, { value: datastore[name] });
  }
  await using late = await BundleService.open({
    trustDomain: TRUST_DOMAIN,
    datastore: patient,
    logger: silentLogger,
  });
  await f.bundles.delete("b.org", "restrict");
  await f.bundles.set(f.foreign("c.org"));
  await datastore.pruneChanges(1);
  deaf = false;
  await f.bundles.set(f.foreign("d.org"));
  await settle();
  t.equal(await late.get("b.org"), undefined);
  t.ok(await late.get("c.org"));
  t.ok(await late.get("d.org"));
});

/** What two bundles are compared by; the store counts the sequence. */
function plain(bundle: ForeignBundle): unknown {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return [
    bundle.trustDomain,
    bundle.refreshHint,
    bundle.x509Authorities.map(({ der }) => hex(der)),
    bundle.jwtAuthorities.map(({ keyId, publicKey, expiresAt }) => [
      keyId,
      hex(publicKey),
      expiresAt,
    ]),
  ];
}
