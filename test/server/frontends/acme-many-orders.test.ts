/** Thousands of orders of one account: listed, limited, ended, pruned, and gone on with after a restart. */
import { join } from "node:path";
import t from "tap";
import type { Clock } from "../../../src/base/clock.ts";
import { acmeLimits } from "../../../src/config/sections/acme-limits-section.ts";
import type { AuditRecord } from "../../../src/observe/audit.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import type { Datastore } from "../../../src/server/datastore/contract.ts";
import {
  AcmeRateLimits,
  type AcmeRateLimitsOptions,
} from "../../../src/server/frontends/acme/policy/rate-limits.ts";
import {
  AcmeClient,
  type AcmeOrder,
  type AcmeProblemBody,
  type AcmeReply,
} from "../../support/acme-client.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import { csrFor } from "../../support/csr.ts";
import { freePort } from "../../support/free-port.ts";
import { parsePrometheus } from "../../support/prometheus.ts";
import { acmeRig, issue, meet, problem } from "./acme-rig.ts";
import { until } from "../../support/patience.ts";

const MANY = 3000;
const VALID = 60;
const PROCESSING = 1100;
const DAY_MS = 24 * 3600 * 1000;
const RAISED = {
  ...acmeLimits(undefined),
  ordersPerAccountPerHour: 10_000,
  duplicatesPerDay: 10_000,
};

const isIssued = ({ action }: AuditRecord): boolean => action === "x509.acme";

/** All of an account's list, by its `next` links. */
async function listed(client: AcmeClient): Promise<readonly (readonly string[])[]> {
  const { body } = await client.post<{ orders: string }>(client.kid, "");
  const pages: (readonly string[])[] = [];
  for (let url: string | undefined = body.orders; url !== undefined; ) {
    const page: AcmeReply<{ orders: readonly string[] }> = await client.post(url, "");
    if (page.status !== 200) throw new Error(page.text);
    pages.push(page.body.orders);
    [url] = page.links["next"] ?? [];
  }
  return pages;
}

/** As many calls at a time as a busy client makes. */
async function atOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

t.test("3000 orders of one account", async (t) => {
  const dir = t.testdir();
  // Accounts are known by their URL.
  const port = await freePort();
  const start = () =>
    acmeRig(t, {
      acme: { listen: { host: "127.0.0.1", port } },
      server: {
        dataDir: join(dir, "data"),
        keyManager: { kind: "disk", keyFile: join(dir, "key") },
        metricsListen: "127.0.0.1:0",
      },
      limits: RAISED,
    });
  const open = (clock: Clock): Promise<Datastore> =>
    openSqliteDatastore({
      path: join(dir, "data", "datastore.db"),
      clock,
      logger: silentLogger,
    });
  /** As a server leaves them that is killed once their clients have asked. */
  const leaveProcessing = (store: Datastore, urls: readonly string[]): Promise<void> =>
    store.transaction(async ({ acme }) => {
      for (const url of urls) {
        const order = await acme.order(url.split("/").at(-1) ?? "");
        if (order === undefined) throw new Error(`there is no ${url}`);
        await acme.updateOrder({ ...order, csr });
      }
    });
  const csr = csrFor({ names: ["a.example.org"] });
  const before = await start();
  const busy = await before.client();
  const other = await before.client();
  const others = await issue(before, other, ["c.example.org"]);
  const ready = await busy.order(["a.example.org"]);
  await meet(before, busy, ready.body);
  const made = new Map<string, "pending" | "ready" | "valid">();
  made.set(ready.headers.location ?? "", "ready");
  await atOnce(
    Array.from({ length: MANY - 1 }, (_, at) => at),
    async (at) => {
      const isReady = at % 2 === 0;
      const reply = await busy.order([isReady ? "a.example.org" : "b.example.org"]);
      if (reply.status !== 201) throw new Error(reply.text);
      made.set(reply.headers.location ?? "", isReady ? "ready" : "pending");
    },
  );
  const urlsOf = (status: string): string[] =>
    [...made].filter(([, each]) => each === status).map(([url]) => url);
  await atOnce(urlsOf("ready").slice(0, VALID), async (url) => {
    const { body } = await busy.post<AcmeOrder>(`${url}/finalize`, { csr });
    if (body.status !== "valid") throw new Error(JSON.stringify(body));
    made.set(url, "valid");
  });

  await t.test("are listed in pages, each once", async (t) => {
    const pages = await listed(busy);
    t.same(
      pages.map(({ length }) => length),
      Array.from({ length: 30 }, () => 100),
    );
    t.same(pages.flat().toSorted(), [...made.keys()].toSorted());
    const shown = new Map<string, string>();
    await atOnce(
      pages.flat().filter((_, at) => at % 25 === 0),
      async (url) => {
        shown.set(url, (await busy.post<AcmeOrder>(url, "")).body.status);
      },
    );
    t.same(
      [...shown],
      [...shown.keys()].map((url) => [url, made.get(url)]),
      "as they are",
    );
    const url = `${busy.kid}/orders?cursor=`;
    t.equal((await other.post(url, "")).status, 403, "another account's");
  });

  await t.test("leave others alone", async (t) => {
    t.same(await listed(other), [[others.order.headers.location]]);
    t.equal((await issue(before, other, ["c.example.org"])).order.body.status, "valid");
    const again = await busy.order(["a.example.org", "b.example.org"]);
    t.match([again.status, again.body.status], [201, "pending"], "and the account itself");
    made.set(again.headers.location ?? "", "pending");
    const [first = []] = await listed(busy);
    t.equal(first[0], again.headers.location, "newest first");
  });

  await t.test("are gone on with after a restart, page by page", async (t) => {
    const urls = urlsOf("ready").slice(0, PROCESSING);
    await before.server.stop();
    await using store = await open(before.server.clock);
    await leaveProcessing(store, urls);
    t.equal((await store.acme.counts(0)).processingOrders, PROCESSING);

    let rows = 0;
    const { acme } = store;
    const counted: AcmeRateLimitsOptions["store"] = {
      accountsMade: (...args) => acme.accountsMade(...args),
      failures: (...args) => acme.failures(...args),
      async ordersMade(...args) {
        const page = await acme.ordersMade(...args);
        rows += page.length;
        return page;
      },
    };
    const limits = new AcmeRateLimits({
      limits: RAISED,
      store: counted,
      clock: before.server.clock,
    });
    const read = async ({ kid }: AcmeClient): Promise<number> => {
      rows = 0;
      const names = [{ type: "dns", value: "a.example.org" }] as const;
      if ((await limits.order(kid.split("/").at(-1) ?? "", names)) !== undefined) t.fail("limited");
      return rows;
    };
    t.same(
      [await read(busy), await read(busy), await read(other), await read(other)],
      [MANY + 1, 0, 2, 0],
      "rows that a new order reads: the account's own, once",
    );
  });
  const after = await start();
  const same = await AcmeClient.open(after.directory, { key: busy.key });
  t.teardown(() => same[Symbol.dispose]());
  same.kid = busy.kid;
  for (const url of urlsOf("ready").slice(0, PROCESSING)) {
    await same.until<AcmeOrder>(url, ["valid"]);
    made.set(url, "valid");
  }
  const audit = await readAuditLog(after.server.dataDir);
  const serials = audit
    .filter(({ action }) => action === "x509.acme")
    .map((each) => each.subject?.serial);
  t.equal(serials.length, VALID + PROCESSING + 2, "one certificate each");
  t.equal(new Set(serials).size, serials.length);
  t.equal((await listed(same)).flat().length, MANY + 1, "the list is whole");

  await t.test("end with their account", async (t) => {
    t.equal((await same.post(same.kid, { status: "deactivated" })).status, 200);
    const [pending = "", ready = "", valid = ""] = ["pending", "ready", "valid"].map(
      (each) => urlsOf(each)[0],
    );
    const refusals: readonly (readonly [string, unknown])[] = [
      [`${same.kid}/orders`, ""],
      [pending, ""],
      [ready, ""],
      [valid, ""],
      [`${ready}/finalize`, { csr }],
      [same.url("newOrder"), { identifiers: [{ type: "dns", value: "a.example.org" }] }],
    ];
    for (const [url, payload] of refusals) {
      const reply = await same.post<AcmeProblemBody>(url, payload);
      problem(t, reply, ["unauthorized", 401], url);
    }
  });

  await after.server.stop();
  await (async () => {
    await using store = await open(after.server.clock);
    await leaveProcessing(store, urlsOf("ready"));
    t.ok((await store.acme.counts(0)).processingOrders > 300);
  })();
  const last = await start();
  const { host = "", port: at = 0 } = last.server.server.metricsAddress ?? {};
  const processing = async (): Promise<number | undefined> => {
    const text = await (await fetch(`http://${host}:${at}/metrics`)).text();
    return parsePrometheus(text).value("assay_server_acme_processing_orders");
  };
  await until("none is left", async () => {
    // The rows are counted each half a minute.
    await last.server.clock.advance(31_000);
    return (await processing()) === 0;
  });
  const signed = (await readAuditLog(last.server.dataDir)).filter(isIssued);
  t.equal(signed.length, serials.length, "nothing is signed for an account that has ended");

  // A week for the order, a week to read what became of it, and a thousand at a time.
  const { clock } = last.server;
  clock.step(15 * DAY_MS);
  for (let rounds = 0; rounds < 8; rounds++) await clock.advance(11 * 60 * 1000);
  await last.server.stop();
  await using store = await open(clock);
  t.same(await store.acme.ordersMade(same.kid.split("/").at(-1) ?? "", 10), [], "all are pruned");
});

t.test("the flood is refused by the limits, and who refused it says until when", async (t) => {
  const rig = await acmeRig(t);
  const flooding = await rig.client();
  const order = async (at: number): Promise<AcmeReply<AcmeOrder>> =>
    flooding.order([`n${at % 290}.example.org`]);
  let accepted = 0;
  let last: AcmeReply<unknown> | undefined;
  for (; accepted < 1100; accepted++) {
    last = await order(accepted);
    if (last.status !== 201) break;
  }
  t.equal(accepted, 1000, "an hour's by default");
  problem(t, last as AcmeReply<AcmeProblemBody>, ["rateLimited", 429], "one more");
  const wait = Number(last?.headers["retry-after"]);
  t.ok(wait >= 1 && wait <= 4, `in ${wait} s`);
  t.equal((await (await rig.client()).order(["n1.example.org"])).status, 201, "another account");
  t.equal((await flooding.post(flooding.kid, "")).status, 200, "what is no order");
  rig.server.clock.step(wait * 1000);
  t.equal((await order(accepted)).status, 201, "as it was said");
  t.equal((await order(accepted + 1)).status, 429);
  rig.server.clock.step(3600 * 1000);
  const same = await Promise.all(
    Array.from({ length: 60 }, () => flooding.order(["one.example.org"])),
  );
  t.equal(same.filter(({ status }) => status === 201).length, 50, "of the very same names a day's");
  const refused = same.filter(({ status }) => status === 429);
  t.ok(refused.every(({ headers }) => Number(headers["retry-after"]) > 1000));
});
