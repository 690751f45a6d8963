/** What those who authorize may hand out of themselves. */
import t from "tap";
import { readAuditLog } from "../../support/audit-records.ts";
import { parsePrometheus } from "../../support/prometheus.ts";
import { PROVISION, PROVISION_SERVICE, makeRequest, provisionRig } from "./provision-rig.ts";

t.test("an API token authorizes entries, and does not become an administrator", async (t) => {
  const rig = await provisionRig(t);
  const { server } = rig;
  const entry = (path: string, more: object = {}) =>
    server.createEntry({
      spiffe_id: { trust_domain: "example.org", path },
      parent_id: { trust_domain: "example.org", path: "/host" },
      selectors: [{ type: "unix", value: `user:${path.slice(1)}` }],
      ...more,
    });
  const ids = {
    plain: await entry("/plain"),
    operator: await entry("/operator", { admin: true }),
    below: await entry("/below", { downstream: true }),
    twin: await entry("/operator", { selectors: [{ type: "unix", value: "uid:7" }] }),
  };
  const { token: api } = await server.admin.unary<{ token: string }>(
    PROVISION_SERVICE,
    "CreateApiToken",
    { name: "ci", ttl: 600, allow_entries: true },
  );
  const post = (at: string, query: string) =>
    rig.ask(`/v1/authorize?cn=web.example.org&token=${at.padEnd(32, "x")}&${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${api}` },
    });
  const cases: [string, number][] = [
    ["spiffeId=spiffe://example.org/plain", 200],
    [`entry=${ids.plain}`, 200],
    ["spiffeId=spiffe://example.org/operator", 403],
    [`entry=${ids.operator}`, 403],
    [`entry=${ids.twin}`, 403],
    ["spiffeId=spiffe://example.org/below", 403],
    [`entry=${ids.below}`, 403],
  ];
  for (const [at, [query, status]] of cases.entries()) {
    server.clock.step(20_000);
    const answer = await post(`t${at}`, query);
    t.equal(answer.status, status, `${query}: ${answer.body}`);
  }
  t.ok(await rig.authorize("web.example.org", { entry_id: ids.operator }), "an administrator may");
});

t.test("what an API token authorized goes with it, unless it was used", async (t) => {
  const rig = await provisionRig(t);
  const { admin } = rig.server;
  const create = (name: string) =>
    admin.unary<{ token: string }>(PROVISION_SERVICE, "CreateApiToken", { name, ttl: 600 });
  const { token: ci } = await create("ci");
  const { token: other } = await create("other");
  const authorize = async (token: string, api: string): Promise<void> => {
    const answer = await rig.ask(`/v1/authorize?cn=web.example.org&token=${token}`, {
      method: "POST",
      headers: { authorization: `Bearer ${api}` },
    });
    t.equal(answer.status, 200, answer.body);
  };
  const [used, unused, others] = ["used", "unused", "others"].map((name) => name.padEnd(32, "x"));
  if (used === undefined || unused === undefined || others === undefined) throw new Error("three");
  await authorize(used, ci);
  await authorize(unused, ci);
  await authorize(others, other);
  const { csr } = await makeRequest("web.example.org");
  const first = await rig.sign(used, csr);
  t.equal(first.status, 200);
  t.match(await admin.unary(PROVISION_SERVICE, "DeleteApiToken", { name: "ci" }), { withdrawn: 1 });
  t.equal((await rig.sign(unused, csr)).status, 401, "nobody had used it");
  t.equal((await rig.sign(used, csr)).body, first.body, "a lost answer is answered again");
  t.equal((await rig.sign(others, csr)).status, 200, "another token's");
  const post = (query: string) =>
    rig.ask(`/v1/authorize?${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${ci}` },
    });
  const late = "late".padEnd(32, "x");
  for (const query of [`cn=web.example.org&token=${late}`, `cn=&token=${others}`]) {
    t.equal((await post(query)).status, 401, "it was known a moment ago, and counts no more");
  }
  const back = await rig.authorize("web.example.org");
  await admin.unary(PROVISION_SERVICE, "Withdraw", { common_name: "web.example.org" });
  t.equal((await rig.sign(back, csr)).status, 401, "taken back");
  const records = await readAuditLog(rig.server.dataDir);
  const issued = records.filter(({ action }) => action === "x509.provision");
  t.equal(issued.length, 2, "for none of these was anything signed");
});

t.test("P22: every attempt is counted by what came of it", async (t) => {
  const frontends = { provision: { ...PROVISION, attempts: 1000, renewals: false } };
  const rig = await provisionRig(t, {}, { config: { metricsListen: "127.0.0.1:0", frontends } });
  const { clock, server, admin } = rig.server;
  const { token: api } = await admin.unary<{ token: string }>(PROVISION_SERVICE, "CreateApiToken", {
    name: "ci",
    ttl: 6000,
    allow_names: ["*.example.org"],
  });
  const { csr } = await makeRequest("a.example.org");
  const other = await makeRequest("b.example.org");
  const good = await rig.authorize("a.example.org");
  const { host = "", port = 0 } = server.metricsAddress ?? {};
  const post = (query: string, bearer: string) =>
    rig.ask(`/v1/authorize?${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}` },
    });
  const put = (path: string, body: string) => rig.ask(path, { method: "PUT", body });
  const named = (name: string) => `cn=${name}&token=${name.padEnd(32, "x")}`;
  const calls: readonly (readonly [() => Promise<{ status: number }>, number, string, string])[] = [
    [() => post(named("x.example.org"), "none"), 401, "authorize", "unauthenticated"],
    [() => post(named("x.example.com"), api), 403, "authorize", "denied"],
    [() => post("cn=x.example.org", api), 400, "authorize", "invalid"],
    [() => post(named("x.example.org"), api), 200, "authorize", "ok"],
    [() => post(`${named("x.example.org")}&san=y.example.org`, api), 409, "authorize", "exists"],
    [() => put("/v1/sign/unknown", csr), 401, "sign", "unauthenticated"],
    [() => put(`/v1/sign/${good}`, "no pem"), 400, "sign", "invalid"],
    [() => put(`/v1/sign/${good}`, other.csr), 401, "sign", "unauthenticated"],
    [() => put(`/v1/sign/${good}`, csr), 200, "sign", "ok"],
    [() => put("/v1/renew", csr), 401, "renew", "unauthenticated"],
  ];
  const counted = async (attempt: string, outcome: string): Promise<number> => {
    const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
    const labels = { attempt, outcome };
    return parsePrometheus(text).value("assay_server_provision_attempts_total", labels) ?? 0;
  };
  for (const [call, status, attempt, outcome] of calls) {
    clock.step(60_000);
    const before = await counted(attempt, outcome);
    t.equal((await call()).status, status, `${attempt}: ${outcome}`);
    t.equal((await counted(attempt, outcome)) - before, 1, `${attempt} ${outcome} is counted once`);
  }
});
