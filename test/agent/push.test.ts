/** Changes reach open streams without a poll: a real server, a real agent, an interval of an hour. */
import { join } from "node:path";
import t from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import type { FollowResponse__Output } from "../../src/rpc/gen/assay/sync/v1/FollowResponse.ts";
import type { X509SVIDResponse__Output } from "../../src/rpc/gen/X509SVIDResponse.ts";
import type { Bundle__Output } from "../../src/rpc/gen/spire/api/types/Bundle.ts";
import { openSqliteDatastore } from "../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { parseCertificates } from "../../src/x509/certificate.ts";
import { parsePrometheus } from "../support/prometheus.ts";
import { Domain, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { RawAgent, next, paths } from "./raw-agent.ts";

const NO_POLLS = { syncIntervalMs: 3600_000 };

function ids(message: X509SVIDResponse__Output): string[] {
  return message.svids.map(({ spiffe_id }) => spiffe_id);
}

function roots(message: X509SVIDResponse__Output): string[] {
  const [svid] = message.svids;
  return parseCertificates(svid?.bundle ?? new Uint8Array()).map((ca) => ca.subjectKeyId ?? "");
}

function issuer(message: X509SVIDResponse__Output): string {
  const [leaf] = parseCertificates(message.svids[0]?.x509_svid ?? new Uint8Array());
  return leaf?.authorityKeyId ?? "";
}

/** Whoever is slow has been told of the entry before. @returns when it ends, Unix seconds */
async function endSoon(domain: Domain, entryId: string): Promise<number> {
  const expires_at = Math.floor(Date.now() / 1000) + 6;
  await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: entryId, expires_at, hint: "ends" }],
    input_mask: { expires_at: true, hint: true },
  });
  return expires_at;
}

t.test("entries: created, changed, deleted, expired", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent(NO_POLLS);
  using client = new WorkloadClient(agent.socket);
  const one = await domain.entry({ path: "/one" });
  using watch = client.x509();
  t.same(ids(await watch.next()), [id("/one")]);
  using bundles = client.x509Bundles();
  await bundles.next();

  const two = await domain.entry({ path: "/two" });
  const created = await watch.next();
  t.same(ids(created), [id("/one"), id("/two")], "created");

  await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: two, hint: "second" }],
    input_mask: { hint: true },
  });
  const hinted = await watch.next();
  t.equal(hinted.svids[1]?.hint, "second", "changed");
  t.same(
    hinted.svids.map(({ x509_svid }) => x509_svid),
    created.svids.map(({ x509_svid }) => x509_svid),
    "what stands in no certificate makes none anew",
  );

  await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: two, dns_names: ["two.example.org"] }],
    input_mask: { dns_names: true },
  });
  const named = (await watch.next()).svids[1]?.x509_svid ?? new Uint8Array();
  t.same(parseCertificates(named)[0]?.dnsNames, ["two.example.org"], "what does is there at once");

  await domain.deleteEntry(two);
  t.same(ids(await watch.next()), [id("/one")], "deleted");

  const short = await domain.entry({ path: "/short" });
  t.same(ids(await watch.next()), [id("/one"), id("/short")]);
  const expiresAt = await endSoon(domain, short);
  // That it ends may be told before.
  while (ids(await watch.next()).length > 1);
  t.pass("expired");
  t.ok(Date.now() >= expiresAt * 1000, "not before");

  await domain.deleteEntry(one);
  await t.rejects(watch.next(), {
    name: "AssayError",
    kind: "denied",
    message: /no identity issued/,
  });
  await t.rejects(bundles.next(), { name: "AssayError", kind: "denied" });
});

t.test("an entry ends at its second though the server is away", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent(NO_POLLS);
  using client = new WorkloadClient(agent.socket);
  await domain.entry({ path: "/one" });
  const short = await domain.entry({ path: "/short" });
  using watch = client.x509();
  while (ids(await watch.next()).length < 2);
  const expiresAt = await endSoon(domain, short);
  // Once it is told what was changed along with its end, the server may go.
  let told = await watch.next();
  while (told.svids.some(({ hint, spiffe_id }) => spiffe_id === id("/short") && hint !== "ends"))
    told = await watch.next();
  await domain.stopServer();
  while (ids(told).length > 1) told = await watch.next();
  t.same(ids(told), [id("/one")]);
  t.ok(Date.now() >= expiresAt * 1000);
});

t.test("authorities: published, activated, tainted, revoked", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent(NO_POLLS);
  await domain.entry({ path: "/one" });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  using jwt = client.jwtBundles();
  const keys = async (): Promise<number> =>
    JSON.parse((await jwt.next()).bundles[id("")]?.toString() ?? "").keys.length;
  const first = await watch.next();
  const before = roots(first);
  const jwtBefore = await keys();
  const { authorities } = domain.server;
  const old = authorities.activeX509().id;
  t.equal(issuer(first), old);

  const { id: next } = await authorities.prepare("x509");
  const published = await watch.next();
  t.same(roots(published).sort(), [...before, next].sort(), "published");
  t.equal(issuer(published), old);
  await authorities.prepare("jwt");
  t.equal(await keys(), jwtBefore + 1, "published, JWT");

  await authorities.activate("x509", next);
  await domain.entry({ path: "/two" });
  const activated = await watch.next();
  t.equal(issuer(activated), old, "an activation changes no SVID that is good");
  const [, second] = activated.svids;
  t.equal(
    parseCertificates(second?.x509_svid ?? new Uint8Array())[0]?.authorityKeyId,
    next,
    "but what is signed from now on",
  );

  await authorities.taint("x509", old);
  for (let message = await watch.next(); ; message = await watch.next()) {
    if (issuer(message) === next) break;
  }
  t.pass("tainted: what it signed is replaced");

  await authorities.revoke("x509", old);
  let last = await watch.next();
  while (roots(last).includes(old)) last = await watch.next();
  t.same(roots(last), [next], "revoked");
  t.equal(issuer(last), next);
});

t.test("a foreign bundle: needed, changed", async (t) => {
  await using domain = await Domain.start();
  const own = await domain.call<Bundle__Output>("bundle.v1.Bundle", "GetBundle", {});
  const set = (count: number): Promise<object> =>
    domain.call("bundle.v1.Bundle", "BatchSetFederatedBundle", {
      bundle: [
        {
          trust_domain: "other.org",
          x509_authorities: own.x509_authorities.slice(0, count),
          refresh_hint: 60,
        },
      ],
    });
  await set(0);
  const agent = await domain.startAgent(NO_POLLS);
  using client = new WorkloadClient(agent.socket);
  await domain.entry({ path: "/one" });
  using watch = client.x509();
  t.same(Object.keys((await watch.next()).federated_bundles), []);
  const federated = await domain.entry({ path: "/two", more: { federates_with: ["other.org"] } });
  t.equal((await watch.next()).federated_bundles["spiffe://other.org"], undefined, "no authority");
  await set(1);
  t.ok(((await watch.next()).federated_bundles["spiffe://other.org"]?.length ?? 0) > 0, "changed");
  await domain.deleteEntry(federated);
  t.same(Object.keys((await watch.next()).federated_bundles), [], "not needed any more");
});

t.test("a ban ends the streams with UNAVAILABLE, and the agent with its reason", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent(NO_POLLS);
  await domain.entry({ path: "/one" });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  await watch.next();
  const { trustDomain, path } = agent.spiffeId;
  await domain.call("agent.v1.Agent", "BanAgent", {
    id: { trust_domain: trustDomain.name, path },
  });
  await t.rejects(watch.next(), { name: "AssayError", kind: "unavailable" });
  t.match(await agent.stopped, { kind: "precondition", reason: "AGENT_BANNED" });
});

t.test("the server restarts: the agent follows on, nothing is lost or told twice", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent(NO_POLLS);
  await domain.entry({ path: "/one" });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  await watch.next();
  await domain.stopServer();
  await domain.startServer();
  await domain.entry({ path: "/two" });
  t.same(ids(await watch.next()), [id("/one"), id("/two")]);
});

t.test(
  "resumes where it was; begins anew when the server does not know where that was",
  async (t) => {
    await using domain = await Domain.start();
    using agent = await RawAgent.attested(domain, "one");
    await domain.entry({ path: "/stays" });
    const goes = await domain.entry({ path: "/goes" });
    const first = await next(await agent.follow({}));
    const { position } = first;
    const held = first.entries.map(({ id: entryId, revision_number, created_at }) => ({
      id: entryId,
      revision_number,
      created_at,
    }));
    t.same(paths(first), ["/host", "/stays", "/goes"]);
    await domain.deleteEntry(goes);
    await domain.entry({ path: "/comes" });

    const resume = async (change: object = {}): Promise<FollowResponse__Output> =>
      next(await agent.follow({ position: { ...position, ...change }, held }));
    const isDelta = (message: FollowResponse__Output, why: string): void => {
      t.equal(message.reset, false, why);
      t.same(paths(message), ["/comes"], why);
      t.same(message.removed_entries, [goes], why);
    };
    const isWhole = (message: FollowResponse__Output, why: string): void => {
      t.equal(message.reset, true, why);
      t.same(paths(message), ["/host", "/stays", "/comes"], why);
    };
    isDelta(await resume(), "resumed");
    isWhole(await resume({ revision: "1000000" }), "a revision of the future");
    isWhole(await resume({ mark: "1" }), "a revision of another history");
    isWhole(await next(await agent.follow({})), "nothing held");
    isWhole(await next(await agent.follow({ held })), "held since no revision");

    await domain.stopServer();
    await domain.startServer();
    isDelta(await resume(), "the server restarted");

    await domain.stopServer();
    const path = join(domain.dir, "server", "datastore.db");
    const store = await openSqliteDatastore({ path, clock: systemClock, logger: silentLogger });
    await store.pruneChanges(1);
    await store[Symbol.asyncDispose]();
    await domain.startServer();
    isWhole(await resume(), "the feed was pruned");
  },
);

t.test(
  "the stream of changes stays while authorities come, and is begun anew when one goes",
  async (t) => {
    await using domain = await Domain.start({ metricsListen: "127.0.0.1:0" });
    const agent = await domain.startAgent(NO_POLLS);
    await domain.entry({ path: "/one" });
    using client = new WorkloadClient(agent.socket);
    using watch = client.x509();
    await watch.next();
    const { authorities, metricsAddress } = domain.server;
    const ended = async (): Promise<number> => {
      const answer = await fetch(`http://127.0.0.1:${metricsAddress?.port}/metrics`);
      return parsePrometheus(await answer.text())
        .samples.filter(({ name }) => name === FOLLOW_CALLS)
        .reduce((sum, { value }) => sum + value, 0);
    };
    const old = authorities.activeX509().id;
    const oldRoots = 1;
    for (let round = 1; round <= 2; round++) {
      const jwt = await authorities.prepare("jwt");
      await authorities.activate("jwt", jwt.id);
      const x509 = await authorities.prepare("x509");
      t.equal(roots(await watch.next()).length, oldRoots + round);
      await authorities.activate("x509", x509.id);
    }
    // By the same connection it hears of what comes after.
    await domain.entry({ path: "/two" });
    t.same(ids(await watch.next()), [id("/one"), id("/two")]);
    t.equal(await ended(), 0);

    await authorities.taint("x509", old);
    for (let message = await watch.next(); issuer(message) === old; ) message = await watch.next();
    await authorities.revoke("x509", old);
    while (roots(await watch.next()).includes(old));
    await domain.entry({ path: "/three" });
    t.equal(ids(await watch.next()).length, 3);
    t.ok((await ended()) > 0, "for the SVID of before, and for the root that is gone");
  },
);

const FOLLOW_CALLS = "spire_server_rpc_assay_sync_v1_sync_follow";
