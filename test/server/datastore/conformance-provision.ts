import type { ProvisionGrant } from "../../../src/server/datastore/provision.ts";
import type { Check } from "./conformance.ts";
import { rejectsWith, walk } from "./samples.ts";

const GRANT: ProvisionGrant = {
  hash: "ab",
  commonName: "web.example.org",
  dnsNames: ["web.example.org", "www.example.org"],
  ipAddresses: ["192.0.2.1"],
  lifeSeconds: 60,
  spiffeId: "spiffe://example.org/web",
  entryId: "web",
  grantedBy: "local",
  createdAt: 1,
  expiresAt: 100,
  failures: 2,
  withdrawn: false,
};

export async function provisionConformance(check: Check): Promise<void> {
  await check("authorizations of provision", async (t, { store, reopen }) => {
    const put = (grant: ProvisionGrant) => store.transaction((w) => w.provisionGrants.put(grant));
    await put(GRANT);
    t.same(await store.provisionGrants.get("ab"), GRANT);
    t.equal(await store.provisionGrants.get("cd"), undefined);
    t.equal(await store.provisionGrants.findBySerial(""), undefined, "none has a serial yet");
    const certificate = {
      keyHash: "ee",
      serial: "1f",
      previousSerial: "",
      chain: ["AAAA", "BBBB"],
      notAfter: 200,
    };
    const used = { ...GRANT, withdrawn: true, certificate };
    await put(used);
    t.same(await store.provisionGrants.findBySerial("1f"), used);
    const renewed = {
      ...used,
      certificate: { ...certificate, serial: "2f", previousSerial: "1f" },
    };
    await put(renewed);
    t.same(await store.provisionGrants.findBySerial("1f"), renewed, "the one before, too");
    t.same(await store.provisionGrants.findBySerial("2f"), renewed);
    const other = { ...GRANT, hash: "aa" };
    await put(other);
    t.equal(await store.provisionGrants.count(), 2);
    const walked = await walk(
      (page) => store.provisionGrants.list(page),
      1,
      ({ hash }) => hash,
    );
    t.same(walked, ["aa", "ab"]);
    t.equal((await store.provisionGrants.list()).items.length, 2);
    t.equal(await store.changes.current(), 0, "they are not in the change feed");
    const again = reopen === undefined ? store : await reopen();
    t.same(await again.provisionGrants.get("ab"), renewed, "and survive");
    const prune = (now: number) => again.transaction((w) => w.provisionGrants.prune(now));
    t.equal(await prune(100), 0);
    t.equal(await prune(101), 1, "one without a certificate goes with its token");
    t.equal(await prune(200), 0);
    t.equal(await prune(201), 1, "one with it when that has ended");
    await again.transaction((w) => w.provisionGrants.put(GRANT));
    t.equal(await again.transaction((w) => w.provisionGrants.delete("ab")), true);
    t.equal(await again.transaction((w) => w.provisionGrants.delete("ab")), false);
    await again.transaction(async ({ provisionGrants: grants }) => {
      await grants.put({ ...GRANT, hash: "a", grantedBy: "token ci" });
      await grants.put({ ...GRANT, hash: "b", grantedBy: "token ci" });
      await grants.put({ ...GRANT, hash: "c", grantedBy: "token ci", certificate });
      await grants.put({ ...GRANT, hash: "d", grantedBy: "token ci2" });
    });
    const unused = () => again.transaction((w) => w.provisionGrants.deleteUnused("token ci"));
    t.equal(await unused(), 2);
    t.equal(await unused(), 0);
    t.same(
      (await again.provisionGrants.list()).items.map(({ hash }) => hash),
      ["c", "d"],
      "what was used stays, and what others authorized",
    );
  });

  await check("api tokens of provision", async (t, { store }) => {
    const token = {
      hash: "ab",
      name: "ci",
      allowNames: ["*.example.org"],
      allowEntries: true,
      createdAt: 1,
      expiresAt: 100,
    };
    const create = (change: object) =>
      store.transaction((w) => w.provisionApiTokens.create({ ...token, ...change }));
    await create({});
    await rejectsWith(t, "exists", () => create({ hash: "cd" }));
    await rejectsWith(t, "exists", () => create({ name: "other" }));
    await create({ hash: "cd", name: "a", allowEntries: false, allowNames: [] });
    t.same(await store.provisionApiTokens.get("ab"), token);
    t.equal(await store.provisionApiTokens.get("ef"), undefined);
    t.same(
      (await store.provisionApiTokens.list()).map(({ name }) => name),
      ["a", "ci"],
    );
    t.equal(await store.transaction((w) => w.provisionApiTokens.delete("a")), true);
    t.equal(await store.transaction((w) => w.provisionApiTokens.delete("a")), false);
    t.equal(await store.transaction((w) => w.provisionApiTokens.prune(100)), 0);
    t.equal(await store.transaction((w) => w.provisionApiTokens.prune(101)), 1);
  });
}
