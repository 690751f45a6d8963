/** What the front end keeps, and for how long. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { acmeLimits } from "../../../src/config/sections/acme-limits-section.ts";
import {
  type AcmeAuthorization,
  AcmeClient,
  type AcmeProblemBody,
  type AcmeReply,
} from "../../support/acme-client.ts";
import { freePort } from "../../support/free-port.ts";
import { type AcmeRig, WEB, acmeRig, issue, problem } from "./acme-rig.ts";
import { until } from "../../support/patience.ts";

const DAY_MS = 24 * 3600 * 1000;

t.test("accounts go when nothing of them is left, and none that has a certificate", async (t) => {
  const rig = await acmeRig(t, {
    acme: { set: "web", unusedAccountTtlSeconds: 30 * 24 * 3600 },
    server: { authoritySets: new Map([["web", WEB]]) },
  });
  const { clock } = rig.server;
  const pass = async (days: number): Promise<void> => {
    clock.step(days * DAY_MS);
    await clock.advance(11 * 60 * 1000);
  };
  const unused = await rig.client();
  const ended = await rig.client();
  const holder = await rig.client();
  const isThere = async (client: AcmeClient): Promise<boolean> => {
    const { status, body } = await client.post<Partial<AcmeProblemBody>>(
      client.url("newAccount"),
      { onlyReturnExisting: true },
      { byKey: true },
    );
    if (body.type?.endsWith(":accountDoesNotExist") === true) return false;
    // A deactivated one is told so.
    if (status === 200 || status === 401) return true;
    throw new Error(JSON.stringify(body));
  };
  /** What was pruned is gone in a moment. */
  const isGone = (client: AcmeClient): Promise<void> =>
    until("it is gone", async () => !(await isThere(client)));
  await issue(rig, holder, ["a.example.org"], { profile: "server-90d" });
  await holder.post(holder.kid, { status: "deactivated" });
  await ended.post(ended.kid, { status: "deactivated" });
  await pass(6);
  t.ok(await isThere(ended), "deactivated for six days");
  await pass(2);
  await isGone(ended);
  t.pass("for eight");
  t.ok(await isThere(unused), "valid, and not used for eight days");
  await pass(23);
  await isGone(unused);
  t.pass("for thirty");
  const reply = await unused.post<AcmeProblemBody>(unused.url("newOrder"), {});
  problem(t, reply, ["accountDoesNotExist", 400], "whoever comes back");
  t.equal((await unused.register()).status, 201, "makes another one");
  await pass(50);
  t.ok(await isThere(holder), "its certificate counts");
  await pass(20);
  await isGone(holder);
  t.pass("that has ended, and a week has passed");
});

t.test("RFC 8555 §7.1.2.1: the list of orders", async (t) => {
  const rig = await acmeRig(t, {
    acme: { set: "web", profiles: ["server-90d"] },
    server: { authoritySets: new Map([["web", WEB]]) },
    limits: { ...acmeLimits(undefined), duplicatesPerDay: 1000 },
  });
  const { clock } = rig.server;
  const client = await rig.client();
  const list = async (url = `${client.kid}/orders`) => {
    const { body, links } = await client.post<{ orders: readonly string[] }>(url, "");
    return { orders: body.orders, next: links["next"]?.[0] };
  };
  const pending = async (name: string): Promise<{ url: string; authorization: string }> => {
    const { headers, body } = await client.order([name]);
    return { url: headers.location ?? "", authorization: body.authorizations[0] ?? "" };
  };
  const valid: string[] = [];
  for (let many = 0; many < 3; many++) {
    const { order } = await issue(rig, client, ["a.example.org"]);
    valid.unshift(order.headers.location ?? "");
  }
  const failed = await pending("b.example.org");
  const { body } = await client.post<AcmeAuthorization>(failed.authorization, "");
  const ended = await pending("c.example.org");
  const before = [ended.url, failed.url, ...valid];
  t.same(await list(), { orders: before, next: undefined }, "newest first");
  await client.post(body.challenges[0]?.url ?? "", {});
  await client.until(failed.authorization, ["invalid"]);
  t.same((await list()).orders, [ended.url, ...valid], "without one whose challenge failed");
  await client.post(ended.authorization, { status: "deactivated" });
  t.same((await list()).orders, valid, "or whose authorization was deactivated");

  const unused: string[] = [];
  for (let many = 0; many < 120; many++) unused.unshift((await pending("a.example.org")).url);
  const first = await list();
  t.same(first.orders, unused.slice(0, 100));
  const second = await list(first.next);
  t.same(second, { orders: [...unused.slice(100), ...valid], next: undefined });
  clock.step(7 * DAY_MS - 1000);
  t.equal((await list()).orders.length, 100, "to their last second");
  clock.step(1000);
  t.same(await list(), { orders: valid, next: undefined }, "not past their end");
  t.same(await list(first.next), { orders: valid, next: undefined });

  clock.step(8 * DAY_MS);
  await clock.advance(11 * 60 * 1000);
  const [oldest = ""] = unused.slice(-1);
  await until("it is pruned", async () => (await client.post(oldest, "")).status === 404);
  const rest = await list(first.next);
  t.same(rest, { orders: valid, next: undefined }, "the cursor's order was pruned in between");
  for (const cursor of ["x", "WyJhY21lLW9yZGVycyIsIjEiXQ"]) {
    const reply = await client.post<AcmeProblemBody>(`${client.kid}/orders?cursor=${cursor}`, "");
    problem(t, reply, ["malformed", 400], `the cursor ${cursor}`);
  }
});

t.test("limits hold across a restart", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "assay-acme-limits-"));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  // Accounts are known by their URL.
  const port = await freePort();
  const start = (): Promise<AcmeRig> =>
    acmeRig(t, {
      acme: { listen: { host: "127.0.0.1", port } },
      server: { dataDir },
      limits: {
        accountsPerAddressPerHour: 3,
        ordersPerAccountPerHour: 4,
        duplicatesPerDay: 2,
        failedValidationsPerHour: 1,
      },
    });
  const before = await start();
  const clients = [await before.client(), await before.client(), await before.client()];
  const [busy, twice, failing] = clients;
  if (busy === undefined || twice === undefined || failing === undefined) throw new Error("three");
  for (const name of ["a", "b", "c", "a"]) await busy.order([`${name}.example.org`]);
  await twice.order(["a.example.org", "b.example.org"]);
  await twice.order(["b.example.org", "a.example.org"]);
  const order = await failing.order(["a.example.org"]);
  const [url = ""] = order.body.authorizations;
  const { body } = await failing.post<AcmeAuthorization>(url, "");
  await failing.post(body.challenges[0]?.url ?? "", {});
  await failing.until(url, ["invalid"]);
  await before.server.stop();

  const after = await start();
  const again = async (old: AcmeClient): Promise<AcmeClient> => {
    const client = await AcmeClient.open(after.directory, { key: old.key });
    t.teardown(() => client[Symbol.dispose]());
    client.kid = old.kid;
    return client;
  };
  const limited = (reply: AcmeReply<unknown>, about: number, title: string): void => {
    problem(t, reply as AcmeReply<AcmeProblemBody>, ["rateLimited", 429], title);
    const wait = Number(reply.headers["retry-after"]);
    t.ok(wait <= about && wait > about - 120, `${title}: in ${wait} s`);
  };
  const stillBusy = await again(busy);
  const stillTwice = await again(twice);
  const stillFailing = await again(failing);
  limited(await (await after.stranger()).register(), 1200, "a fourth account from here");
  t.equal((await stillBusy.register()).status, 200, "one that is there is answered");
  limited(await stillBusy.order(["d.example.org"]), 900, "a fifth order");
  const same = await stillTwice.order(["a.example.org", "b.example.org"]);
  limited(same, 43_200, "the same names");
  t.equal((await stillTwice.order(["a.example.org"])).status, 201, "other names");
  limited(await stillFailing.order(["a.example.org"]), 3600, "a name that failed");
  t.equal((await stillFailing.order(["b.example.org"])).status, 201, "another name");
  await after.server.clock.advance(1200 * 1000);
  t.equal((await (await after.stranger()).register()).status, 201, "as it was said");
  t.equal((await stillBusy.order(["d.example.org"])).status, 201);
});
