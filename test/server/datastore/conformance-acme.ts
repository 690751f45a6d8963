import type {
  AcmeAccountRecord,
  AcmeAuthorizationRecord,
  AcmeOrderRecord,
} from "../../../src/server/datastore/acme.ts";
import {
  sampleAccount,
  sampleAuthorization,
  sampleCertificate,
  sampleChallenge,
  sampleOrder,
} from "./acme-samples.ts";
import type { Check } from "./conformance.ts";
import { holding, rejectsWith } from "./samples.ts";

export async function acmeConformance(check: Check): Promise<void> {
  await check("acme accounts", async (t, { store, reopen }) => {
    const account = sampleAccount("a");
    await store.transaction((w) => w.acme.createAccount(account));
    t.same(await store.acme.account("a"), account);
    t.same(await store.acme.accountByKey("key-a"), account);
    t.equal(await store.acme.account("b"), undefined);
    t.equal(await store.acme.accountByKey("a"), undefined);
    await rejectsWith(t, "exists", () =>
      store.transaction((w) => w.acme.createAccount({ ...sampleAccount("b"), keyId: "key-a" })),
    );
    await rejectsWith(t, "not_found", () =>
      store.transaction((w) => w.acme.updateAccount(sampleAccount("b"))),
    );
    await store.transaction((w) => w.acme.createAccount(sampleAccount("b")));
    await rejectsWith(t, "exists", () =>
      store.transaction((w) => w.acme.updateAccount({ ...account, keyId: "key-b" })),
    );
    const changed: AcmeAccountRecord = {
      ...account,
      keyId: "key-c",
      jwk: '{"kty":"OKP"}',
      status: "deactivated",
      contact: [],
      termsAgreed: false,
      externalAccountId: "",
      usedAt: 9,
    };
    await store.transaction((w) => w.acme.updateAccount(changed));
    t.same(await store.acme.accountByKey("key-c"), changed);
    t.equal((await store.acme.counts(0)).accounts, 1, "deactivated ones do not count");
    if (reopen === undefined) return;
    const again = await reopen();
    await holding(again, async () => {
      t.same(await again.acme.account("a"), changed);
    });
  });

  await check("acme accounts that are pruned", async (t, { store }) => {
    const account = (id: string, usedAt: number, over: Partial<AcmeAccountRecord> = {}) => ({
      ...sampleAccount(id),
      usedAt,
      ...over,
    });
    const ended = { status: "deactivated" } as const;
    await store.transaction(async ({ acme }) => {
      for (const id of ["order", "authorization", "certificate"]) {
        await acme.createAccount(account(id, 1, ended));
      }
      await acme.createOrder(sampleOrder("o", { accountId: "order" }));
      await acme.createAuthorization(sampleAuthorization("z", { accountId: "authorization" }));
      await acme.createCertificate({ ...sampleCertificate("c"), accountId: "certificate" });
      await acme.createAccount(account("unused", 10));
      await acme.createAccount(account("ended", 50, ended));
      await acme.createAccount(account("revoked", 51, { status: "revoked" }));
      await acme.createAccount(account("used", 50));
    });
    const prune = (endedBefore: number, unusedBefore: number, limit = 10): Promise<number> =>
      store.transaction((w) => w.acme.pruneAccounts({ endedBefore, unusedBefore, limit }));
    const left = async (): Promise<string[]> => {
      const ids = ["order", "authorization", "certificate", "unused", "ended", "revoked", "used"];
      const there = await Promise.all(ids.map((id) => store.acme.account(id)));
      return ids.filter((_, at) => there[at] !== undefined);
    };
    t.equal(await prune(50, 10), 0);
    t.equal(await prune(100, 11, 1), 1, "so many at most");
    t.equal(await prune(51, 11), 1);
    t.same(await left(), ["order", "authorization", "certificate", "revoked", "used"]);
    t.equal(await prune(0, 51), 1, "a valid one is judged by another time");
    t.equal(await prune(100, 0), 1);
    t.same(await left(), ["order", "authorization", "certificate"], "something of it is left");
    await store.transaction((w) => w.acme.prune(2000, 10));
    t.equal(await prune(100, 0), 3);
  });

  await check("what acme's limits are counted by", async (t, { store }) => {
    const account = (id: string, createdAt: number, madeFrom: string): AcmeAccountRecord => ({
      ...sampleAccount(id),
      createdAt,
      madeFrom,
    });
    const failed = (id: string, at: number, over: Partial<AcmeAuthorizationRecord> = {}) => {
      const challenges = [
        sampleChallenge({ type: "dns-01" as const }),
        sampleChallenge({ status: "invalid" as const, validatedAt: at, error: "{}" }),
      ];
      return sampleAuthorization(id, { status: "invalid", challenges, ...over });
    };
    await store.transaction(async ({ acme }) => {
      await acme.createAccount(account("a", 10, "192.0.2.1"));
      await acme.createAccount(account("b", 20, "192.0.2.1"));
      await acme.createAccount(account("c", 30, "192.0.2.1"));
      await acme.createAccount(account("d", 25, "192.0.2.2"));
      await acme.createAccount(account("e", 25, ""));
      for (const [at, id] of ["o", "p", "q"].entries()) {
        await acme.createOrder({ ...sampleOrder(id), createdAt: at });
      }
      await acme.createOrder({ ...sampleOrder("other"), accountId: "other" });
      for (const at of [10, 30, 20]) await acme.createAuthorization(failed(`f${at}`, at));
      await acme.createAuthorization(failed("w", 25, { wildcard: true }));
      await acme.createAuthorization(failed("x", 26, { value: "other.org" }));
      await acme.createAuthorization(failed("y", 26, { accountId: "other" }));
      await acme.createAuthorization(failed("z", 26, { status: "deactivated" }));
    });
    t.same(await store.acme.accountsMade("192.0.2.1", 10, 10), [30, 20], "newest first");
    t.same(await store.acme.accountsMade("192.0.2.1", 0, 1), [30]);
    t.same(await store.acme.accountsMade("", 0, 10), []);
    const { identifiers } = sampleOrder("o");
    const made = await store.acme.ordersMade("account", 2);
    t.match(made, [
      { createdAt: 2, identifiers },
      { createdAt: 1, identifiers },
    ]);
    const older = await store.acme.ordersMade("account", 2, made.at(-1)?.position);
    t.match(older, [{ createdAt: 0 }]);
    t.equal(older.length, 1);
    const filter = { accountId: "account", type: "dns", value: "example.org", since: 10 } as const;
    t.same(await store.acme.failures(filter, 10), [30, 25, 20]);
    t.same(await store.acme.failures(filter, 1), [30]);
    t.same(await store.acme.failures({ ...filter, type: "ip" }, 10), []);
    const forget = (before: number, limit: number): Promise<number> =>
      store.transaction((w) => w.acme.forgetMadeFrom(before, limit));
    t.equal(await forget(10, 10), 0);
    t.equal(await forget(26, 2), 2);
    t.equal(await forget(26, 10), 1);
    t.same(await store.acme.accountsMade("192.0.2.1", 0, 10), [30]);
    t.match(await store.acme.account("a"), { createdAt: 10, madeFrom: "" });
  });

  await check("acme orders", async (t, { store }) => {
    const orders = ["a", "b", "c", "d"].map((id) => sampleOrder(id));
    await store.transaction(async (w) => {
      for (const order of orders) await w.acme.createOrder(order);
      await w.acme.createOrder(sampleOrder("x", { accountId: "other" }));
    });
    t.same(await store.acme.order("a"), orders[0]);
    t.equal(await store.acme.order("none"), undefined);
    const valid: AcmeOrderRecord = {
      ...sampleOrder("b"),
      status: "valid",
      certificateId: "cert",
      expiresAt: 900,
    };
    const invalid: AcmeOrderRecord = { ...sampleOrder("c"), status: "invalid", error: "{}" };
    await store.transaction(async (w) => {
      await w.acme.updateOrder(valid);
      await w.acme.updateOrder(invalid);
    });
    t.same(await store.acme.order("b"), valid);
    t.same(await store.acme.order("c"), invalid);
    t.same(await store.acme.processingOrders(10), []);
    const made = sampleOrder("d", { csr: "MAA", signing: "{}" });
    await store.transaction(async (w) => {
      await w.acme.updateOrder(made);
      await w.acme.updateOrder(sampleOrder("a", { csr: "MAA" }));
    });
    const [first, second, ...none] = await store.acme.processingOrders(10);
    t.match([first, second, none], [{ id: "a", accountId: "account" }, { id: "d" }, []]);
    t.same(await store.acme.processingOrders(1), [first]);
    t.same(await store.acme.processingOrders(10, first?.position), [second]);
    t.same(await store.acme.processingOrders(10, second?.position), []);
    t.equal((await store.acme.counts(0)).processingOrders, 2);
    t.same(await store.acme.order("d"), made);
    t.equal((await store.acme.counts(99)).openOrders, 3);
    t.equal((await store.acme.counts(100)).openOrders, 0);
    await rejectsWith(t, "not_found", () =>
      store.transaction((w) => w.acme.updateOrder(sampleOrder("none"))),
    );
  });

  await check("which of an account's acme orders are listed", async (t, { store, reopen }) => {
    const order = (id: string, over: Partial<AcmeOrderRecord> = {}): AcmeOrderRecord =>
      sampleOrder(id, { authorizations: ["fine"], expiresAt: 100, ...over });
    const named = (...authorizations: string[]): Partial<AcmeOrderRecord> => ({ authorizations });
    await store.transaction(async ({ acme }) => {
      await acme.createAuthorization(sampleAuthorization("fine", { expiresAt: 900 }));
      await acme.createAuthorization(sampleAuthorization("met", { status: "valid" }));
      await acme.createAuthorization(sampleAuthorization("short", { expiresAt: 60 }));
      await acme.createAuthorization(sampleAuthorization("failed", { status: "invalid" }));
      await acme.createAuthorization(sampleAuthorization("ended", { status: "deactivated" }));
      for (const each of [
        order("pending"),
        order("ready", named("met")),
        order("processing", { csr: "MAA" }),
        order("valid", { ...named("gone"), status: "valid", certificateId: "c", expiresAt: 50 }),
        order("short", named("fine", "short")),
        order("invalid", { status: "invalid", error: "{}" }),
        order("failed", named("fine", "failed")),
        order("deactivated", named("ended")),
        order("lost", named("fine", "gone")),
        order("brief", { expiresAt: 80 }),
        order("other", { accountId: "other" }),
      ]) {
        await acme.createOrder(each);
      }
    });
    const list = (now: number, size = 100, token?: string) =>
      store.acme.listedOrders(
        { accountId: "account", now },
        { size, ...(token === undefined ? {} : { token }) },
      );
    const always = ["valid", "processing", "ready", "pending"];
    t.same(await list(59), { items: ["brief", "short", ...always] }, "newest first");
    t.same((await list(60)).items, ["brief", ...always], "an authorization has ended");
    t.same((await list(80)).items, always, "an order has");
    t.same((await list(100)).items, ["valid"], "one with its certificate has not");
    const all = async (size: number): Promise<string[]> => {
      const found: string[] = [];
      for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; ) {
        const page = await list(80, size, token);
        if (page.items.length > size) t.fail("more than were asked for");
        found.push(...page.items);
        token = page.nextToken;
        isFirst = false;
      }
      return found;
    };
    for (const size of [1, 3, 9, 10, 11]) t.same(await all(size), always, `pages of ${size}`);
    const empty = await list(80, 2);
    t.same(empty.items, [], "a page of those that have ended");
    t.type(empty.nextToken, "string");
    const first = await list(79, 1);
    t.same(first.items, ["brief"]);
    await store.transaction((w) => w.acme.prune(81, 10));
    t.equal(await store.acme.order("brief"), undefined);
    t.equal(await store.acme.order("valid"), undefined);
    const rest = await list(79, 100, first.nextToken);
    t.same(rest, { items: ["processing", "ready", "pending"] }, "the token's order is pruned");
    for (const token of ["", "brief", "WyJhY21lLW9yZGVycyIsIjEiXQ", "WyJlbnRyaWVzIiwxXQ"]) {
      await rejectsWith(t, "invalid", () => list(79, 1, token));
    }
    await rejectsWith(t, "invalid", () => list(79, 0));
    if (reopen === undefined) return;
    const again = await reopen();
    await holding(again, async () => {
      const { items } = await again.acme.listedOrders(
        { accountId: "account", now: 79 },
        { size: 100, ...(first.nextToken === undefined ? {} : { token: first.nextToken }) },
      );
      t.same(items, rest.items, "also after a restart");
    });
  });

  await check("acme authorizations", async (t, { store }) => {
    const pending = sampleAuthorization("a", { expiresAt: 100 });
    const later = sampleAuthorization("b", { expiresAt: 200 });
    const wild = sampleAuthorization("w", { wildcard: true });
    const address = sampleAuthorization("i", { type: "ip", value: "10.0.0.1" });
    await store.transaction(async (w) => {
      for (const each of [pending, later, wild, address]) await w.acme.createAuthorization(each);
    });
    t.same(await store.acme.authorization("a"), pending);
    const { accountId, type, value } = pending;
    const filter = { accountId, type, value, wildcard: false };
    const find = (lastsUntil: number, over = {}) =>
      store.acme.findAuthorization({ ...filter, lastsUntil, ...over });
    t.same(await find(50), later, "the one that lasts longest");
    t.same(await find(200), later);
    t.equal(await find(201), undefined);
    t.same(await find(0, { wildcard: true }), wild);
    t.same(await find(0, { type: "ip", value: "10.0.0.1" }), address);
    t.equal(await find(0, { type: "ip" }), undefined);
    t.equal(await find(0, { accountId: "other" }), undefined);
    t.equal(await store.acme.hasValidAuthorization({ ...filter, lastsUntil: 0 }), false);
    const valid: AcmeAuthorizationRecord = {
      ...pending,
      status: "valid",
      challenges: [sampleChallenge({ status: "valid", validatedAt: 7 })],
    };
    await store.transaction((w) => w.acme.updateAuthorization(valid));
    t.same(await find(50), valid, "a valid one goes first");
    t.same(await find(150), later);
    t.equal(await store.acme.hasValidAuthorization({ ...filter, lastsUntil: 100 }), true);
    t.equal(await store.acme.hasValidAuthorization({ ...filter, lastsUntil: 101 }), false);
    t.equal(await store.acme.countPending("account", 0), 3);
    t.equal(await store.acme.countPending("account", 200), 0);
    const looked: AcmeAuthorizationRecord = {
      ...later,
      challenges: [sampleChallenge({ status: "processing" })],
    };
    await store.transaction((w) => w.acme.updateAuthorization(looked));
    t.same(await store.acme.processing(10), [looked]);
    const decided: AcmeAuthorizationRecord = {
      ...looked,
      status: "invalid",
      challenges: [sampleChallenge({ status: "invalid", error: "{}" })],
    };
    await store.transaction((w) => w.acme.updateAuthorization(decided));
    t.same(await store.acme.processing(10), []);
    await rejectsWith(t, "not_found", () =>
      store.transaction((w) => w.acme.updateAuthorization(sampleAuthorization("none"))),
    );
  });

  await check("acme certificates, and what is pruned", async (t, { store }) => {
    const certificate = sampleCertificate("a");
    await store.transaction((w) => w.acme.createCertificate(certificate));
    t.same(await store.acme.certificate("a"), certificate);
    t.same(await store.acme.certificateBySerial("aa", "01a"), certificate);
    t.equal(await store.acme.certificateBySerial("ab", "01a"), undefined);
    await rejectsWith(t, "exists", () =>
      store.transaction((w) => w.acme.createCertificate({ ...certificate, id: "b" })),
    );
    t.equal((await store.acme.counts(1000)).certificates, 1, "to its last second");
    t.equal((await store.acme.counts(1001)).certificates, 0);
    const revoked = { ...certificate, revokedAt: 5, replacedBy: "order" };
    await store.transaction((w) => w.acme.updateCertificate(revoked));
    t.same(await store.acme.certificate("a"), revoked);
    t.equal((await store.acme.counts(0)).certificates, 0);
    await rejectsWith(t, "not_found", () =>
      store.transaction((w) => w.acme.updateCertificate(sampleCertificate("none"))),
    );
    await store.transaction(async (w) => {
      for (const id of ["p", "q", "r"]) {
        await w.acme.createOrder(sampleOrder(id));
        await w.acme.createAuthorization(sampleAuthorization(id, { expiresAt: 100 }));
      }
    });
    const prune = (before: number, limit: number): Promise<number> =>
      store.transaction((w) => w.acme.prune(before, limit));
    t.equal(await prune(100, 10), 0);
    t.equal(await prune(101, 2), 4, "so many of each at most");
    t.equal(await prune(101, 2), 2);
    t.equal(await prune(1001, 2), 1);
    t.equal(await store.acme.certificate("a"), undefined);
  });
}
