/** Certificates that take long: what their clients are told meanwhile, and what becomes of their orders. */
import t, { type Test } from "tap";
import { fail } from "../../../src/base/errors.ts";
import { jwsKey } from "../../../src/jwt/jws-key.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { AcmeOrderRecord } from "../../../src/server/datastore/acme.ts";
import type { Datastore } from "../../../src/server/datastore/contract.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { Finalization } from "../../../src/server/frontends/acme/finalization.ts";
import type { IssueParams } from "../../../src/server/frontends/acme/issue-order.ts";
import type { KnownOrder } from "../../../src/server/frontends/acme/orders.ts";
import { ProcessingOrders } from "../../../src/server/frontends/acme/processing-orders.ts";
import { acmeError } from "../../../src/server/frontends/acme/problem.ts";
import type { AccountRequest } from "../../../src/server/frontends/acme/request.ts";
import { orderState } from "../../../src/server/frontends/acme/resources.ts";
import { AcmeUrls } from "../../../src/server/frontends/acme/urls.ts";
import { encodeJson, makeAcmeKey } from "../../support/acme-client.ts";
import { csrFor } from "../../support/csr.ts";
import { refused } from "../../support/refused.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";
import { sampleAccount, sampleOrder } from "../datastore/acme-samples.ts";
import { PATIENCE_MS } from "../../support/patience.ts";

/** Waits for its turn, and makes the order valid, as far as that goes without a certificate. */
interface Begun {
  readonly params: IssueParams;
  readonly done: () => Promise<void>;
  readonly fail: (error: Error) => void;
}

/** A finalization whose certificates are made by hand. */
async function startRig(t: Test) {
  const clock = new VirtualClock(100_000_000);
  const store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  t.teardown(() => store[Symbol.asyncDispose]());
  const key = jwsKey({ ...makeAcmeKey().jwk });
  const account = { ...sampleAccount("account"), keyId: key.thumbprint, jwk: key.jwk };
  await store.transaction((w) => w.acme.createAccount(account));
  const orders = {
    async require(_: unknown, id: string): Promise<KnownOrder> {
      const order = await requireOrder(store, id);
      return { order, authorizations: [], state: orderState(order, [], clock.nowMs() / 1000) };
    },
  };
  const begun: Begun[] = [];
  const open = (): ProcessingOrders =>
    new ProcessingOrders({
      store,
      orders,
      issuance: {
        issue(params) {
          const { promise, resolve, reject } = Promise.withResolvers<void>();
          params.signal.addEventListener("abort", () => reject(params.signal.reason as Error));
          const done = async (): Promise<void> => {
            const valid = { ...params.known.order, status: "valid", csr: "" } as const;
            await store.transaction((w) => w.acme.updateOrder(valid));
            resolve();
          };
          begun.push({ params, done, fail: reject });
          return promise;
        },
      },
      clock,
      random: new SeededRandom(),
      logger: silentLogger,
    });
  const processing = open();
  t.teardown(() => processing[Symbol.asyncDispose]());
  const urls = new AcmeUrls("https://acme.example.org");
  const finalization = new Finalization({ store, orders, processing, urls, clock });
  const create = (id: string): Promise<void> =>
    store.transaction((w) => w.acme.createOrder(orderOf(id)));
  await create("order");
  const csr = csrFor({ names: ["a.example.org"] });
  const finalize = (id = "order", sent = csr) => {
    const { signal } = new AbortController();
    const payload = encodeJson({ csr: sent });
    const request: AccountRequest = { key, url: "", payload, remoteAddress: "", signal, account };
    return finalization.finalize(request, id);
  };
  /** Until it is answered `processing`. */
  const late = async () => {
    const many = begun.length;
    const answer = finalize();
    await hasBegun(begun, many + 1);
    await clock.advance(2000);
    return answer;
  };
  return { clock, store, account, begun, processing, open, create, finalize, late, csr };
}

t.test(
  "a certificate in time is answered at once, one that is late with `processing`",
  async (t) => {
    const { store, begun, clock, finalize, late, create } = await startRig(t);
    await create("quick");
    const quick = finalize("quick");
    await hasBegun(begun, 1);
    await clock.advance(1999);
    await begun[0]?.done();
    t.match(await quick, { status: 200, body: { status: "valid" } });
    t.match(await late(), { status: 200, body: { status: "processing" }, retryAfterSeconds: 3 });
    t.match(await finalize(), { body: { status: "processing" } }, "asked again, with the same key");
    const other = finalize("order", csrFor({ names: ["a.example.org"] }));
    await refused(t, other, { message: /processing already, with another key/ });
    t.equal(begun.length, 2, "it is made once");
    await begun[1]?.done();
    await settle();
    t.match(await requireOrder(store, "order"), { status: "valid", csr: "" });
  },
);

t.test("what is away for the moment is tried again, for an hour", async (t) => {
  const { store, begun, clock, late, finalize, csr } = await startRig(t);
  t.match(await late(), { body: { status: "processing" } });
  let minutes = 0;
  for (; (await requireOrder(store, "order")).csr !== ""; minutes++) {
    const many = begun.length;
    begun.at(-1)?.fail(fail("unavailable", "the key manager does not answer"));
    await clock.advance(60_000);
    // Begun once more, or given up.
    while (begun.length === many && (await requireOrder(store, "order")).csr !== "") await settle();
    t.same(begun.at(-1)?.params.csr.request.dnsNames, ["a.example.org"], "from what is written");
  }
  t.ok(minutes >= 60 && minutes <= 62, `${minutes} minutes`);
  t.match(await requireOrder(store, "order"), { status: "open", csr: "" }, "ready once more");
  const many = begun.length;
  const again = finalize("order", csr);
  await hasBegun(begun, many + 1);
  await begun.at(-1)?.done();
  t.match(await again, { body: { status: "valid" } });
});

t.test("what may have been signed and could not be made within an hour is invalid", async (t) => {
  const { store, begun, clock, open, csr } = await startRig(t);
  await store.transaction((w) => w.acme.updateOrder(orderOf("order", { csr, signing: "{}" })));
  await using next = open();
  next.resume();
  await hasBegun(begun, 1);
  while ((await requireOrder(store, "order")).status === "open") {
    const many = begun.length;
    begun.at(-1)?.fail(fail("unavailable", "the key manager does not answer"));
    await clock.advance(60_000);
    // Begun once more, or given up.
    while (begun.length === many && (await requireOrder(store, "order")).status === "open") {
      await settle();
    }
  }
  const minutes = (clock.nowMs() - 100_000_000) / 60_000;
  t.ok(minutes >= 60 && minutes <= 63, `${minutes} minutes`);
  const { status, error } = await requireOrder(store, "order");
  t.match([status, JSON.parse(error)], ["invalid", { type: /:serverInternal$/, status: 500 }]);
});

t.test("what something forbids meanwhile is invalid, and says why", async (t) => {
  const { begun, store, late, finalize } = await startRig(t);
  t.match(await late(), { body: { status: "processing" } });
  begun[0]?.fail(acmeError("caa", "the CAA records of example.org forbid it"));
  while ((await requireOrder(store, "order")).status === "open") await settle();
  t.match((await requireOrder(store, "order")).error, /:caa".*the CAA records of example.org/);
  await refused(t, finalize(), { message: /the order is invalid/ });
});

t.test("an error in time is the answer, and the order stays ready", async (t) => {
  const { begun, store, finalize } = await startRig(t);
  const answer = finalize();
  await hasBegun(begun, 1);
  begun[0]?.fail(acmeError("caa", "the CAA records of example.org forbid it"));
  await refused(t, answer, { message: /CAA/ });
  t.match(await requireOrder(store, "order"), { status: "open", csr: "" });
});

t.test("the next process goes on, unless the account was deactivated", async (t) => {
  const { begun, store, late, processing, open, account } = await startRig(t);
  t.match(await late(), { body: { status: "processing" } });
  await processing[Symbol.asyncDispose]();
  t.match(await requireOrder(store, "order"), { status: "open", csr: String }, "it is left so");
  const next = open();
  next.resume();
  await hasBegun(begun, 2);
  await next[Symbol.asyncDispose]();
  await store.transaction((w) => w.acme.updateAccount({ ...account, status: "deactivated" }));
  await using last = open();
  last.resume();
  while ((await requireOrder(store, "order")).status === "open") await settle();
  t.equal(begun.length, 2);
  const { status, error } = await requireOrder(store, "order");
  t.equal(status, "invalid");
  t.match(JSON.parse(error), { type: /:unauthorized$/, detail: /was deactivated/ });
});

t.test("all that a process left are resumed, so many at a time", async (t) => {
  const { store, begun, open, account, csr } = await startRig(t);
  const accounts = Array.from({ length: 12 }, (_, at) => `account-${at}`);
  await store.transaction(async ({ acme }) => {
    for (const id of accounts) await acme.createAccount({ ...account, id, keyId: id });
    for (let at = 0; at < 4200; at++) {
      const accountId = accounts[at % accounts.length] ?? "";
      await acme.createOrder(orderOf(`left-${at}`, { accountId, csr }));
    }
    for (let at = 0; at < 600; at++) await acme.createOrder(orderOf(`one-${at}`, { csr }));
  });
  await using next = open();
  next.resume();
  await hasBegun(begun, 2000);
  for (let turns = 0; turns < 100; turns++) await settle();
  t.equal(begun.length, 2000, "the authority hangs");
  t.equal((await store.acme.counts(0)).processingOrders, 4800);
  let most = 0;
  for (let at = 0; at < 4800; at++) {
    await hasBegun(begun, at + 1);
    most = Math.max(most, begun.length - at);
    await begun[at]?.done();
  }
  t.equal(most, 2000, "so many at a time");
  t.same(await store.acme.processingOrders(1), []);
  t.equal(new Set(begun.map(({ params }) => params.known.order.id)).size, 4800, "each once");
});

t.test("an account with many of them leaves room for its new ones", async (t) => {
  const { store, begun, open, csr } = await startRig(t);
  await store.transaction(async ({ acme }) => {
    for (let at = 0; at < 700; at++) await acme.createOrder(orderOf(`one-${at}`, { csr }));
  });
  await using next = open();
  next.resume();
  await hasBegun(begun, 200);
  for (let turns = 0; turns < 100; turns++) await settle();
  t.equal(begun.length, 200);
  for (let at = 0; at < 700; at++) {
    await hasBegun(begun, at + 1);
    await begun[at]?.done();
  }
  t.same(await store.acme.processingOrders(1), []);
});

t.test("one that nobody goes on with is found within a minute", async (t) => {
  const { clock, store, begun, open, create, csr } = await startRig(t);
  await using next = open();
  next.resume();
  await settle();
  await create("lost");
  await store.transaction((w) => w.acme.updateOrder(orderOf("lost", { csr })));
  // It has lost an authorization, or its time: nothing is begun for it any more.
  const late = orderOf("late", { csr, expiresAt: 1 });
  await store.transaction((w) => w.acme.createOrder(late));
  await clock.advance(61_000);
  await hasBegun(begun, 1);
  await begun[0]?.done();
  while ((await requireOrder(store, "late")).csr !== "") await settle();
  t.equal((await requireOrder(store, "lost")).status, "valid");
  t.equal(begun.length, 1);
});

t.test("of one account so many are made at once", async (t) => {
  const { create, finalize, begun } = await startRig(t);
  const asked: Promise<unknown>[] = [];
  for (let at = 0; at < 300; at++) {
    await create(`order-${at}`);
    asked.push(finalize(`order-${at}`));
  }
  await hasBegun(begun, 300);
  await refused(t, finalize(), { message: /too many certificates are being made/ });
  for (const each of begun) await each.done();
  await Promise.all(asked);
  const again = finalize();
  await Promise.race([again, hasBegun(begun, 301)]);
  await begun[300]?.done();
  t.match(await again, { body: { status: "valid" } }, "there is room once more");
});

async function hasBegun(begun: readonly Begun[], many: number): Promise<void> {
  const late = performance.now() + PATIENCE_MS;
  while (begun.length < many) {
    if (performance.now() > late) throw new Error(`${begun.length} have begun, not ${many}`);
    await settle();
  }
}

async function requireOrder(store: Datastore, id: string): Promise<AcmeOrderRecord> {
  const order = await store.acme.order(id);
  if (order === undefined) throw new Error(`there is no ${id}`);
  return order;
}

function orderOf(id: string, over: Partial<AcmeOrderRecord> = {}): AcmeOrderRecord {
  return sampleOrder(id, {
    identifiers: [{ type: "dns", value: "a.example.org" }],
    authorizations: [],
    expiresAt: 1_000_000,
    ...over,
  });
}
