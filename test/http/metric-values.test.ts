/** What single metrics say, and when: what an operator's alarms stand on. */
import t from "tap";
import { Metrics } from "../../src/observe/metrics.ts";
import { type ReadServerParams, readServer } from "../../src/server/observe-server.ts";
import { csrOf } from "../server/api/calls.ts";
import { parsePrometheus } from "../support/prometheus.ts";
import { refused } from "../support/refused.ts";
import { Domain, id } from "../support/running.ts";
import { SVID_SERVICE, startTestServer } from "../support/server.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const AUTHORITIES = "spire.api.server.localauthority.v1.LocalAuthority";
const DAY = 24 * 3600;

async function scrape(address: { host: string; port: number } | undefined) {
  const answer = await fetch(`http://${address?.host}:${address?.port}/metrics`);
  return parsePrometheus(await answer.text());
}

t.test("server: authorities, acts and records", async (t) => {
  const server = await startTestServer(t, { config: { metricsListen: "127.0.0.1:0" } });
  const look = () => scrape(server.server.metricsAddress);
  const started = await look();
  t.equal(started.value("assay_server_admin_acts_total", { outcome: "ok" }), undefined);
  const td = { trust_domain_id: "example.org" };
  const now = () => server.clock.nowMs() / 1000;
  const expiration = started.value("spire_server_manager_x509_ca_rotate_expiration", td) ?? 0;
  const near = (value: number | undefined, wanted: number, what: string): void => {
    t.ok(Math.abs((value ?? 0) - wanted) < 30, `${what}: ${value}, not ${wanted}`);
  };
  near(expiration, now() + DAY, "expiration");
  near(started.value("spire_server_manager_x509_ca_rotate_ttl", td), DAY, "ttl");
  for (const kind of ["x509", "jwt"]) {
    near(started.value("assay_server_authority_seconds_left", { kind }), DAY, kind);
  }
  const records = started.value("assay_server_audit_records") ?? 0;
  const uptime = started.value("spire_server_uptime_in_ms") ?? -1;

  server.clock.step(60_000);
  const id = { x509: "", jwt: "" };
  for (const [kind, name] of [
    ["x509", "X509"],
    ["jwt", "JWT"],
  ] as const) {
    const { prepared_authority } = await server.admin.unary<{
      prepared_authority: { authority_id: string };
    }>(AUTHORITIES, `Prepare${name}Authority`, {});
    id[kind] = prepared_authority.authority_id;
    await server.admin.unary(AUTHORITIES, `Activate${name}Authority`, { authority_id: id[kind] });
  }
  await refused(t, server.admin.unary(AUTHORITIES, "TaintX509Authority", { authority_id: "no" }), {
    kind: "invalid",
  });
  while ((await look()).value("spire_server_svid_rotate", { status: "OK" }) === undefined);
  t.pass("its own SVID is of the new authority");
  const { value } = await look();
  t.equal(value("spire_server_ca_manager_x509_ca_prepare", { status: "OK" }), 2);
  t.equal(value("spire_server_ca_manager_jwt_key_prepare", { status: "OK" }), 2);
  t.equal(value("spire_server_ca_manager_x509_ca_activate"), 2);
  t.equal(value("spire_server_manager_jwt_key_activate"), 2);
  const next = value("spire_server_manager_x509_ca_rotate_expiration", td) ?? 0;
  t.ok(next >= expiration + 60, "the new one's");
  t.ok((value("spire_server_uptime_in_ms") ?? 0) >= uptime + 60_000);
  t.equal(value("assay_server_admin_acts_total", { outcome: "ok" }), 4);
  t.equal(value("assay_server_admin_acts_total", { outcome: "invalid" }), 1);
  t.ok(
    (value("assay_server_audit_records") ?? 0) >= records + 4 + 1 + 1,
    "acts, the SVID, the refusal",
  );
  t.equal(value("assay_server_audit_failing"), 0);
  t.equal(value("assay_upstream_authority_failing", { upstream: "self" }), 0);
  t.equal(value("assay_authority_warnings"), 0);

  // Long after their end.
  server.clock.step(30 * DAY * 1000);
  const { csr } = await csrOf("/late");
  await refused(t, server.admin.unary(SVID_SERVICE, "MintX509SVID", { csr }), {
    kind: "unavailable",
  });
  const late = await look();
  for (const kind of ["x509", "jwt"]) {
    t.equal(late.value("assay_server_authority_seconds_left", { kind }), 0, `${kind}: an alarm`);
  }
  const mint = "spire_server_rpc_svid_v1_svid_mint_x509svid";
  t.equal(late.value(mint, { status: "Unavailable" }), 1);
});

t.test("server: what fails is 1, and each kind of authority is told apart", async (t) => {
  const clock = new VirtualClock();
  const until = (seconds: number) => ({ notAfter: clock.nowMs() / 1000 + seconds }) as never; // its end alone
  const sources = {
    auditLog: { failing: false, lastSeq: 7 },
    trouble: undefined as string | undefined,
    troubles: [] as string[],
    warnings: [] as string[],
    problem: undefined as string | undefined,
    hasX509: true,
  };
  const metrics = new Metrics();
  const params: ReadServerParams = {
    clock,
    version: "1",
    trustDomain: "example.org",
    authorities: {
      activeX509: () => {
        if (!sources.hasX509) throw new Error("none");
        return until(60);
      },
      activeJwt: () => until(90),
      upstreamName: "disk",
      upstreamNotAfter: clock.nowMs() / 1000 + 120,
      warnings: () => sources.warnings,
      get troubles() {
        return sources.troubles;
      },
    },
    otherSets: [{ warnings: () => ["a set's"] }],
    upstreamTrouble: () => sources.trouble,
    auditLog: sources.auditLog,
    keyManager: { problem: () => sources.problem },
    revision: () => 3,
    entries: () => 4,
    nodes: () => 5,
    followers: () => 6,
  };
  readServer(metrics, params);
  const value = (name: string, labels?: Record<string, string>) =>
    parsePrometheus(metrics.render()).value(name, labels);
  const failing = () => [
    value("assay_server_audit_failing"),
    value("assay_upstream_authority_failing", { upstream: "disk" }),
    value("assay_server_key_manager_failing"),
    value("assay_authority_warnings"),
  ];
  t.same(failing(), [0, 0, 0, 1]);
  t.equal(value("assay_upstream_authority_seconds_left", { upstream: "disk" }), 120);
  t.equal(value("assay_server_audit_records"), 7);
  sources.auditLog.failing = true;
  t.same(failing(), [1, 0, 0, 1]);
  sources.trouble = "it is away";
  t.same(failing(), [1, 1, 0, 1]);
  sources.trouble = undefined;
  sources.troubles = ["it does not sign"];
  t.same(failing(), [1, 1, 0, 1]);
  sources.problem = "the token was taken out";
  sources.warnings = ["one", "two"];
  t.same(failing(), [1, 1, 1, 3]);
  sources.hasX509 = false;
  t.equal(value("assay_server_authority_seconds_left", { kind: "x509" }), 0);
  t.equal(value("assay_server_authority_seconds_left", { kind: "jwt" }), 90);
});

t.test("agent: streams, what they hold, and how long that lasts", async (t) => {
  await using domain = await Domain.start();
  const entryId = await domain.entry({ path: "/web", more: { x509_svid_ttl: 1800 } });
  const agent = await domain.startAgent({ metricsListen: "127.0.0.1:0" });
  const look = () => scrape(agent.metricsAddress);
  const one = (await look()).value;
  t.equal(one("spire_agent_started", { trust_domain_id: "example.org" }), 1);
  t.equal(one("assay_agent_streams"), 0);
  t.equal(one("spire_agent_workload_api_connections"), 0);
  {
    using client = new WorkloadClient(agent.socket);
    using watch = client.x509();
    t.equal((await watch.next()).svids[0]?.spiffe_id, id("/web"));
    using bundles = client.x509Bundles();
    await bundles.next();
    const { value } = await look();
    t.equal(value("assay_agent_streams"), 2);
    t.equal(value("spire_agent_workload_api_connections"), 1);
    t.equal(value("spire_agent_workload_api_connection"), 2);
    t.equal(value("spire_agent_lru_cache_svid_map_size", { svid_type: "x509" }), 1);
    const left = value("assay_agent_least_seconds_left") ?? 0;
    t.ok(left > 1700 && left <= 1800, `${left} s: the workload's, not the agent's`);
    t.ok((value("assay_agent_svid_seconds_left") ?? 0) > 3000);
    const name = "spire_agent_workload_api_workload_attestation_elapsed_time";
    t.equal(value(`${name}_count`, { status: "OK" }), 2);
    t.equal(value("spire_agent_workload_api_discovered_selectors_count"), 2);
    t.ok((value("spire_agent_workload_api_discovered_selectors_sum") ?? 0) >= 2 * 4);
    t.ok((value("spire_agent_uptime_in_ms") ?? 0) > 0);
    t.equal(value("spire_agent_lru_cache_entry_update"), 0);
    await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
      entries: [{ id: entryId, dns_names: ["web.example.org"] }],
      input_mask: { dns_names: true },
    });
    await watch.next();
    t.equal((await look()).value("spire_agent_lru_cache_entry_update"), 1);
  }
  while ((await look()).value("spire_agent_workload_api_connections") !== 0);
  t.equal((await look()).value("assay_agent_streams"), 0);
});
