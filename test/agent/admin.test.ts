/** The agent's admin socket: for its own user alone; health, log level and debug info, and no Workload API. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { runProgram } from "../../src/cli/program/program.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { refused } from "../support/refused.ts";
import { Domain, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const LOGGER = "spire.api.agent.logger.v1.Logger";
const DEBUG = "spire.agent.debug.v1.Debug";

t.test("the admin socket of an agent", async (t) => {
  const beganAt = Date.now() / 1000;
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const path = join(domain.dir, "admin", "admin.sock");
  const agent = await domain.startAgent({ adminSocket: path, logLevel: "info" });
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(join(domain.dir, "admin")).mode & 0o777, 0o700);
  const admin = connectUnix(path);
  t.teardown(() => admin.close());

  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  await watch.next();
  const { path: agentPath } = agent.spiffeId;
  const info = await admin.unary<{ last_sync_success: string; uptime: number }>(
    DEBUG,
    "GetInfo",
    {},
  );
  t.match(info, {
    svid_chain: [
      { id: { trust_domain: "example.org", path: agentPath } },
      { id: { trust_domain: "example.org", path: "" }, subject: /SPIFFE/ },
    ],
    svids_count: 1,
    cached_x509_svids_count: 1,
    cached_jwt_svids_count: 0,
    cached_svidstore_x509_svids_count: 0,
  });
  const sinceStart = Date.now() / 1000 - beganAt + 1;
  t.ok(Math.abs(Number(info.last_sync_success) - Date.now() / 1000) <= sinceStart);
  t.ok(info.uptime >= 0 && info.uptime <= sinceStart);

  t.same(await admin.unary(LOGGER, "GetLogger", {}), {
    current_level: "INFO",
    launch_level: "INFO",
  });
  t.match(await admin.unary(LOGGER, "SetLogLevel", { new_level: "TRACE" }), {
    current_level: "DEBUG",
  });
  await refused(t, admin.unary(LOGGER, "SetLogLevel", {}), { kind: "invalid" });
  t.match(await admin.unary(LOGGER, "ResetLogLevel", {}), { current_level: "INFO" });
  for (const service of ["", DEBUG, LOGGER]) {
    t.match(await admin.unary("grpc.health.v1.Health", "Check", { service }), {
      status: "SERVING",
    });
  }
  await refused(t, admin.unary("SpiffeWorkloadAPI", "FetchJWTBundles", {}), {
    kind: "unsupported",
  });
  const workload = connectUnix(agent.socket);
  t.teardown(() => workload.close());
  for (const [service, method] of [
    [DEBUG, "GetInfo"],
    [LOGGER, "SetLogLevel"],
  ] as const) {
    const call = workload.unary(service, method, {});
    await refused(t, call, { kind: "unsupported" }, "not for workloads");
  }

  const said = async (...args: string[]) => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runProgram({
      args,
      env: { HOME: "/nowhere", ASSAY_AGENT_ADMIN_SOCKET: path },
      stdout: (text) => out.push(text),
      stderr: (text) => err.push(text),
    });
    return { code, out: out.join(""), err: err.join("") };
  };
  t.match(await said("debug", "agent"), {
    code: 0,
    out: new RegExp(`x509Svids +1\n[^]*${id(agentPath)} {2}ends `),
  });
  t.match(await said("debug", "agent", "--output", "json"), {
    out: /"x509Svids": 1,\n {2}"jwtSvids": 0,\n {2}"lastSync": "\d{4}/,
  });
  t.match(await said("log-level", "warn", "--of", "agent"), {
    code: 0,
    out: "now       warn\nat start  info\n",
  });
  t.match(await said("log-level", "--reset", "--of", "agent"), { out: /^now +info\n/ });

  await agent[Symbol.asyncDispose]();
  t.notOk(existsSync(path));
});

t.test("without the option there is none", async (t) => {
  await using domain = await Domain.start();
  await domain.startAgent();
  t.notOk(existsSync(join(domain.dir, "admin")));
});
