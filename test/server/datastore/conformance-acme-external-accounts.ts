import type { Check } from "./conformance.ts";
import { rejectsWith, walk } from "./samples.ts";

export async function acmeExternalAccountsConformance(check: Check): Promise<void> {
  await check("external accounts of acme", async (t, { store, reopen }) => {
    const record = {
      id: "k1",
      macKey: "c2VjcmV0",
      entryId: "web",
      names: [".example.org"],
      networks: ["10.0.0.0/8"],
      reusable: true,
      expiresAt: 100,
      createdAt: 1,
      accounts: 0,
    };
    const create = (change: object) =>
      store.transaction((w) => w.acmeExternalAccounts.create({ ...record, ...change }));
    await create({});
    await rejectsWith(t, "exists", () => create({ macKey: "b3RoZXI=" }));
    await create({ id: "k0", reusable: false, names: [], networks: [], entryId: "" });
    await create({ id: "k2", expiresAt: 0 });
    t.same(await store.acmeExternalAccounts.get("k1"), record);
    t.equal(await store.acmeExternalAccounts.get("none"), undefined);
    t.equal(await store.acmeExternalAccounts.count(), 3);
    t.equal((await store.acmeExternalAccounts.list()).items.length, 3);
    const walked = await walk(
      (page) => store.acmeExternalAccounts.list(page),
      1,
      ({ id }) => id,
    );
    t.same(walked, ["k0", "k1", "k2"]);
    t.equal(await store.transaction((w) => w.acmeExternalAccounts.bind("k1")), true);
    t.equal(await store.transaction((w) => w.acmeExternalAccounts.bind("none")), false);
    t.equal(await store.changes.current(), 0, "they are not in the change feed");
    const again = reopen === undefined ? store : await reopen();
    const bound = { ...record, accounts: 1 };
    t.same(await again.acmeExternalAccounts.get("k1"), bound, "counted, and there again");
    const prune = (now: number) => again.transaction((w) => w.acmeExternalAccounts.prune(now));
    t.equal(await prune(100), 0);
    t.equal(await prune(101), 1, "k0: k1 has an account, k2 no end");
    t.equal(await again.transaction((w) => w.acmeExternalAccounts.delete("k1")), true);
    t.equal(await again.transaction((w) => w.acmeExternalAccounts.delete("k1")), false);
    t.equal(await again.acmeExternalAccounts.count(), 1);
  });
}
