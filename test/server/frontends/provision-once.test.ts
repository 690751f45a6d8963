/** One token, one certificate: under races, across servers and restarts; renewals; and who floods. */
import { createHash } from "node:crypto";
import { createServer as createTlsServer } from "node:https";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import t from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import type { Datastore } from "../../../src/server/datastore/contract.ts";
import { administrator } from "../../../src/server/frontends/provision/grant-request.ts";
import { Grants } from "../../../src/server/frontends/provision/grants.ts";
import { secretHash } from "../../../src/server/frontends/provision/secret-hash.ts";
import { Signing } from "../../../src/server/frontends/provision/signing.ts";
import type { AuditRecord } from "../../../src/observe/audit.ts";
import { formatName } from "../../../src/x509/names.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { parsePrometheus } from "../../support/prometheus.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import { refused } from "../../support/refused.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { mint } from "../api/calls.ts";
import {
  PROVISION,
  PROVISION_SERVICE,
  type Request,
  certificatesIn,
  leafIn,
  makeRequest,
  provisionRig,
} from "./provision-rig.ts";

const TLS = { tls: { kind: "svid", dnsNames: ["localhost"] } } as const;

/** What the work comes to, while the clock that answers to bad calls wait for moves on. */
async function settled<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const ended = work.finally(() => done.abort());
  while (!done.signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const due = clock.nextMs;
    if (due !== undefined && due - clock.nowMs() <= 10_000)
      await clock.advance(due - clock.nowMs());
  }
  return ended;
}

t.test("P2: 32 callers with one token and as many keys: one certificate", async (t) => {
  const rig = await provisionRig(t, { attempts: 1000 });
  const { clock } = rig.server;
  const token = await rig.authorize("a");
  const requests = await Promise.all(Array.from({ length: 32 }, () => makeRequest("a")));
  const answers = await settled(
    clock,
    Promise.all(requests.map(({ csr }) => rig.sign(token, csr))),
  );
  const won = answers.filter(({ status }) => status === 200);
  t.equal(won.length, 1);
  t.ok(
    answers.every(({ status }) => [200, 401, 0].includes(status)),
    "the others are refused, or have no answer",
  );
  const issued = (await readAuditLog(rig.server.dataDir)).filter(({ kind }) => kind === "issuance");
  t.equal(issued.filter(({ action }) => action === "x509.provision").length, 1, "one was signed");
  const mine = requests[answers.findIndex(({ status }) => status === 200)];
  const again = await Promise.all(
    Array.from({ length: 32 }, () => rig.sign(token, mine?.csr ?? "")),
  );
  t.same(new Set(again.map(({ body }) => body)), new Set([won[0]?.body]), "its key has it again");
});

t.test("P10: 200 instances at once: no failure, no serial twice", async (t) => {
  const rig = await provisionRig(t);
  const requests = await Promise.all(Array.from({ length: 32 }, () => makeRequest("a")));
  const serials = new Set<string>();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < 200) {
      const { csr } = requests[next++ % requests.length] as Request;
      const answer = await rig.sign(await rig.authorize("a"), csr);
      if (answer.status !== 200) t.fail(`${answer.status} ${answer.body}`);
      else serials.add(leafIn(answer.body).serial);
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  t.equal(serials.size, 200);
});

t.test(
  "P21: authorized on one server of a shared datastore, signed on another, once",
  async (t) => {
    const clock = new VirtualClock(Date.now());
    await using datastore = await openSqliteDatastore({
      path: ":memory:",
      clock,
      logger: silentLogger,
    });
    const trustDomain = TrustDomain.parse("example.org");
    let serial = 0;
    const gate = Promise.withResolvers<void>();
    const issuer = {
      checkFrontEndCertificate: () => undefined,
      frontEndCertificate: async () => {
        serial += 1;
        const mine = serial.toString(16);
        // All of them have signed before the first one writes: what a shared datastore makes possible.
        if (serial === 32) gate.resolve();
        await gate.promise;
        return {
          chain: [Buffer.from(mine)],
          root: new Uint8Array(),
          serial: mine,
          authorityId: "",
          notBefore: 0,
          notAfter: Math.floor(clock.nowMs() / 1000) + 60,
          alternates: [],
        };
      },
    };
    const server = async (store: Datastore) => {
      const config = { ...PROVISION, lifeSeconds: 60 };
      const grants = await Grants.open({
        config,
        datastore: store,
        trustDomain,
        issuer,
        clock,
        random: systemRandom,
      });
      const options = {
        attempts: 1000,
        renewals: true,
        roots: () => [],
        isOwn: () => true,
        isRevoked: () => false,
      };
      return {
        grants,
        signing: new Signing({ ...options, datastore: store, grants, issuer, clock }),
      };
    };
    const servers = await Promise.all(Array.from({ length: 32 }, () => server(datastore)));
    const request = { commonName: "a", names: [], lifeSeconds: 0, tokenLifeSeconds: 0 };
    const made = await servers[0]?.grants.authorize(request, administrator("local"));
    const hash = secretHash(made?.token ?? "");
    const outcomes = await Promise.allSettled(
      servers.map(async ({ signing }) => {
        const { csr } = await makeRequest("a");
        return signing.sign(hash, Buffer.from(csr));
      }),
    );
    const won = outcomes.filter(({ status }) => status === "fulfilled");
    t.equal(serial, 32, "each of them had signed");
    t.equal(won.length, 1, "and one handed it out");
    const stored = await datastore.provisionGrants.get(hash);
    const [first] = won;
    t.equal(
      stored?.certificate?.serial,
      first?.status === "fulfilled" ? first.value.certificate.serial : "",
    );
  },
);

t.test(
  "over TLS: pinned by its root, authorized by an administrator's SVID, renewed",
  async (t) => {
    const rig = await provisionRig(t, TLS);
    const { server } = rig;
    const { admin } = server;
    // Before the clock moves on: TLS looks at the real one.
    const operator = await mint(server, "/operator", 3600);
    const made = await admin.unary<{ token: string; ca_fingerprints: readonly string[] }>(
      PROVISION_SERVICE,
      "Authorize",
      { common_name: "web.example.org", names: ["10.1.2.3"] },
    );
    const roots = await rig.ask("/v1/ca?for=listener");
    const [root] = certificatesIn(roots.body);
    const digest = createHash("sha256")
      .update(root?.raw ?? "")
      .digest("hex");
    t.same(made.ca_fingerprints, [digest], "what a client pins that knows nothing yet");
    const ca = roots.body;
    const request = await makeRequest("web.example.org");
    const put = { method: "PUT", ca };
    const first = await rig.ask(`/v1/sign/${made.token}`, { ...put, body: request.csr });
    t.equal(first.status, 200, first.body);
    const mine = { certPem: first.body, keyPem: request.keyPem };

    const next = await makeRequest("web.example.org");
    const renew = (identity: typeof mine | undefined, csr = next.csr) =>
      rig.ask("/v1/renew", { ...put, ...(identity && { identity }), body: csr });
    t.equal((await renew(undefined)).status, 401, "without a certificate");
    const renewed = await renew(mine);
    t.equal(renewed.status, 200, renewed.body);
    const leaf = leafIn(renewed.body);
    t.same([leaf.dnsNames, leaf.ipAddresses], [["web.example.org"], ["10.1.2.3"]]);
    t.same(leaf.publicKey, next.publicKey);
    t.not(leaf.serial, leafIn(first.body).serial);
    const lost = await renew(mine);
    t.equal(lost.status, 200, "whoever lost the answer still has what it asked with");
    const third = await renew({ certPem: lost.body, keyPem: next.keyPem });
    t.equal(third.status, 200, third.body);
    t.equal((await renew(mine)).status, 401, "but not for ever");
    server.clock.step(60_000);
    const other = await makeRequest("other.example.org");
    const newest = { certPem: third.body, keyPem: next.keyPem };
    t.equal((await renew(newest, other.csr)).status, 401, "for the same names only");
    const foreign = await mint(server, "/workload", 3600);
    t.equal((await renew(foreign)).status, 401, "a certificate that was made elsewhere");
    server.clock.step(60_000);
    await admin.unary(PROVISION_SERVICE, "Withdraw", { common_name: "web.example.org" });
    t.equal((await renew(newest)).status, 403, "an administrator can end it");

    const post = (identity: typeof mine, query: string) =>
      rig.ask(`/v1/authorize?${query}`, { method: "POST", ca, identity });
    const query = (name: string) => `cn=${name}&token=${name.padEnd(32, "x")}`;
    t.equal((await post(operator, query("a"))).status, 403, "no administrator");
    await server.createEntry({
      spiffe_id: { trust_domain: "example.org", path: "/operator" },
      parent_id: { trust_domain: "example.org", path: "/host" },
      selectors: [{ type: "unix", value: "uid:0" }],
      admin: true,
    });
    server.clock.step(60_000);
    const byAdmin = await post(operator, `${query("b")}&spiffeId=spiffe://example.org/operator`);
    t.equal(byAdmin.status, 200, byAdmin.body);
    t.equal((await post(newest, query("c"))).status, 401, "what was provisioned authorizes nobody");
    const acts = (await readAuditLog(server.dataDir)).filter(({ kind }) => kind === "admin");
    t.ok(
      acts.some(
        ({ action, caller }) =>
          action === "provision.authorize" && caller?.id === "spiffe://example.org/operator",
      ),
    );

    // P11: what was provisioned and what was attested trust each other by the same roots.
    const seen = createTlsServer(
      { cert: newest.certPem, key: newest.keyPem, ca, requestCert: true, rejectUnauthorized: true },
      (call, response) => response.end(String(call.method)),
    ).listen(0, "127.0.0.1");
    t.teardown(() => seen.close());
    await once(seen, "listening");
    const { port } = seen.address() as AddressInfo;
    const visit = (identity?: typeof mine) =>
      new Promise<boolean>((resolve) => {
        const options = {
          ca,
          servername: "web.example.org",
          agent: false,
          port,
          host: "127.0.0.1",
        };
        const keys = identity && { cert: identity.certPem, key: identity.keyPem };
        import("node:https").then(({ request: ask }) => {
          const call = ask({ ...options, ...keys }, (response) => {
            response.resume();
            resolve(true);
          });
          call.on("error", () => resolve(false));
          call.end();
        }, resolve);
      });
    t.equal(await visit(newest), true, "P11: an issued certificate");
    t.equal(await visit(operator), true, "an SVID of the same trust domain");
    t.equal(await visit(), false, "none");
    const stranger = await import("../../support/test-ca.ts").then(({ TestCa }) => TestCa.create());
    t.equal(await visit(await stranger.leaf()), false, "a foreign one");
  },
);

t.test("renewals can be off, and need a certificate over plain http, too", async (t) => {
  const rig = await provisionRig(t, { ...TLS, renewals: false });
  const request = await makeRequest("a");
  const first = await rig.sign(await rig.authorize("a"), request.csr);
  const identity = { certPem: first.body, keyPem: request.keyPem };
  const renewed = await rig.ask("/v1/renew", { method: "PUT", identity, body: request.csr });
  t.equal(renewed.status, 403);
  const plain = await provisionRig(t);
  t.equal((await plain.ask("/v1/renew", { method: "PUT", body: request.csr })).status, 401);
});

t.test(
  "P22 P23: a flood of bad tokens ends, good ones keep their speed, all are counted",
  async (t) => {
    const rig = await provisionRig(
      t,
      {},
      { config: { metricsListen: "127.0.0.1:0", frontends: { provision: PROVISION } } },
    );
    const { clock, server } = rig.server;
    const { csr } = await makeRequest("a");
    const over = new AbortController();
    const enough = Promise.withResolvers<void>();
    let cut = 0;
    let refusedCalls = 0;
    const flood = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const { status } = await rig.sign(`wrong-${systemRandom.bytes(8).join("")}`, csr);
        if (status === 0) cut += 1;
        else refusedCalls += 1;
        if (cut === 200) enough.resolve();
      }
    };
    const floods = Promise.all(Array.from({ length: 16 }, flood));
    for (let call = 0; call < 50; call += 1) {
      const answer = await rig.sign(await rig.authorize("a"), csr);
      if (answer.status !== 200) t.fail(`a good one: ${answer.status} ${answer.body}`);
    }
    await enough.promise;
    over.abort();
    await settled(clock, floods);
    t.ok(refusedCalls <= 20 + 16, `${refusedCalls} had an answer, ${cut} had none`);
    const { host = "", port = 0 } = server.metricsAddress ?? {};
    const metrics = parsePrometheus(await (await fetch(`http://${host}:${port}/metrics`)).text());
    const attempts = (attempt: string, outcome: string): number =>
      metrics.value("assay_server_provision_attempts_total", { attempt, outcome }) ?? 0;
    t.equal(attempts("sign", "ok"), 50);
    t.equal(attempts("sign", "unauthenticated"), refusedCalls + cut);
    const guarded = (outcome: string): number =>
      metrics.value("assay_server_guarded_answers_total", { frontend: "provision", outcome }) ?? 0;
    t.equal(guarded("cut"), cut);
    t.equal(guarded("answered") + guarded("slowed"), refusedCalls);
  },
);

t.test("P20: authorized, restarted, signed; the same CA and no serial again", async (t) => {
  const dir = t.testdir();
  const keys = { kind: "disk", keyFile: `${dir}/key` } as const;
  const config = { dataDir: `${dir}/data`, keyManager: keys };
  const request = await makeRequest("a");
  const run = async (work: (rig: Awaited<ReturnType<typeof provisionRig>>) => Promise<string>) => {
    const frontends = { provision: PROVISION };
    const rig = await provisionRig(t, {}, { config: { ...config, frontends } });
    const made = await work(rig);
    const ca = await rig.ask("/v1/ca");
    await rig.server.stop();
    return { made, ca: ca.body };
  };
  const first = await run((rig) => rig.authorize("a"));
  const second = await run(async (rig) => (await rig.sign(first.made, request.csr)).body);
  t.equal(second.ca, first.ca, "P7: the same CA");
  const third = await run(async (rig) => {
    const again = await rig.sign(first.made, request.csr);
    t.equal(again.body, second.made, "and the very same certificate to whoever lost it");
    t.equal((await rig.sign(first.made, (await makeRequest("a")).csr)).status, 401);
    return (await rig.sign(await rig.authorize("a"), request.csr)).body;
  });
  t.not(leafIn(third.made).serial, leafIn(second.made).serial);
});

t.test("anonymous over plain http, as the scripts of old have it", async (t) => {
  const rig = await provisionRig(t, { anonymousAuthorize: true });
  const authorize = (query: string) => rig.ask(`/v1/authorize?${query}`, { method: "POST" });
  t.equal((await authorize("cn=Tommy&token=400&lifeInSeconds=600")).status, 200, "any token");
  const { csr } = await makeRequest("Tommy");
  const first = await rig.sign("400", csr);
  t.equal(first.status, 200);
  t.equal((await authorize("cn=Tommy&token=400")).status, 200, "and the same one again");
  const second = await rig.sign("400", (await makeRequest("Tommy")).csr);
  t.equal(second.status, 200, second.body);
  t.equal((await authorize("cn=Other&token=400")).status, 200);
  t.equal((await rig.sign("400", csr)).status, 401, "for another name now");
  const spiffe = await authorize("cn=a&token=1&spiffeId=spiffe://example.org/a");
  t.equal(spiffe.status, 403, "nobody's word is no SVID");
});

t.test("a set of its own signs, but for SVIDs", async (t) => {
  const set = {
    keyType: "rsa-2048",
    ttlSeconds: 365 * 86_400,
    upstreamAuthority: {},
    profiles: ["peer"],
  } as const;
  const rig = await provisionRig(
    t,
    {},
    {
      config: {
        authoritySets: new Map([["web", set]]),
        frontends: { provision: { ...PROVISION, set: "web" } },
      },
    },
  );
  const answer = await rig.sign(
    await rig.authorize("a", { life: 40 * 86_400 }),
    (await makeRequest("a", {}, "rsa-2048")).csr,
  );
  t.equal(answer.status, 200, answer.body);
  const roots = certificatesIn((await rig.ask("/v1/ca")).body);
  t.equal(leafIn(answer.body).authorityKeyId, roots[0]?.subjectKeyId);
  t.not((await rig.server.rootsPem()).trim(), (await rig.ask("/v1/ca")).body.trim());
  await refused(
    t,
    provisionRig(t, { set: "none" }),
    { kind: "invalid", message: /there is no authority set 'none'/ },
    "an unknown one ends the start",
  );
});

t.test("authorizations are bounded, and those that have ended make room", async (t) => {
  const clock = new VirtualClock();
  await using datastore = await openSqliteDatastore({
    path: ":memory:",
    clock,
    logger: silentLogger,
  });
  const grants = await Grants.open({
    config: PROVISION,
    datastore,
    trustDomain: TrustDomain.parse("example.org"),
    issuer: { checkFrontEndCertificate: () => undefined },
    clock,
    random: systemRandom,
    maxGrants: 2,
  });
  const authorize = (tokenLifeSeconds: number, more = {}) =>
    grants.authorize(
      { commonName: "a", names: [], lifeSeconds: 0, tokenLifeSeconds },
      { ...administrator("local"), ...more },
    );
  await refused(t, authorize(10, { apiTokenHash: "gone" }), {
    kind: "unauthenticated",
    message: /the api token was deleted/,
  });
  await authorize(10);
  const kept = await authorize(1000);
  await refused(t, authorize(10), { kind: "limited", message: /more than 2 authorizations/ });
  clock.step(11_000);
  await authorize(10);
  t.equal(await datastore.provisionGrants.count(), 2);
  t.ok(await datastore.provisionGrants.get(kept.grant.hash), "what still counts stays");
});

t.test("with an entry the certificate is an SVID, too", async (t) => {
  const rig = await provisionRig(t);
  const { server } = rig;
  const id = { trust_domain: "example.org", path: "/web" };
  const parent = { trust_domain: "example.org", path: "/host" };
  const entryId = await server.createEntry({
    spiffe_id: id,
    parent_id: parent,
    selectors: [{ type: "unix", value: "uid:1" }],
    dns_names: ["web.internal"],
    x509_svid_ttl: 1800,
  });
  const token = await rig.authorize("web.example.org", { entry_id: entryId });
  const asked = await makeRequest("web.example.org", { uris: ["spiffe://example.org/web"] });
  const answer = await rig.sign(token, asked.csr);
  t.equal(answer.status, 200, answer.body);
  const leaf = leafIn(answer.body);
  t.same(leaf.uris, ["spiffe://example.org/web"]);
  t.same(leaf.dnsNames, ["web.example.org", "web.internal"]);
  t.match(formatName(leaf.subject), /CN=web\.example\.org$/);
  t.equal(leaf.notAfter, Math.floor(server.clock.nowMs() / 1000) + 1800, "the entry's life");
  const byId = await rig.authorize("x", { spiffe_id: "spiffe://example.org/web" });
  const other = leafIn((await rig.sign(byId, (await makeRequest("x")).csr)).body);
  t.same(other.uris, leaf.uris);
  t.equal(other.notAfter, leaf.notAfter, "by the ID, too");
  const shortened = await rig.authorize("short", { entry_id: entryId, life: 1800 });
  const shortenedId = await rig.authorize("short", { spiffe_id: "spiffe://example.org/web" });
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: entryId, x509_svid_ttl: 900 }],
    input_mask: { x509_svid_ttl: true },
  });
  for (const each of [shortened, shortenedId]) {
    const { body } = await rig.sign(each, (await makeRequest("short")).csr);
    t.equal(leafIn(body).notAfter, leaf.notAfter - 900, "what was shortened since holds");
  }
  const late = await rig.authorize("late", { entry_id: entryId });
  const refusals: readonly [object, string][] = [
    [{ entry_id: "none" }, "not_found"],
    [{ entry_id: entryId, life: 901 }, "invalid"],
    [{ spiffe_id: "spiffe://example.org/web", life: 901 }, "invalid"],
    [{ spiffe_id: "spiffe://example.org/other" }, "denied"],
    [{ spiffe_id: "spiffe://other.org/web" }, "invalid"],
    [{ spiffe_id: "no id" }, "invalid"],
    [{ spiffe_id: "spiffe://example.org/other", entry_id: entryId }, "invalid"],
  ];
  for (const [more, kind] of refusals) {
    await refused(t, rig.authorize("x", more), { kind } as never, JSON.stringify(more));
  }
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", {
    ids: [entryId],
  });
  const gone = await rig.sign(late, (await makeRequest("late")).csr);
  t.equal(gone.status, 403, "an entry that is gone authorizes nothing");
  const audit: AuditRecord[] = await readAuditLog(server.dataDir);
  t.ok(audit.some(({ subject }) => subject?.entryId === entryId && subject.serial === leaf.serial));
});
