/** Tokens that come with calls: a real server, a real agent, a real issuer, and callers without a PID. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t from "tap";
import { shownSelectors } from "../../src/agent/workload-api/shown-selectors.ts";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import { runProgram } from "../../src/cli/program/program.ts";
import { WorkloadAttestors } from "../../src/agent/attestation/workload-attestors.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type LogFields, type Logger, silentLogger } from "../../src/observe/logger.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { TestIssuer, issuerKey } from "../support/oidc-issuer.ts";
import { refused } from "../support/refused.ts";
import { Domain, OWN_SELECTOR, TRUST_DOMAIN, id } from "../support/running.ts";
import { WorkloadClient, rawStatus } from "../support/workload-client.ts";

const AUDIENCE = `spiffe://${TRUST_DOMAIN}`;
const GOOD = { aud: AUDIENCE, job: "deploy" };
const POD = { "kubernetes.io": { namespace: "prod", pod: { name: "web-0", uid: "aa-bb" } } };

function issuerSection({ url, caFile }: TestIssuer) {
  return { alias: "kube", url, caFile, loopbackHttp: false, maxLife: 86_400, pods: false };
}

function tokenConfig(issuer: TestIssuer): Pick<AgentConfig, "workloadAttestors"> {
  return { workloadAttestors: { token: { issuers: [issuerSection(issuer)], oneTime: true } } };
}

async function idsOf(client: WorkloadClient): Promise<string[]> {
  const { svids } = await client.fetchX509();
  return svids.map((svid) => svid.spiffe_id).sort();
}

t.test("a token joins what the kernel says of the process", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start();
  await domain.entry({ path: "/process" });
  await domain.entry({ path: "/token", selectors: ["token:kube:job:deploy"] });
  await domain.entry({ path: "/both", selectors: [OWN_SELECTOR, "token:kube:job:deploy"] });
  await domain.entry({ path: "/other", selectors: ["token:kube:job:test"] });
  const adminSocket = join(domain.dir, "admin", "admin.sock");
  const agent = await domain.startAgent({ ...tokenConfig(issuer), adminSocket });
  using client = new WorkloadClient(agent.socket);
  t.same(await idsOf(client), [id("/process")]);
  t.same(issuer.asked, [], "nobody is asked for a call without a token");

  client.token = issuer.token({ claims: GOOD });
  t.same(await idsOf(client), [id("/both"), id("/process"), id("/token")]);
  const { svids } = await client.fetchJwt(["db"], id("/both"));
  t.same(
    svids.map((svid) => svid.spiffe_id),
    [id("/both")],
  );
  using second = new WorkloadClient(agent.socket, client.token);
  t.same(await idsOf(second), [id("/both"), id("/process"), id("/token")], "the same process");

  client.token = issuer.token({ claims: { ...GOOD, ...POD } });
  t.same(await idsOf(client), [id("/process")], "a pod's token adds nothing outside of the pod");

  const out: string[] = [];
  await runProgram({
    args: ["explain", String(process.pid)],
    env: { HOME: "/nowhere", ASSAY_AGENT_ADMIN_SOCKET: adminSocket },
    stdout: (text) => out.push(text),
    stderr: (text) => out.push(text),
  });
  t.match(
    out.join(""),
    /wants token:kube:job:deploy; that could not be found out: .* 0 s ago, was refused: token is a pod's/,
  );
});

t.test("the log of who has no identity is bounded, and holds no environment", async (t) => {
  const lines: LogFields[] = [];
  const logger: Logger = {
    ...silentLogger,
    info: (message, fields = {}) => void (message === "no identity issued" && lines.push(fields)),
    child: () => logger,
  };
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start({}, logger);
  const agent = await domain.startAgent(tokenConfig(issuer));
  const groups = Array.from({ length: 200 }, (_, index) => `g${index}-${"x".repeat(400)}`);
  const token = issuer.token({ claims: { ...GOOD, groups: groups.slice(0, 20) } });
  using client = new WorkloadClient(agent.socket, token);
  await refused(t, client.fetchX509(), { kind: "denied" });
  const [{ selectors = [] } = {}] = lines as { selectors?: string[] }[];
  t.ok(selectors.includes("token:kube:job:deploy"));
  t.ok(selectors.every((text) => text.length <= 300));

  const selectorsOf = (...texts: string[]): readonly string[] =>
    shownSelectors(texts.map(parseSelector));
  t.same(
    selectorsOf(
      "docker:env:PASSWORD=hunter2",
      "docker:env:TWO=a=b\nc",
      "podman:env:KEY=k",
      "podman:user:1000:env:KEY=k",
      "docker:env:BARE",
      "docker:label:env:a=b",
      "unix:path:/env:a=b",
    ),
    [
      "docker:env:PASSWORD",
      "docker:env:TWO",
      "podman:env:KEY",
      "podman:user:1000:env:KEY",
      "docker:env:BARE",
      "docker:label:env:a=b",
      "unix:path:/env:a=b",
    ],
  );
  const many = selectorsOf(...groups.map((group) => `docker:label:g:${group}`));
  t.equal(many.length, 65);
  t.equal(many.at(-1), "and 136 more");
});

t.test("what is refused, with its text", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start();
  await domain.entry({ path: "/token", selectors: ["token:kube:job:deploy"] });
  const adminSocket = join(domain.dir, "admin", "admin.sock");
  const agent = await domain.startAgent({ ...tokenConfig(issuer), adminSocket });
  using client = new WorkloadClient(agent.socket);
  const now = Math.floor(Date.now() / 1000);
  const make = (claims: Record<string, unknown>, more: object = {}): string =>
    issuer.token({ claims: { ...GOOD, ...claims }, ...more });
  client.token = make({});
  t.same(await idsOf(client), [id("/token")]);

  const stranger = issuerKey("k9", "ES256");
  const forged = { ...stranger, kid: "k1" };
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["expired", make({ exp: now - 61 }), /token of issuer kube has expired$/],
    ["from the future", make({ nbf: now + 300 }), /is not valid yet \(nbf\)$/],
    ["made in the future", make({ iat: now + 300 }), /is not valid yet \(iat\)$/],
    ["too long a life", make({ exp: now + 200_000 }), /lives for more than 86400 s/],
    ["another audience", make({ aud: "spiffe://other.org" }), /is for another audience$/],
    ["no audience", make({ aud: undefined }), /is for another audience$/],
    [
      "another issuer",
      make({ iss: "https://evil.example" }),
      /issuer that is not configured here$/,
    ],
    ["unknown kid", make({}, { key: stranger }), /key that the issuer does not publish$/],
    ["another's signature", make({}, { key: forged }), /signature does not fit its key$/],
    ["alg none", make({}, { header: { alg: "none" } }), /algorithm is not one with a public key$/],
    ["no token", "words", /token is not a jws in compact form$/],
    ["too long", `${make({})}${"A".repeat(17_000)}`, /is not one 'Bearer TOKEN' of at most 16384/],
  ];
  for (const [name, token, message] of cases) {
    client.token = token;
    await refused(t, client.fetchX509(), { kind: "unauthenticated", message }, name);
    await refused(t, client.fetchJwt(["db"]), { kind: "unauthenticated", message }, name);
  }
  const method = "/SpiffeWorkloadAPI/FetchX509SVID";
  const header = { "workload.spiffe.io": "true" };
  for (const authorization of [`Basic ${make({})}`, "Bearer", `Bearer ${make({})} x`]) {
    t.match(await rawStatus(agent.socket, method, { ...header, authorization }), {
      status: "16",
      message: /Bearer/,
    });
  }
  const explained = async (): Promise<string> => {
    const out: string[] = [];
    const env = { HOME: "/nowhere", ASSAY_AGENT_ADMIN_SOCKET: adminSocket };
    const write = (text: string): void => void out.push(text);
    const args = ["explain", String(process.pid)];
    await runProgram({ args, env, stdout: write, stderr: write });
    return out.join("");
  };
  // Other clients (go, grpcio) know the bound from the agent's SETTINGS, and do not even send it.
  client.token = "a".repeat(40_000);
  const message = /^the headers of the call are more than 32768 bytes, or more than 128$/;
  await refused(t, client.fetchX509(), { kind: "limited", message }, "beyond what headers may be");
  t.match(
    await explained(),
    /wants token:kube:job:deploy; .* the last call from this PID, \d+ s ago, was refused unread: the headers of the/,
  );
  client.token = "a".repeat(1_000_000);
  await t.rejects(client.fetchX509(), "more than a connection takes");
  t.match(await explained(), /refused unread: a header block is too long/);

  client.token = make({});
  t.same(await idsOf(client), [id("/token")], "and serves on");
});

t.test(
  "a stream ends with its token, so that its client comes back with a fresh one",
  async (t) => {
    await using issuer = await TestIssuer.start();
    await using domain = await Domain.start();
    await domain.entry({ path: "/token", selectors: ["token:kube:job:deploy"] });
    const agent = await domain.startAgent(tokenConfig(issuer));
    using client = new WorkloadClient(agent.socket);
    // Twenty seconds before the leeway of a minute is over.
    client.token = issuer.token({
      claims: { ...GOOD, exp: Math.floor(Date.now() / 1000) - 40 },
    });
    using watch = client.x509();
    t.equal((await watch.next()).svids.length, 1);
    await refused(t, watch.next(), {
      kind: "unavailable",
      message: /token has expired; call again/,
    });
  },
);

t.test("no issuer takes the alias of one-time tokens", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start();
  const [section] = tokenConfig(issuer).workloadAttestors.token?.issuers ?? [];
  if (section === undefined) throw new TypeError("there is no issuer");
  const issuers = [{ ...section, alias: "once" }];
  await refused(
    t,
    domain.startAgent({ workloadAttestors: { token: { issuers, oneTime: true } } }),
    {
      kind: "invalid",
      message: /alias once is that of one-time tokens/,
    },
  );
});

t.test("a one-time token proves one connection", async (t) => {
  await using domain = await Domain.start();
  const socket = join(domain.dir, "server.sock");
  const generate = async (...args: string[]) => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runProgram({
      args: ["token", "generate", ...args],
      env: { HOME: "/nowhere", ASSAY_SERVER_SOCKET: socket },
      stdout: (text) => out.push(text),
      stderr: (text) => err.push(text),
    });
    return { code, out: out.join(""), err: err.join("") };
  };
  const make = async (entry: string): Promise<string> => {
    const { code, out, err } = await generate("--entry", entry, "--output", "json");
    t.equal(code, 0, err);
    return (JSON.parse(out) as { token: string }).token;
  };
  await domain.entry({
    path: "/vm",
    selectors: ["token:once:entry:vm7"],
    more: { id: "vm7" },
  });
  await domain.entry({ path: "/plain", more: { id: "plain" } });
  await domain.entry({
    path: "/elsewhere",
    selectors: ["token:once:entry:far"],
    more: { id: "far", parent_id: { trust_domain: TRUST_DOMAIN, path: "/other-host" } },
  });
  const agent = await domain.startAgent({
    workloadAttestors: { token: { oneTime: true } },
  });
  using client = new WorkloadClient(agent.socket);
  t.same(await idsOf(client), [id("/plain")]);
  const token = await make("vm7");
  client.token = token;
  const all = await Promise.all([idsOf(client), idsOf(client)]);
  t.same(all, [
    [id("/plain"), id("/vm")],
    [id("/plain"), id("/vm")],
  ]);
  t.same(await idsOf(client), [id("/plain"), id("/vm")], "again on its connection");
  using thief = new WorkloadClient(agent.socket, token);
  t.same(await idsOf(thief), [id("/plain")], "spent");
  await refused(t, thief.fetchJwt(["db"], id("/vm")), {
    kind: "unauthenticated",
    message: /^one-time token is unknown, was spent or has expired, or is for another host/,
  });
  for (const worthless of [await make("far"), `once-${"A".repeat(43)}`]) {
    thief.token = worthless;
    t.same(await idsOf(thief), [id("/plain")]);
  }
  t.match(await generate("--entry", "plain"), {
    code: 1,
    err: /plain asks for no one-time token; give it the selector token:once:entry:plain/,
  });
  t.match(await generate("--entry", "none"), { code: 1, err: /none.*assay entry list/s });
  t.match(await generate("--entry", "vm7", "--spiffe-id", id("/x")), { code: 2 });
  t.match(await generate("--entry", "vm7", "--ttl", "8d"), { code: 1, err: /ttl/ });
  t.match(await generate("--entry", "vm7"), { out: /entry +vm7\n *spiffe id +spiffe:.*vm\n/ });

  const audit = readdirSync(join(domain.dir, "server", "audit"))
    .map((name) => readFileSync(join(domain.dir, "server", "audit", name), "utf8"))
    .join("");
  t.notMatch(audit, token, "no secret");
  const records = audit
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { action: string; outcome: string; subject?: object });
  const spends = records.filter(({ action }) => action === "/assay.token.v1.OneTime/Spend");
  t.match(
    spends.filter(({ outcome }) => outcome === "ok"),
    [{ kind: "admin", caller: { role: "agent" }, subject: { entryId: "vm7", tokenHash: /./ } }],
  );
  t.equal(spends.length, 5, "with the spent one twice, the far one and the made-up one");
  const created = records.filter(({ action }) => action === "/assay.token.v1.OneTime/Create");
  t.match(created[0], { outcome: "ok", subject: { entryId: "vm7", tokenHash: /./ } });
});

t.test("a caller without a PID here is known by its token alone", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start();
  await domain.entry({ path: "/process" });
  await domain.entry({ path: "/token", selectors: ["token:kube:job:deploy"] });
  await domain.entry({
    path: "/pod",
    selectors: [
      "token:kube:kubernetes.io/pod/name:web-0",
      "token:kube:kubernetes.io/namespace:prod",
    ],
  });
  await domain.entry({ path: "/k8s", selectors: ["k8s:ns:prod", "k8s:pod-label:app:web"] });
  const metadata = { namespace: "prod", name: "web-0", uid: "aa-bb", labels: { app: "web" } };
  const kubelet = createServer((_request, response) => {
    response.end(JSON.stringify({ items: [{ metadata, spec: {}, status: { phase: "Running" } }] }));
  });
  kubelet.listen(0, "127.0.0.1");
  await once(kubelet, "listening");
  t.teardown(() => kubelet.close());
  const { port } = kubelet.address() as AddressInfo;
  const kubernetes = {
    caFile: "/none",
    tokenFile: "/none",
    skipVerification: false,
    kubelet: `http://127.0.0.1:${port}`,
  };
  const { token: tokens } = tokenConfig(issuer).workloadAttestors;
  const section = { ...issuerSection(issuer), pods: true };
  const config = await domain.agentConfig({
    workloadAttestors: {
      token: { oneTime: tokens?.oneTime ?? false, issuers: [section] },
      k8s: kubernetes,
    },
    joinToken: await domain.token(),
    adminSocket: join(domain.dir, "admin", "admin.sock"),
  });
  const explain = async (...args: string[]) => {
    const out: string[] = [];
    const code = await runProgram({
      args: ["explain", ...args],
      env: { HOME: "/nowhere", ASSAY_AGENT_ADMIN_SOCKET: config.adminSocket },
      stdout: (text) => out.push(text),
      stderr: (text) => out.push(text),
    });
    return { code, out: out.join("") };
  };
  // In a PID namespace of its own the agent has no PID for anyone outside.
  const child = spawn(
    "unshare",
    [
      ...(process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"]),
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
      process.execPath,
      join(import.meta.dirname, "../support/agent-child.ts"),
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  child.stdin.end(JSON.stringify(config));
  await once(child.stdout, "data");

  using client = new WorkloadClient(config.socket);
  const uid = String(process.geteuid?.());
  t.match(await explain("0"), { code: 1, out: /no caller without a process id here has called/ });
  const noPid = { kind: "denied", message: /no process id here/ } as const;
  await refused(t, client.fetchX509(), noPid);
  await refused(t, client.fetchJwt(["db"]), noPid);
  t.match(await explain("0", "--uid", uid), {
    code: 0,
    out: /^the last caller without a process id here, [^]*token failed: .* its call brought no token/,
  });

  const plain = issuer.token({ claims: GOOD });
  client.token = plain;
  t.same(await idsOf(client), [id("/token")], "and nothing of its user's");
  t.same(await idsOf(client), [id("/token")], "again on its connection");
  using thief = new WorkloadClient(config.socket, plain);
  const stolen = {
    kind: "unauthenticated",
    message: /shown by another process before/,
  } as const;
  await refused(t, thief.fetchX509(), stolen, "another connection");
  client.token = issuer.token({ claims: { ...GOOD, exp: 1000 } });
  await refused(t, client.fetchX509(), { kind: "unauthenticated", message: /has expired/ });
  t.match(await explain("0"), { out: /no identity, as every attestor failed[^]*has expired/ });
  client[Symbol.dispose]();
  await refused(t, thief.fetchX509(), stolen, "also when the first one has ended");

  const projected = issuer.token({ claims: { aud: AUDIENCE, ...POD } });
  const first = new WorkloadClient(config.socket, projected);
  t.same(await idsOf(first), [id("/k8s"), id("/pod")]);
  const explained = await explain("0", "--output", "json");
  t.match(JSON.parse(explained.out), {
    verdict: "served",
    process: { pid: 0, uid: Number(uid), seenAt: /Z$/ },
    matching: [{ spiffeId: id("/pod") }, { spiffeId: id("/k8s") }],
    nearest: [
      { spiffeId: id("/process"), missing: [{ selector: OWN_SELECTOR, reason: "unreadable" }] },
      { spiffeId: id("/token"), missing: [{ reason: "different_value" }] },
    ],
  });
  t.match(await explain("0", "--uid", "4242"), { code: 1, out: /no caller of user 4242 without/ });
  t.match(await explain("1", "--uid", "0"), { code: 2, out: /--uid has a meaning with pid 0/ });
  thief.token = projected;
  await refused(t, thief.fetchX509(), stolen);
  first[Symbol.dispose]();
  // A pod that connects again; the agent hears of the end in its own time.
  for (;;) {
    using again = new WorkloadClient(config.socket, projected);
    const got = await idsOf(again).catch((error: unknown) => error);
    if (got instanceof Error && /by another process/.test(got.message)) continue;
    t.same(got, [id("/k8s"), id("/pod")]);
    break;
  }
  child.stdout.resume();
});

t.test("a reload changes who is asked, and not whom a token belongs to", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start();
  await domain.entry({ path: "/process" });
  await domain.entry({ path: "/token", selectors: ["token:kube:job:deploy"] });
  const agent = await domain.startAgent();
  const reload = async (change: Partial<AgentConfig>): Promise<void> => {
    const config = await domain.agentConfig(change);
    await agent.reload(async () => ({ config, settings: ["workloadAttestors"] }));
  };
  using client = new WorkloadClient(agent.socket, issuer.token({ claims: GOOD }));
  t.same(await idsOf(client), [id("/process")]);
  await reload(tokenConfig(issuer));
  t.same(await idsOf(client), [id("/process"), id("/token")]);
  const once = { ...issuerSection(issuer), alias: "once" };
  await t.rejects(
    reload({ workloadAttestors: { token: { issuers: [once], oneTime: true } } }),
    /alias once is that of one-time tokens/,
  );
  const reviewed = tokenConfig(issuer).workloadAttestors?.token?.issuers?.map((section) => ({
    ...section,
    review: { kubeconfig: join(domain.dir, "none"), apiServer: "", caFile: "", tokenFile: "" },
  }));
  await t.rejects(
    reload({ workloadAttestors: { token: { issuers: reviewed ?? [], oneTime: true } } }),
    /kubeconfig .*none/,
  );
  t.same(await idsOf(client), [id("/process"), id("/token")], "a bad one changes nothing");
  await reload({});
  t.same(await idsOf(client), [id("/process")]);

  const config = await domain.agentConfig(tokenConfig(issuer));
  await using attestors = await WorkloadAttestors.open(config, {
    logger: silentLogger,
    clock: systemClock,
    spendToken: () => Promise.reject(new Error("nobody shows one")),
  });
  const { signal } = new AbortController();
  const token = issuer.token({ claims: GOOD });
  const show = async (name: string) => {
    const connection = { alive: () => true };
    const presented = { token, connection, process: () => name, onEnd: () => undefined };
    const attestor = attestors.current.find(({ type }) => type === "token");
    const facts = { pid: process.pid, uid: 0, gid: 0, groups: [] };
    return attestor?.attest(facts, { signal, onGap: () => undefined, token: presented });
  };
  t.match(await show("1 1"), [{}, {}, {}]);
  (await attestors.prepare(config))();
  await t.rejects(show("2 2"), /shown by another process before/);
  t.match(await show("1 1"), [{}, {}, {}]);
});
