/** Metrics and health as a scraper and a supervisor see them, of a real server and a real agent. */
import { connect } from "node:net";
import t from "tap";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AGENT_METRICS, SERVER_METRICS } from "../../src/observe/metric-names.ts";
import { createLogger, silentLogger } from "../../src/observe/logger.ts";
import { HttpListener, type HttpRoute } from "../../src/http/http-listener.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { agentReadiness } from "../../src/agent/observe-agent.ts";
import { openSqliteDatastore } from "../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { serverReadiness } from "../../src/server/observe-server.ts";
import { parsePrometheus } from "../support/prometheus.ts";
import { refused } from "../support/refused.ts";
import { Domain } from "../support/running.ts";
import { ENTRY_SERVICE, SVID_SERVICE, startTestServer } from "../support/server.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { csrOf } from "../server/api/calls.ts";

interface Address {
  readonly host: string;
  readonly port: number;
}

const get = (address: Address | undefined, path: string, method = "GET") =>
  fetch(`http://${address?.host}:${address?.port}${path}`, { method });

const scrape = async (address: Address | undefined) =>
  parsePrometheus(await (await get(address, "/metrics")).text());

t.test("server: counters move, gauges tell, and readiness ends with the datastore", async (t) => {
  const server = await startTestServer(t, { config: { metricsListen: "127.0.0.1:0" } });
  const at = server.server.metricsAddress;
  const before = await scrape(at);
  t.equal(before.value("spire_server_started", { trust_domain_id: "example.org" }), 1);
  t.equal(before.value("spire_server_server_ca_sign_jwt_svid"), 0);
  const signed = before.value("spire_server_server_ca_sign_x509_svid") ?? 0;
  t.equal(signed, 1, "its own SVID");
  const left = before.value("assay_server_authority_seconds_left", { kind: "x509" }) ?? 0;
  t.ok(left > 80_000 && left <= 86_400, `${left} s`);

  const { csr } = await csrOf("/minted");
  await server.admin.unary(SVID_SERVICE, "MintX509SVID", { csr });
  const agent = await server.attest();
  await refused(t, agent.channel.unary(ENTRY_SERVICE, "ListEntries", {}), { kind: "denied" });
  const after = await scrape(at);
  t.equal(after.value("spire_server_server_ca_sign_x509_svid"), signed + 2);
  const mint = "spire_server_rpc_svid_v1_svid_mint_x509svid";
  t.equal(after.value(mint, { status: "OK" }), 1);
  t.equal(after.value(`${mint}_elapsed_time_count`, { status: "OK" }), 1);
  t.equal(
    after.value("spire_server_rpc_entry_v1_entry_list_entries", { status: "PermissionDenied" }),
    1,
  );
  t.equal(after.value("assay_server_refusals_total", { kind: "denied" }), 1);
  t.equal(after.value("assay_server_audit_wait_seconds_count"), signed + 2);
  for (const name of ["ca_manager_x509_ca_prepare", "ca_manager_jwt_key_prepare"]) {
    t.equal(after.value(`spire_server_${name}`, { status: "OK" }), 1, name);
  }
  for (const name of ["ca_manager_x509_ca_activate", "manager_jwt_key_activate"]) {
    t.equal(after.value(`spire_server_${name}`), 1, name);
  }
  t.equal(after.value("spire_server_registration_entry_manager_prune", { status: "OK" }), 1);
  t.equal(after.value("spire_server_node_agents_by_id_cache_count"), 1);
  t.equal(after.value("spire_server_entry_entries_by_entryid_cache_count"), 0);
  t.equal(after.value("assay_server_following_agents"), 0);

  t.equal((await get(at, "/live")).status, 200);
  const ready = await get(at, "/ready");
  t.equal(ready.status, 200);
  t.match(await ready.json(), { status: "ready", checks: { datastore: "ok", "audit log": "ok" } });
  const health = () =>
    server.admin.unary<{ status: string }>("grpc.health.v1.Health", "Check", { service: "" });
  t.same(await health(), { status: "SERVING" });

  // The end of its authorities, far away: the server cannot sign any more, and says so.
  server.clock.step(30 * 24 * 3600 * 1000);
  const late = await get(at, "/ready");
  t.equal(late.status, 503);
  t.match(await late.json(), {
    status: "not ready",
    checks: { "x509 authority": /^no X.509 authority .* can sign now/, datastore: "ok" },
  });
  t.same(await health(), { status: "NOT_SERVING" });
  t.equal((await get(at, "/live")).status, 200, "and yet must not be restarted");
});

t.test(
  "server: a datastore that is closed is missing, and a key manager that is away",
  async (t) => {
    const clock = new VirtualClock();
    const datastore = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
    const authority = { notAfter: clock.nowMs() / 1000 + 60 } as never; // only its end matters here
    let away: string | undefined;
    let comesBack = false;
    const list = async () => {
      if (comesBack) away = undefined;
      return [];
    };
    const readiness = serverReadiness({
      datastore,
      authorities: {
        activeX509: () => authority,
        activeJwt: () => authority,
        upstreamName: "self",
        upstreamNotAfter: undefined,
        warnings: () => ["it ends soon"],
        troubles: [],
      },
      upstreamTrouble: () => "it is away",
      auditLog: { failing: false },
      keyManager: { list, problem: () => away },
      clock,
      stopping: new AbortController().signal,
    });
    t.ok(await readiness.isReady(), "advice is none of it");
    t.match(
      (await readiness.results()).find(({ name }) => name === "upstream authority"),
      { missing: "it ends soon; roots of the upstream authority: it is away" },
    );
    const missing = async () =>
      (await readiness.results()).filter(
        (check) => check.missing !== undefined && check.isAdvice !== true,
      );
    away = "the token was taken out";
    clock.step(1000);
    t.match(await missing(), [{ name: "key manager", missing: away }]);
    comesBack = true;
    clock.step(1000);
    t.ok(await readiness.isReady(), "it is asked, though nobody else does");
    await datastore[Symbol.asyncDispose]();
    clock.step(1000);
    const failed = await missing();
    t.same(
      failed.map(({ name }) => name),
      ["datastore"],
    );
  },
);

t.test("only what is there is answered, in bounds", async (t) => {
  const listener = await HttpListener.open({
    setting: "--metrics-listen",
    host: "127.0.0.1",
    port: 0,
    routes: new Map<string, HttpRoute>([
      ["/good", async () => ({ status: 200, type: "text/plain", body: "good\n" })],
      ["/bad", () => Promise.reject(new Error("secret detail"))],
    ]),
    logger: silentLogger,
  });
  t.teardown(() => listener[Symbol.asyncDispose]());
  const cases: readonly [string, string, number][] = [
    ["GET", "/good", 200],
    ["GET", "/good?x=y", 200],
    ["HEAD", "/good", 200],
    ["POST", "/good", 405],
    ["GET", "/", 404],
    ["GET", "/../good", 200],
    ["GET", "//good", 404],
    ["GET", "/bad", 500],
  ];
  for (const [method, path, status] of cases) {
    const response = await get(listener.address, path, method);
    t.equal(response.status, status, `${method} ${path}`);
    const body = await response.text();
    if (method === "HEAD") t.equal(body, "");
    t.notOk(body.includes("secret"), "what failed stays in the log");
  }
  const raw = (request: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(listener.address.port, listener.address.host);
      let answer = "";
      socket.on("data", (data) => (answer += data.toString()));
      socket.on("close", () => resolve(answer));
      socket.on("error", reject);
      socket.write(request);
    });
  t.match(
    await raw(`GET /good HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1.1 431/,
  );
  t.match(await raw("\u0016\u0003\u0001 not http\r\n\r\n"), /^HTTP\/1.1 400/);
  await refused(
    t,
    HttpListener.open({
      setting: "--metrics-listen",
      ...listener.address,
      routes: new Map(),
      logger: silentLogger,
    }),
    { kind: "precondition", message: /choose another --metrics-listen/ },
  );
});

t.test("agent: counted, timed by attestor, ready once it is in sync", async (t) => {
  const beganMs = performance.now();
  await using domain = await Domain.start({ metricsListen: "127.0.0.1:0" });
  const entryId = await domain.entry({ path: "/web" });
  const agent = await domain.startAgent({ metricsListen: "127.0.0.1:0" });
  const at = agent.metricsAddress;
  const workload = connectUnix(agent.socket);
  t.teardown(() => workload.close());
  await workload.unary(
    "SpiffeWorkloadAPI",
    "FetchJWTSVID",
    { audience: ["a"] },
    { metadata: { "workload.spiffe.io": "true" } },
  );
  await refused(t, workload.unary("SpiffeWorkloadAPI", "FetchJWTSVID", { audience: ["a"] }), {
    kind: "invalid",
  });
  const { value } = await scrape(at);
  const call = "spire_agent_rpc_workload_api_fetch_jwtsvid";
  t.equal(value(call, { status: "OK" }), 1);
  t.equal(value(call, { status: "InvalidArgument" }), 1);
  t.equal(value("assay_agent_refusals_total", { kind: "invalid" }), 1);
  t.equal(value("spire_agent_workload_api_workload_attestation", { status: "OK" }), 1);
  t.equal(
    value("spire_agent_workload_api_workload_attestor", { attestor: "unix", status: "OK" }),
    1,
  );
  t.equal(value("assay_agent_attest_seconds_count", { attestor: "unix" }), 1);
  t.equal(value("assay_agent_entries"), 2, "its own alias is one of them");
  t.equal(value("spire_agent_jwt_svid_cache_size"), 1);
  t.ok((value("assay_agent_svid_seconds_left") ?? 0) > 3000);
  const sinceStart = (performance.now() - beganMs) / 1000 + 1;
  t.ok((value("assay_agent_sync_age_seconds") ?? Infinity) <= sinceStart);
  t.equal(value("spire_agent_node_attestor_new_svid", { status: "OK" }), 1);
  t.equal(value("spire_agent_manager_sync_fetch_svids_updates", { status: "OK" }), 1);
  t.equal(value("spire_agent_lru_cache_entry_add"), 2);
  t.equal(value("spire_agent_lru_cache_entry_remove"), 0);
  t.equal(value("spire_agent_lru_cache_record_map_size", { svid_type: "x509" }), 2);
  t.equal(value("assay_agent_revision_lag"), 0);
  const server = await scrape(domain.server.metricsAddress);
  t.ok((value("assay_agent_revision") ?? 0) > 0);
  t.ok((value("assay_agent_revision") ?? 99) <= (server.value("assay_server_revision") ?? 0));
  t.equal(server.value("assay_server_following_agents"), 1);
  t.ok((value("assay_agent_applied_age_seconds") ?? Infinity) <= sinceStart);
  const ready = await get(at, "/ready");
  t.equal(ready.status, 200);
  t.same(await ready.json(), { status: "ready", checks: { identity: "ok", sync: "ok" } });

  // A change that goes out on the agent's stream is measured where it was committed.
  const changes = async () => {
    const now = await scrape(domain.server.metricsAddress);
    return now.value("assay_server_propagation_seconds_count") ?? 0;
  };
  const before = await changes();
  await domain.deleteEntry(entryId);
  while ((await changes()) === before);

  // An entry that ends by itself is sent as well, though nothing was committed for as long as it lived.
  const removed = async () => (await scrape(at)).value("spire_agent_lru_cache_entry_remove");
  while ((await removed()) !== 1);
  const short = await domain.entry({ path: "/short" });
  while ((await changes()) === before + 1);
  await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: short, expires_at: Math.ceil(Date.now() / 1000) + 6 }],
    input_mask: { expires_at: true },
  });
  while ((await changes()) === before + 2);
  while ((await removed()) !== 2);
  t.equal(await changes(), before + 3);
});

t.test("doc/observability.md lists every metric", (t) => {
  const text = readFileSync(join(import.meta.dirname, "../../doc/observability.md"), "utf8");
  const names = [SERVER_METRICS, AGENT_METRICS].flatMap((metrics) =>
    Object.values(metrics).map((each) => ("count" in each ? each.count.name : each.name)),
  );
  t.ok(names.length > 50, `${names.length} metrics were seen`);
  for (const name of names) {
    const short = name.replace(/^(spire|assay)_(server|agent)_/, "");
    t.match(text, new RegExp(`\`(${name}|${short})(\`|\\{)`), name);
  }
  t.end();
});

t.test("one request ID in the agent's log, the server's log and the audit log", async (t) => {
  const serverLines: string[] = [];
  const agentLines: string[] = [];
  const logTo = (lines: string[]) =>
    createLogger({
      level: "debug",
      format: "json",
      write: (line) => lines.push(line),
      nowMs: () => 0,
    });
  await using domain = await Domain.start({}, logTo(serverLines));
  const agent = await domain.startAgent({}, { logger: logTo(agentLines) });
  const id = { trust_domain: "example.org", path: agent.spiffeId.path };
  await domain.call("agent.v1.Agent", "BanAgent", { id });
  t.match(await agent.stopped, { reason: "AGENT_BANNED" });
  const denials: { requestId?: string }[] = readFileSync(
    `${domain.dir}/server/audit/audit-000000000000001.jsonl`,
    "utf8",
  )
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; requestId?: string })
    .filter(({ kind }) => kind === "denial");
  const [requestId = "none"] = denials.flatMap((denial) => denial.requestId ?? []);
  t.match(requestId, /^[0-9a-f]{16}$/);
  const logged = serverLines.map((line) => JSON.parse(line) as Record<string, unknown>);
  t.ok(logged.some((line) => line["message"] === "call denied" && line["requestId"] === requestId));
  t.ok(
    agentLines.some((line) => line.includes(`(request ${requestId})`)),
    agentLines.join(""),
  );
});

t.test("an agent that does not hear its server for long is not ready", async (t) => {
  const clock = new VirtualClock();
  const now = () => clock.nowMs();
  let svid: { expiresAt: number } | undefined;
  let heardAtMs = 0;
  const cache = {
    synced: false,
    entryCount: 0,
    svidCount: 0,
    subscriberCount: 0,
    earliestExpiry: undefined,
  };
  const readiness = agentReadiness({
    clock,
    // Of the agent's SVID only its end matters here.
    identity: {
      get svid() {
        return svid as never;
      },
    },
    cache,
    heardAtMs: () => heardAtMs,
    syncIntervalMs: () => 5000,
    whyNoIdentity: () => why,
  });
  let why: string | undefined;
  const missing = async () => {
    clock.step(1000);
    return (await readiness.results()).map((result) => result.missing);
  };
  t.same(await missing(), ["the agent has not attested yet", "nothing came from the server yet"]);
  why = "the server has gone";
  t.equal((await missing())[0], "the agent has not attested yet: the server has gone");
  svid = { expiresAt: now() / 1000 + 3600 };
  heardAtMs = now();
  cache.synced = true;
  t.same(await missing(), [undefined, undefined]);
  clock.step(110_000);
  t.same(await missing(), [undefined, undefined]);
  clock.step(20_000);
  t.match(await missing(), [undefined, /^the server was not heard for 13\d s/]);
  heardAtMs = now();
  t.same(await missing(), [undefined, undefined]);
  clock.step(3_600_000);
  t.match(await missing(), ["the agent's SVID has expired", /not heard/]);
});
