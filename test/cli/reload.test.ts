// SIGHUP on real processes: a changed file takes effect as a whole, or nothing changes and the log says why.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { distinguishedName } from "../../src/x509/names.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type Channel, connectUnix } from "../../src/rpc/channel.ts";
import type { Logger__Output } from "../../src/rpc/gen/spire/api/types/Logger.ts";
import type { MintJWTSVIDResponse__Output } from "../../src/rpc/gen/spire/api/server/svid/v1/MintJWTSVIDResponse.ts";
import { AcmeClient } from "../support/acme-client.ts";
import { freePort } from "../support/free-port.ts";
import { TestIssuer } from "../support/oidc-issuer.ts";
import { type IssuedLeaf, TestCa } from "../support/test-ca.ts";
import { type Program, emptyEnvironment, run, start, temporaryFolder } from "./program.ts";

const NOW = Math.floor(Date.now() / 1000);
const LIFE = { notBefore: NOW - 10, notAfter: NOW + 3600 };

type Values = Readonly<Record<string, unknown>>;

/** A daemon on a file that the test rewrites. */
class Daemon {
  readonly program: Program;
  readonly #file: string;
  readonly #base: Values;
  #seen = 0;

  constructor(role: "server" | "agent", file: string, base: Values, env: NodeJS.ProcessEnv) {
    this.#file = file;
    this.#base = base;
    this.write({});
    this.program = start([role, "--config", file], env);
  }

  /** What the file says besides what it always says; `text` in place of all of it. */
  write(values: Values | string): void {
    const text = typeof values === "string" ? values : JSON.stringify({ ...this.#base, ...values });
    writeFileSync(this.#file, text);
  }

  /** Sends SIGHUP and resolves with what the log says of it. */
  async reload(values: Values | string): Promise<Values> {
    this.write(values);
    this.program.child.kill("SIGHUP");
    return this.outcome();
  }

  async outcome(): Promise<Values> {
    this.#seen += 1;
    const line = /^.*"configuration (?:read again|not taken, nothing changed)".*$/gm;
    const nth = new RegExp(`(?:${line.source}[^]*?){${this.#seen - 1}}(${line.source})`, "m");
    const match = await this.program.said(nth, "err");
    return JSON.parse(match[1] ?? "") as Values;
  }
}

interface ServerRig {
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly daemon: Daemon;
  readonly admin: Channel;
  readonly target: string;
}

async function startServer(t: Test, more: Values = {}): Promise<ServerRig> {
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  const dir = folder.path;
  const socket = join(dir, "server.sock");
  const env = { ...emptyEnvironment(dir), ASSAY_SERVER_SOCKET: socket };
  mkdirSync(join(dir, "run"), { mode: 0o700 });
  const base = {
    trustDomain: "example.org",
    listen: "127.0.0.1:0",
    dataDir: join(dir, "server"),
    socket,
    logFormat: "json",
    attestLimit: 100,
    ...more,
  };
  const daemon = new Daemon("server", join(dir, "server.json"), base, env);
  t.teardown(() => daemon.program.stop("SIGKILL"));
  const [line] = await daemon.program.said(/^.*"server started".*$/m, "err");
  const { host, port } = JSON.parse(line) as { host: string; port: number };
  const admin = connectUnix(socket);
  t.teardown(() => admin.close());
  return { dir, env, daemon, admin, target: `${host}:${port}` };
}

async function jwtLife(admin: Channel): Promise<number> {
  const { svid } = await admin.unary<MintJWTSVIDResponse__Output>(
    "spire.api.server.svid.v1.SVID",
    "MintJWTSVID",
    { id: { trust_domain: "example.org", path: "/a" }, audience: ["a"] },
  );
  return Number(svid?.expires_at) - Number(svid?.issued_at);
}

/** The audit log's records of reloads. */
function reloadRecords(dir: string): Values[] {
  const folder = join(dir, "server/audit");
  return readdirSync(folder)
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trim().split("\n"))
    .map((line) => JSON.parse(line) as Values)
    .filter(({ action }) => action === "server.reload")
    .map(({ outcome, subject, reason }) => ({ outcome, subject, reason }));
}

t.test("a server: what of the front end acme changes, and what does not", async (t) => {
  const port = await freePort();
  const acme = (names: object, more: object = {}): Values => ({
    frontends: { acme: { listen: `127.0.0.1:${port}`, names, ...more } },
  });
  const { daemon } = await startServer(t, acme({ dns: ["a.example.org"] }));
  using client = await AcmeClient.open(`http://127.0.0.1:${port}/directory`);
  await client.register({});
  const ordered = async (name: string): Promise<string> =>
    /rejectedIdentifier/.exec((await client.order([name])).text)?.[0] ?? "ordered";
  t.equal(await ordered("a.example.org"), "ordered");
  t.equal(await ordered("x.b.example.org"), "rejectedIdentifier");
  t.match(await daemon.reload(acme({ dns: [".b.example.org"], ip: ["10.0.0.1"] })), {
    changed: ["frontends.acme.names.dns", "frontends.acme.names.ip"],
  });
  t.equal(await ordered("a.example.org"), "rejectedIdentifier");
  t.equal(await ordered("x.b.example.org"), "ordered");
  const bad: [object, object, RegExp][] = [
    [{ dns: ["a..b"] }, {}, /frontends\.acme\.names\.dns: 'a\.\.b' is no rule for names/],
    [
      {},
      { validation: { allowedNetworks: ["x"] } },
      /frontends\.acme\.validation\.allowedNetworks: /,
    ],
    [{}, { profiles: ["gone"] }, /there is no certificate profile gone/],
    [{}, { url: "https://acme.example.org" }, /^frontends\.acme\.url cannot change/],
    [{}, { listen: "127.0.0.1:1" }, /^frontends\.acme\.listen cannot change/],
    [{}, { plainHttp: true }, /^frontends\.acme\.plainHttp cannot change/],
  ];
  for (const [names, more, error] of bad) {
    const asked = { dns: ["a.example.org"], ...names };
    t.match(await daemon.reload(acme(asked, more)), { level: "error", error });
  }
  t.match(
    await daemon.reload({ frontends: {} }),
    { error: /^frontends\.acme cannot change/ },
    "it cannot go",
  );
  t.equal(await ordered("a.example.org"), "rejectedIdentifier", "all of it or nothing");
  const more = {
    website: "https://example.org",
    limits: { ordersPerAccountPerHour: 7 },
    validation: { timeout: "5s" },
  };
  const certificates = { networks: { "/": ["10.0.0.0/8"] } };
  const { frontends } = acme({ dns: ["a.example.org"] }, more) as { frontends: object };
  const next = {
    frontends: { ...frontends, certificates },
    certificateProfiles: { short: { ttl: "1h" } },
  };
  t.match(await daemon.reload(next), {
    changed: [
      "certificateProfiles",
      "frontends.acme.names.dns",
      "frontends.acme.names.ip",
      "frontends.acme.website",
      "frontends.acme.validation",
      "frontends.acme.limits",
      "frontends.certificates",
    ],
  });
  t.equal(await ordered("a.example.org"), "ordered");
  t.match((await client.get(client.url("newOrder").replace("new-order", "limits"))).text, /most 7/);
});

t.test("a server: all of it or nothing, and a record of each", async (t) => {
  const { dir, daemon, admin } = await startServer(t);
  t.equal(await jwtLife(admin), 300);
  t.match(await daemon.reload({ jwtTtl: "2m", signLimit: 7 }), {
    level: "info",
    message: "configuration read again",
    changed: ["jwtTtl", "signLimit"],
  });
  t.equal(await jwtLife(admin), 120);

  t.match(await daemon.reload("jwtTtl: 1m\nsginLimit: 5\nx509Ttl: never\n"), {
    level: "error",
    error:
      /sginLimit in .*: is unknown; did you mean 'signLimit'\?; x509Ttl in .*: 'never' is no duration/,
  });
  t.equal(await jwtLife(admin), 120, "an invalid file changes nothing");
  t.match(await daemon.reload("{"), { level: "error", error: /is neither YAML nor JSON/ });

  const fixed = { jwtTtl: "1m", dataDir: join(dir, "other"), listen: "127.0.0.1:1" };
  const refused =
    "dataDir, listen cannot change while the server runs; restart it, or take those changes back";
  t.match(await daemon.reload(fixed), { level: "error", error: refused });
  t.equal(await jwtLife(admin), 120, "nor does one that needs a restart");

  t.match(await daemon.reload({ jwtTtl: "120s", signLimit: 7 }), { changed: [] });
  t.match(await daemon.reload({}), { changed: ["jwtTtl", "signLimit"] });
  t.equal(await jwtLife(admin), 300, "what is taken out of the file has its default again");

  t.match(reloadRecords(dir), [
    { outcome: "ok", subject: { settings: ["jwtTtl", "signLimit"] } },
    { outcome: "invalid", reason: /is unknown; did you mean 'signLimit'/ },
    { outcome: "invalid", reason: /neither YAML nor JSON/ },
    { outcome: "precondition", reason: refused },
    { outcome: "ok", subject: { settings: [] } },
    { outcome: "ok", subject: { settings: ["jwtTtl", "signLimit"] } },
  ]);
  t.match(await daemon.program.stop(), { code: 0 });
});

t.test("the log level: what was set at run time stays until the file says otherwise", async (t) => {
  const { daemon, admin } = await startServer(t);
  const service = "spire.api.server.logger.v1.Logger";
  const levels = async () => {
    const { current_level, launch_level } = await admin.unary<Logger__Output>(
      service,
      "GetLogger",
      {},
    );
    return [current_level, launch_level];
  };
  await admin.unary(service, "SetLogLevel", { new_level: "DEBUG" });
  t.match(await daemon.reload({ jwtTtl: "2m" }), { changed: ["jwtTtl"] });
  t.same(await levels(), ["DEBUG", "INFO"]);
  t.match(await daemon.reload({ logLevel: "debug" }), { changed: ["jwtTtl", "logLevel"] });
  t.same(await levels(), ["DEBUG", "DEBUG"]);
  await admin.unary(service, "SetLogLevel", { new_level: "ERROR" });
  t.match(await daemon.reload({ logLevel: "sometimes" }), { level: "error" });
  t.same(await levels(), ["ERROR", "DEBUG"]);
  daemon.write({ logLevel: "info" });
  await admin.unary(service, "SetLogLevel", { new_level: "INFO" });
  t.match(await daemon.reload({ logLevel: "info" }), { changed: ["logLevel"] });
  t.same(await levels(), ["INFO", "INFO"]);
});

t.test("the authorities of x509pop are read again", async (t) => {
  const [oldCa, newCa] = [await TestCa.create(LIFE), await TestCa.create(LIFE)];
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  const caFile = join(folder.path, "ca.pem");
  writeFileSync(caFile, oldCa.pem);
  const rig = await startServer(t, { x509popCa: caFile });
  const bundle = await run(["bundle", "show"], rig.env);
  writeFileSync(join(rig.dir, "bundle.pem"), bundle.out);
  const subject = distinguishedName([{ type: "CN", value: "host" }]);
  const leaf = await newCa.leaf({ ...LIFE, subject });

  const refused = await startPopAgent(t, rig, leaf, "a").ended;
  t.equal(refused.code, 1, refused.err);
  t.match(refused.err, /x509pop/);

  writeFileSync(caFile, "no certificate");
  t.match(await rig.daemon.reload({ jwtTtl: "2m" }), {
    level: "error",
    error: /x509pop authorities/,
  });
  t.equal(await jwtLife(rig.admin), 300, "nothing else changed either");
  writeFileSync(caFile, newCa.pem);
  t.match(await rig.daemon.reload({}), { changed: [] });
  await startPopAgent(t, rig, leaf, "b").said(/attested/, "err");

  t.match(await rig.daemon.reload({ x509popCa: "/none/such" }), { error: /there is no file/ });
  t.match(await rig.daemon.reload({ x509popCa: undefined }), { changed: ["x509popCa"] });
  const gone = await startPopAgent(t, rig, leaf, "c").ended;
  t.equal(gone.code, 1, "it is not offered any more");
});

function startPopAgent(t: Test, rig: ServerRig, leaf: IssuedLeaf, name: string): Program {
  const at = (file: string) => join(rig.dir, file);
  writeFileSync(at("cert.pem"), encodePem("CERTIFICATE", leaf.der));
  writeFileSync(at("key.pem"), leaf.keyPem, { mode: 0o600 });
  const proof = [
    "--attestor=x509pop",
    `--x509pop-cert=${at("cert.pem")}`,
    `--x509pop-key=${at("key.pem")}`,
  ];
  return startAgent(t, rig, proof, name);
}

function startAgent(t: Test, rig: ServerRig, proof: readonly string[], name: string): Program {
  const at = (file: string) => join(rig.dir, file);
  const program = start(
    [
      "agent",
      `--server=${rig.target}`,
      `--trust-bundle=${at("bundle.pem")}`,
      ...proof,
      `--data-dir=${at(`agent-${name}`)}`,
      `--socket=${at(`agent-${name}.sock`)}`,
    ],
    rig.env,
  );
  t.teardown(() => program.stop("SIGKILL"));
  return program;
}

t.test("node attestors come and go, with the files they name", async (t) => {
  await using issuer = await TestIssuer.start();
  const rig = await startServer(t);
  writeFileSync(join(rig.dir, "bundle.pem"), (await run(["bundle", "show"], rig.env)).out);
  const keys = join(rig.dir, "keys.json");
  const section = {
    alias: "ci",
    url: issuer.url,
    jwksFile: keys,
    audiences: ["assay://example.org"],
    agentPath: "{{run}}",
  };
  const oidc = { oidc: { issuers: [section] } };
  const join1 = (run: string) => {
    const file = join(rig.dir, `token-${run}`);
    writeFileSync(file, issuer.token({ claims: { run } }), { mode: 0o600 });
    const proof = ["--attestor=oidc", `--oidc-token-file=${file}`];
    return startAgent(t, rig, proof, run);
  };
  t.match(await join1("1").ended, { code: 1, err: /oidc/ });
  const sshpop = { sshpop: { certAuthoritiesFile: join(rig.dir, "none") } };
  t.match(await rig.daemon.reload({ nodeAttestors: { ...oidc, ...sshpop }, jwtTtl: "2m" }), {
    level: "error",
    error: /sshpop authorities .*none/,
  });
  t.match(await join1("2").ended, { code: 1, err: /oidc/ }, "none of it");
  t.equal(await jwtLife(rig.admin), 300);
  writeFileSync(keys, issuer.jwks());
  t.match(await rig.daemon.reload({ nodeAttestors: oidc }), { changed: ["nodeAttestors"] });
  await join1("3").said(/node attested .*oidc\/ci\/3/, "err");
  t.match(await rig.daemon.reload({}), { changed: ["nodeAttestors"] });
  t.match(await join1("4").ended, { code: 1, err: /oidc/ });
});

t.test("an agent: also while it still waits for its server", async (t) => {
  const rig = await startServer(t);
  const { dir, env } = rig;
  writeFileSync(join(dir, "bundle.pem"), (await run(["bundle", "show"], env)).out);
  const token = ["token", "generate", "--spiffe-id", "spiffe://example.org/host"];
  await run([...token, "--write", join(dir, "token")], env);
  const port = rig.target.slice("127.0.0.1:".length);
  t.match(await rig.daemon.program.stop(), { code: 0 });

  const socket = join(dir, "api.sock");
  const agent = new Daemon(
    "agent",
    join(dir, "agent.json"),
    {
      server: rig.target,
      trustDomain: "example.org",
      dataDir: join(dir, "agent"),
      socket,
      trustBundle: join(dir, "bundle.pem"),
      joinTokenFile: join(dir, "token"),
      logFormat: "json",
    },
    env,
  );
  t.teardown(() => agent.program.stop("SIGKILL"));
  await agent.program.said(/Workload API is listening/, "err");
  agent.write({ syncInterval: "1s" });
  agent.program.child.kill("SIGHUP");
  await agent.program.said(/configuration is read again when the start is done/, "err");
  const again = start(
    ["server", "--config", join(dir, "server.json"), `--listen=127.0.0.1:${port}`],
    env,
  );
  t.teardown(() => again.stop("SIGKILL"));
  t.match(await agent.outcome(), { changed: ["syncInterval"] });

  const fetch = () => run(["fetch", "bundle", "--socket", socket], env);
  t.match(await fetch(), { code: 1 }, "a process without an identity");
  t.match(await agent.reload({ allowUnauthenticatedVerifiers: true }), {
    changed: ["syncInterval", "allowUnauthenticatedVerifiers"],
  });
  t.match(await fetch(), { code: 0, out: /BEGIN CERTIFICATE/ });
  const fixed = {
    allowUnauthenticatedVerifiers: false,
    socket: join(dir, "b.sock"),
    server: "h:1",
  };
  t.match(await agent.reload(fixed), {
    error: /^server, socket cannot change while the agent runs; restart it/,
  });
  t.match(await fetch(), { code: 0 });
  const sshpop = { sshpop: { hostKey: join(dir, "key") } };
  const verifiers = { allowUnauthenticatedVerifiers: true };
  t.match(await agent.reload({ ...verifiers, nodeAttestors: sshpop }), {
    changed: ["nodeAttestors"],
  });
  const systemd = { bus: join(dir, "bus") };
  const attestors = { allowUnauthenticatedVerifiers: true, workloadAttestors: { systemd } };
  t.match(await agent.reload(attestors), {
    changed: ["workloadAttestors", "nodeAttestors"],
  });
  t.match(await agent.reload({ joinTokenFile: join(dir, "none"), x509Cache: 10, jwtCache: 10 }), {
    changed: ["x509Cache", "jwtCache", "allowUnauthenticatedVerifiers", "workloadAttestors"],
    atNextStart: ["joinTokenFile"],
  });
  t.match(await fetch(), { code: 1 });
  t.match(await agent.program.stop(), { code: 0 });
});
