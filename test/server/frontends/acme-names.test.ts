/** Who may have which names by ACME, external accounts, and how often. */
import t, { type Test } from "tap";
import { acmeLimits, limitLines } from "../../../src/config/sections/acme-limits-section.ts";
import { acmeNames } from "../../../src/config/sections/acme-names-section.ts";
import { acmeValidation } from "../../../src/config/sections/acme-validation-section.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { Datastore } from "../../../src/server/datastore/contract.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import type { PolicyIdentifier } from "../../../src/server/frontends/acme/contract.ts";
import { ConfiguredNames } from "../../../src/server/frontends/acme/policy/configured-names.ts";
import {
  type NewExternalAccount,
  StoredExternalAccounts,
} from "../../../src/server/frontends/acme/policy/external-accounts.ts";
import { AcmeRateLimits } from "../../../src/server/frontends/acme/policy/rate-limits.ts";
import { refused } from "../../support/refused.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { sampleEntry } from "../datastore/samples.ts";

const NO_NAMES = acmeNames(undefined);
const NONE: NewExternalAccount = {
  entryId: "",
  names: [],
  networks: [],
  reusable: false,
  ttlSeconds: 0,
};

async function startRig(t: Test): Promise<{
  readonly clock: VirtualClock;
  readonly store: Datastore;
  readonly external: StoredExternalAccounts;
}> {
  const clock = new VirtualClock();
  const store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  t.teardown(() => store[Symbol.asyncDispose]());
  const random = new SeededRandom();
  return {
    clock,
    store,
    external: new StoredExternalAccounts({ store, clock, random, required: () => true }),
  };
}

/** `*.` makes a wildcard, digits or colons an address. */
function identifier(text: string): PolicyIdentifier {
  if (/^[\d.]+$|:/.test(text)) return { type: "ip", value: text, wildcard: false };
  return { type: "dns", value: text.replace(/^\*\./, ""), wildcard: text.startsWith("*.") };
}

/** @returns those that are refused */
async function refusedOf(
  policy: ConfiguredNames,
  names: readonly string[],
  externalAccountId?: string,
): Promise<string[]> {
  const account = { id: "a1", ...(externalAccountId === undefined ? {} : { externalAccountId }) };
  const refusals = await policy.check({
    account,
    identifiers: names.map(identifier),
    profile: "server-90d",
  });
  return refusals.map(({ identifier: { wildcard, value }, problem }) => {
    if (problem.type !== "rejectedIdentifier") throw new Error(problem.type);
    return `${wildcard ? "*." : ""}${value}`;
  });
}

t.test("names that the operator listed, and no others", async (t) => {
  const { store, clock } = await startRig(t);
  const all = [
    "example.org",
    "a.example.org",
    "b.a.example.org",
    "*.example.org",
    "*.a.example.org",
    "other.org",
    "xexample.org",
    "org",
    "localhost",
    "10.1.2.3",
    "11.1.2.3",
    "fd00::1",
    "fe00::1",
  ];
  const cases: [readonly string[], readonly string[], readonly string[]][] = [
    [[], [], []],
    [["example.org"], [], ["example.org"]],
    [["Example.ORG"], [], ["example.org"]],
    [["localhost"], [], ["localhost"]],
    [[".example.org"], [], ["a.example.org", "b.a.example.org"]],
    [["*.example.org"], [], ["a.example.org", "*.example.org"]],
    [["*.a.example.org"], [], ["b.a.example.org", "*.a.example.org"]],
    [
      [".org"],
      [],
      ["example.org", "a.example.org", "b.a.example.org", "other.org", "xexample.org"],
    ],
    [[], ["10.0.0.0/8", "fd00::/8"], ["10.1.2.3", "fd00::1"]],
    [[], ["10.1.2.3"], ["10.1.2.3"]],
    [[], ["::/0"], ["fd00::1", "fe00::1"]],
  ];
  for (const [dns, ip, allowed] of cases) {
    const config = acmeNames({ dns, ip, externalAccountRequired: false });
    const policy = new ConfiguredNames({ config, store, clock });
    const title = [...dns, ...ip].join(" ");
    t.same(
      await refusedOf(policy, all),
      all.filter((name) => !allowed.includes(name)),
      title,
    );
  }
  const changing = new ConfiguredNames({ config: acmeNames(undefined), store, clock });
  const change = changing.change({ ...NO_NAMES, dns: ["example.org"], ip: ["10.0.0.0/8"] });
  t.same(await refusedOf(changing, ["example.org"]), ["example.org"], "not yet");
  change();
  t.same(await refusedOf(changing, ["example.org", "10.1.2.3", "other.org"]), ["other.org"]);
  t.throws(() => changing.change({ ...NO_NAMES, ip: ["x"] }), { message: /no IP address/ });
  const silent = new ConfiguredNames({ config: acmeNames(undefined), store, clock });
  t.same(await refusedOf(silent, all), all, "the default is nothing");
});

t.test("an external account's names stand in for the others", async (t) => {
  const { store, external, clock } = await startRig(t);
  const entry = { ...sampleEntry("web"), dnsNames: ["Web.example.org", "*.web.example.org"] };
  await store.transaction((w) => w.entries.create(entry));
  const config = acmeNames({ dns: ["shared.org"], ip: [], externalAccountRequired: true });
  const policy = new ConfiguredNames({ config, store, clock });
  const names = ["shared.org", "own.org", "web.example.org", "*.web.example.org", "10.0.0.1"];
  const mayHave = async (id: string | undefined): Promise<string[]> => {
    const refused = await refusedOf(policy, names, id);
    return names.filter((name) => !refused.includes(name));
  };
  const made = async (change: Partial<NewExternalAccount>): Promise<string> =>
    (await external.create({ ...NONE, ...change })).id;
  t.same(await mayHave(await made({})), ["shared.org"]);
  t.same(await mayHave(await made({ names: ["OWN.org"] })), ["own.org"]);
  t.same(await mayHave(await made({ networks: ["10.0.0.0/8"] })), ["10.0.0.1"]);
  const bound = await made({ entryId: "web" });
  t.same(await mayHave(bound), ["web.example.org", "*.web.example.org"]);
  t.same(await mayHave(await made({ entryId: "web", names: ["own.org"] })), ["own.org"]);
  const until = (expiresAt: number) =>
    store.transaction((w) => w.entries.update({ ...entry, expiresAt }));
  const now = clock.nowMs() / 1000;
  await until(now + 1);
  t.same(await mayHave(bound), ["web.example.org", "*.web.example.org"], "it has not expired yet");
  await until(now);
  t.same(await mayHave(bound), [], "the entry has expired, and nobody has pruned it");
  await store.transaction((w) => w.entries.delete("web"));
  t.same(await mayHave(bound), [], "the entry is gone");
  t.same(await mayHave(undefined), [], "an account from before they were required");
  const spent = await made({ names: ["own.org"], ttlSeconds: 1 });
  await store.transaction((w) => external.use(w, spent));
  t.same(await mayHave(spent), ["own.org"], "spent, not taken back");
  await external.delete(spent);
  t.same(await mayHave(spent), [], "taken back");
});

t.test("external accounts: once or often, for a time, until they are deleted", async (t) => {
  const { store, external, clock } = await startRig(t);
  const use = (id: string) => store.transaction((w) => external.use(w, id));
  const once = await external.create(NONE);
  const key = Buffer.from(once.macKey, "base64");
  t.equal(key.length, 32);
  t.same(await external.find(once.id), { id: once.id, macKey: new Uint8Array(key) });
  const uses = await Promise.allSettled([use(once.id), use(once.id), use(once.id)]);
  t.equal(uses.filter(({ status }) => status === "fulfilled").length, 1, "one of three at once");
  await refused(t, use(once.id), { kind: "denied" });
  t.equal(await external.find(once.id), undefined);
  t.equal((await external.bound(once.id))?.id, once.id);

  const often = await external.create({ ...NONE, reusable: true });
  t.equal(often.expiresAt, 0);
  await use(often.id);
  await use(often.id);
  t.equal((await external.find(often.id))?.id, often.id);
  t.match(
    (await external.list({ size: 10 })).items.map(({ accounts }) => accounts).sort((a, b) => a - b),
    [1, 2],
  );

  const late = await external.create({ ...NONE, ttlSeconds: 60, reusable: true });
  await use(late.id);
  await clock.advance(60_000);
  t.equal(await external.find(late.id), undefined);
  await refused(t, use(late.id), { kind: "denied" }, "expired");
  t.ok(await external.bound(late.id), "who was bound stays so");
  await external.delete(late.id);
  t.equal(await external.bound(late.id), undefined);
  await refused(t, external.delete(late.id), { kind: "not_found" });
  await refused(t, use(late.id), { kind: "denied" }, "deleted");
  await refused(t, use("unknown"), { kind: "denied" });

  await refused(t, external.create({ ...NONE, entryId: "none" }), { kind: "not_found" });
  const bad: [Partial<NewExternalAccount>, RegExp][] = [
    [{ names: ["ok.org", "a..b"] }, /^names\[1\]: 'a\.\.b' is no rule for names \(/],
    [{ names: ["10.0.0.1"] }, /it is an address/],
    [{ networks: ["10.0.0.0/33"] }, /^networks\[0\]: /],
    [{ ttlSeconds: -1 }, /^ttl: /],
    [{ ttlSeconds: 1e9 }, /^ttl: /],
    [{ names: Array.from({ length: 257 }, (_, i) => `n${i}.org`) }, /^names: are more than 256/],
  ];
  for (const [change, message] of bad) {
    await refused(t, external.create({ ...NONE, ...change }), { kind: "invalid", message });
  }
});

t.test("keys do not look like options of a command line", async (t) => {
  const { store, clock } = await startRig(t);
  let drawn = 0;
  const random = {
    bytes: (length: number) => new Uint8Array(length).fill(drawn++ < 4 ? 0xf8 : 7),
    unit: () => 0,
  };
  const external = new StoredExternalAccounts({ store, clock, random, required: () => true });
  const { id, macKey } = await external.create(NONE);
  t.match(id, /^[0-9a-f]{24}$/);
  t.equal(Buffer.from(macKey, "base64").toString("base64url")[0], "B", "none begins with a hyphen");
});

t.test("rate limits", async (t) => {
  const [X, Y, Z, W] = [identifier("x"), identifier("y"), identifier("z"), identifier("w")];
  const { store, clock } = await startRig(t);
  const limits = {
    accountsPerAddressPerHour: 2,
    ordersPerAccountPerHour: 4,
    duplicatesPerDay: 2,
    failedValidationsPerHour: 2,
  };
  const rate = new AcmeRateLimits({ limits, store: store.acme, clock });
  t.equal(await rate.account("192.0.2.1"), undefined);
  t.equal(await rate.account("::ffff:192.0.2.1"), undefined);
  t.same(await rate.account("192.0.2.1"), {
    retryAfterSeconds: 1800,
    detail: "too many new accounts from this address",
  });
  t.equal(await rate.account("192.0.2.2"), undefined, "another address");
  t.equal(await rate.account("2001:db8::1"), undefined);
  t.equal(await rate.account("2001:db8::2:0:0:1"), undefined);
  t.ok(await rate.account("2001:db8::9"), "one network of 64 bits");
  t.equal(await rate.account("2001:db8:0:1::9"), undefined);
  await clock.advance(1_799_000);
  t.match(await rate.account("192.0.2.1"), { retryAfterSeconds: 1 });
  await clock.advance(1_000);
  t.equal(await rate.account("192.0.2.1"), undefined, "as it was said");

  t.equal(await rate.order("a", [X, Y]), undefined);
  t.equal(await rate.order("a", [Y, X]), undefined);
  t.match(await rate.order("a", [X, Y]), {
    detail: "too many new orders for the very same names",
    retryAfterSeconds: 43_200,
  });
  t.equal(await rate.order("a", [X]), undefined, "a refused one did not count");
  t.equal(await rate.order("a", [Z]), undefined);
  t.match(await rate.order("a", [W]), { detail: /too many new orders of this account/ });
  t.equal(await rate.order("b", [X, Y]), undefined, "another account");

  for (let i = 0; i < 2; i++) {
    t.equal(await rate.mayValidate("a", X), undefined);
    rate.failed("a", X);
  }
  t.match(await rate.mayValidate("a", X), { detail: "too many failed validations of dns:x" });
  rate.failed("a", X);
  t.equal(await rate.mayValidate("a", Y), undefined);
  t.equal(await rate.mayValidate("b", X), undefined);
  await clock.advance(1_800_000);
  t.equal(await rate.mayValidate("a", X), undefined);
  clock.step(-86_400_000);
  rate.failed("a", X);
  t.ok(await rate.mayValidate("a", X), "a clock that was set back fills nothing");

  t.equal(limitLines(limits).length, 4);
  const off = {
    accountsPerAddressPerHour: 0,
    ordersPerAccountPerHour: 0,
    duplicatesPerDay: 0,
    failedValidationsPerHour: 0,
  };
  t.same(limitLines(off), []);
  const free = new AcmeRateLimits({ limits: off, store: store.acme, clock });
  for (let i = 0; i < 5000; i++) free.failed("a", X);
  t.equal(await free.mayValidate("a", X), undefined);
  t.match(acmeLimits(undefined), { failedValidationsPerHour: 10 });
});

t.test("settings that are refused", async (t) => {
  const names = (dns: string[], ip: string[] = []) =>
    acmeNames({ dns, ip, externalAccountRequired: false });
  for (const rule of ["*", "a.*.org", "..org", ".*.org", "a_b.org", "-a.org", "10.0.0.1", "a..b"]) {
    t.throws(
      () => names([rule]),
      { message: /frontends\.acme\.names\.dns: .* is no rule for names/ },
      rule,
    );
  }
  for (const network of ["10.0.0.0/33", "x", "10.0.0.0/8/8", "fe80::1%eth0", "::ffff:10.0.0.1"]) {
    t.throws(() => names([], [network]), { message: /frontends\.acme\.names\.ip: / }, network);
  }
  const defaults = {
    resolverTimeout: 2000,
    timeout: 10,
    httpPort: 80,
    httpsPort: 443,
    tlsPort: 443,
    redirects: 5,
    refusedNetworks: [],
    caaIdentities: [],
  };
  const validation = (change: object) => acmeValidation({ ...defaults, ...change });
  t.same(
    validation({ resolvers: ["10.0.0.53", "10.0.0.53:5353", "fd00::53", "[fd00::53]:53"] })
      .resolvers,
    ["10.0.0.53", "10.0.0.53:5353", "[fd00::53]", "[fd00::53]:53"],
  );
  for (const resolver of ["dns.example.org", "10.0.0.53:0", "10.0.0.53:70000", "300.0.0.1", ""]) {
    t.throws(() => validation({ resolvers: [resolver] }), { message: /resolvers: / }, resolver);
  }
  t.throws(() => validation({ allowedNetworks: ["x"] }), { message: /allowedNetworks: / });
  t.throws(() => validation({ refusedNetworks: ["x"] }), { message: /refusedNetworks: / });
  t.throws(() => validation({ caaIdentities: ["a b"] }), { message: /caaIdentities: / });
  t.same(validation({ caaIdentities: ["CA.example.org"] }).caaIdentities, ["ca.example.org"]);
});
