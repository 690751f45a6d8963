/**
 * A server and its agents over real sockets:
 * - an agent attests with a token, syncs its entries, gets SVIDs, renews, is banned and evicted;
 * - certificates that prove nothing are no caller, on any method;
 * - the server stops and starts again without losing anything, and says why when it cannot start.
 */
import { X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect as connectTlsSocket } from "node:tls";
import t, { type Test } from "tap";
import { AssayError } from "../../../src/base/errors.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { Channel } from "../../../src/rpc/channel.ts";
import { serviceDefinition } from "../../../src/rpc/protos.ts";
import { AUTHORIZATION } from "../../../src/server/endpoints/authorization.ts";
import { startServer } from "../../../src/server/main.ts";
import { createCsr } from "../../../src/x509/csr.ts";
import { refused } from "../../support/refused.ts";
import {
  AGENT_SERVICE,
  ENTRY_SERVICE,
  SVID_SERVICE,
  type SvidMessage,
  type TestServer,
  type TlsIdentity,
  attestAgent,
  identityOf,
  startTestServer,
  testServerConfig,
} from "../../support/server.ts";
import { TestCa } from "../../support/test-ca.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const HOST_SERVICE = "assay.agent.v1.AgentHost";
const id = (path: string) => ({ trust_domain: "example.org", path });
const uid = (value: string) => ({ type: "unix", value: `uid:${value}` });

interface Entries {
  readonly entries: readonly { readonly id: string; readonly spiffe_id: { path: string } }[];
}
interface Results {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly svid: SvidMessage | null;
  }[];
}

async function csrOf(path = "/ignored") {
  const key = await generateKey("ec-p256");
  return {
    key,
    csr: await createCsr({ uris: [`spiffe://example.org${path}`], signer: key.signer }),
  };
}

/** Waits for what a change makes true; everything it depends on happens in this process. */
async function eventually(t: Test, holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (await holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.fail(`never: ${what}`);
}

t.test("the life of an agent", async (t) => {
  const server = await startTestServer(t);
  const token = await server.createToken({ agent_id: id("/host") });
  const agent = await server.attest(token);
  t.match(agent.spiffeId, /^spiffe:\/\/example\.org\/spire\/agent\/join_token\/[0-9a-f]{64}$/);
  t.notOk(agent.spiffeId.includes(token));
  const leaf = new X509Certificate(agent.identity.certPem);
  t.ok(leaf.verify(new X509Certificate(await server.rootsPem()).publicKey));
  t.equal(leaf.subjectAltName, `URI:${agent.spiffeId}`);

  const web = await server.createEntry({
    spiffe_id: id("/web"),
    parent_id: id("/host"),
    selectors: [uid("1000")],
    dns_names: ["web.example.org"],
    x509_svid_ttl: 600,
  });
  const elsewhere = await server.createEntry({
    spiffe_id: id("/elsewhere"),
    parent_id: id("/other-host"),
    selectors: [uid("1000")],
  });
  const authorized = (): Promise<Entries> =>
    agent.channel.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
  await eventually(t, async () => (await authorized()).entries.length === 2, "two entries");
  t.same((await authorized()).entries.map(({ spiffe_id }) => spiffe_id.path).sort(), [
    "/host",
    "/web",
  ]);

  const { key, csr } = await csrOf();
  const { results } = await agent.channel.unary<Results>(SVID_SERVICE, "BatchNewX509SVID", {
    params: [
      { entry_id: web, csr },
      { entry_id: elsewhere, csr },
      { entry_id: "unknown", csr },
      { entry_id: "", csr },
      { entry_id: web, csr: Buffer.alloc(0) },
      { entry_id: web, csr: csr.subarray(1) },
      { entry_id: web, csr: Buffer.alloc(20_000, 0x30) },
    ],
  });
  t.same(
    results.map(({ status }) => status.code),
    [0, 5, 5, 3, 3, 3, 3],
  );
  t.same(
    results.map(({ svid }) => svid !== null),
    [true, false, false, false, false, false, false],
  );
  const svid = new X509Certificate(results[0]?.svid?.cert_chain[0] ?? Buffer.alloc(0));
  t.equal(svid.subjectAltName, "DNS:web.example.org, URI:spiffe://example.org/web");
  t.same(svid.publicKey.export({ type: "spki", format: "der" }), Buffer.from(key.signer.publicKey));
  t.equal(Number(results[0]?.svid?.expires_at), Math.floor(server.clock.nowMs() / 1000) + 600);

  const jwt = await agent.channel.unary<{ svid: { token: string } }>(SVID_SERVICE, "NewJWTSVID", {
    entry_id: web,
    audience: ["db"],
  });
  const claims = JSON.parse(
    Buffer.from(jwt.svid.token.split(".")[1] ?? "", "base64url").toString(),
  );
  t.match(claims, { sub: "spiffe://example.org/web", aud: ["db"] });
  await refused(
    t,
    agent.channel.unary(SVID_SERVICE, "NewJWTSVID", { entry_id: elsewhere, audience: ["db"] }),
    { kind: "not_found" },
  );

  await agent.channel.unary(AGENT_SERVICE, "PostStatus", { agent_version: "1.2.3" });
  await agent.channel.unary(HOST_SERVICE, "ReportHost", {
    facts: { hostname: "a", os: "linux", selector_names: ["unix:uid"] },
  });
  t.match(await server.admin.unary(HOST_SERVICE, "GetHost", { id: agent.id }), {
    hostname: "a",
    selector_names: ["unix:uid"],
  });
  t.match(await server.admin.unary(AGENT_SERVICE, "GetAgent", { id: agent.id }), {
    id: agent.id,
    attestation_type: "join_token",
    x509svid_serial_number: BigInt(`0x${leaf.serialNumber}`).toString(),
    agent_version: "1.2.3",
    banned: false,
  });

  const next = await csrOf();
  const renewed = await agent.channel.unary<{ svid: SvidMessage }>(AGENT_SERVICE, "RenewAgent", {
    params: { csr: next.csr },
  });
  t.equal((await authorized()).entries.length, 2, "the old SVID is good until the new one is used");
  const identity = identityOf(renewed.svid.cert_chain, next.key.pkcs8);
  const fresh = server.connect(identity);
  await fresh.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
  await refused(t, authorized(), { kind: "denied", reason: "AGENT_NOT_ACTIVE" });

  await server.admin.unary(AGENT_SERVICE, "BanAgent", { id: agent.id });
  for (const [service, method] of agentMethods()) {
    await refused(
      t,
      callOnce(fresh, service, method),
      { kind: "denied", reason: "AGENT_BANNED" },
      method,
    );
  }
  await refused(t, attestAgent(server.connect, token, agent.key), { reason: "AGENT_BANNED" });
  t.match(
    await server.admin.unary(AGENT_SERVICE, "CountAgents", {
      filter: { by_banned: { value: true } },
    }),
    {
      count: 1,
    },
  );
  await server.admin.unary(AGENT_SERVICE, "DeleteAgent", { id: agent.id });
  await refused(t, fresh.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {}), {
    kind: "denied",
    reason: "AGENT_NOT_ATTESTED",
  });
  await refused(t, attestAgent(server.connect, token, agent.key), { kind: "invalid" });
  t.match(await server.admin.unary(ENTRY_SERVICE, "CountEntries", {}), { count: 2 });
});

t.test("one token and 32 racers; a lost reply; a spent token", async (t) => {
  const server = await startTestServer(t);
  const token = await server.createToken();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 32 }, () => attestAgent(server.connect, token)),
  );
  const admitted = outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const [winner] = admitted;
  if (winner === undefined) throw new Error("nobody was admitted");
  t.equal(admitted.length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") t.match(outcome.reason, { kind: "invalid" });
  }
  const again = await attestAgent(server.connect, token, winner.key);
  t.equal(again.spiffeId, winner.spiffeId);
  await again.channel.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
  server.clock.step(601_000);
  await refused(t, attestAgent(server.connect, token, winner.key), {
    kind: "invalid",
    message: /expired/,
  });
  t.match(await server.admin.unary(AGENT_SERVICE, "CountAgents", {}), { count: 1 });
});

t.test("entries are synced whole when few, by revision when many", async (t) => {
  const server = await startTestServer(t);
  const agent = await server.attest();
  type Sync = {
    entries: { id: string; spiffe_id: unknown; hint: string }[];
    entry_revisions: { id: string; revision_number: string; created_at: string }[];
    more: boolean;
  };
  const sync = () =>
    agent.channel.stream<object, Sync>(ENTRY_SERVICE, "SyncAuthorizedEntries", {
      deadlineMs: 20_000,
    });
  const create = async (from: number, to: number) => {
    const entries = Array.from({ length: to - from }, (_, i) => ({
      spiffe_id: id(`/w${from + i}`),
      parent_id: agent.id,
      selectors: [uid(`${from + i}`)],
      hint: "h",
    }));
    await server.admin.unary(ENTRY_SERVICE, "BatchCreateEntry", { entries });
    await eventually(
      t,
      async () => {
        const { entries: all } = await agent.channel.unary<Entries>(
          ENTRY_SERVICE,
          "GetAuthorizedEntries",
          {},
        );
        return all.length === to;
      },
      `${to} entries`,
    );
  };
  const hostile: [string, object, RegExp][] = [
    ["ids at once", { ids: ["a"] }, /^ids/],
    ["revision masked", { output_mask: { hint: true } }, /^output_mask/],
  ];
  for (const [name, request, message] of hostile) {
    using stream = sync();
    await stream.send(request);
    await refused(t, collect(stream), { kind: "invalid", message }, name);
  }
  {
    using stream = sync();
    stream.end();
    await refused(t, collect(stream), { kind: "invalid" }, "nothing said");
  }
  await create(0, 500);
  {
    using stream = sync();
    await stream.send({ output_mask: { revision_number: true, hint: true } });
    const [whole, ...others] = await collect(stream);
    t.equal(others.length, 0);
    t.equal(whole?.entries.length, 500);
    t.match(whole?.entries[0], { hint: "h", spiffe_id: null });
  }
  await create(500, 1_201);
  using stream = sync();
  const answers = stream[Symbol.asyncIterator]();
  const page = async () => ((await answers.next()) as IteratorYieldResult<Sync>).value;
  await stream.send({});
  const revisions = [await page(), await page(), await page()];
  t.same(
    revisions.map(({ entry_revisions, more }) => [entry_revisions.length, more]),
    [
      [500, true],
      [500, true],
      [201, false],
    ],
  );
  const ids = revisions.flatMap(({ entry_revisions }) => entry_revisions.map((each) => each.id));
  t.equal(new Set(ids).size, 1_201);
  await stream.send({ ids: ["unknown"] });
  t.match(await page(), { entries: [], more: false });
  await stream.send({ ids: [...ids.slice(0, 600), ...ids.slice(0, 5)] });
  const full = [await page(), await page()];
  t.same(
    full.map(({ entries, more }) => [entries.length, more]),
    [
      [500, true],
      [100, false],
    ],
  );
  t.match(full[0]?.entries[0], { hint: "h", spiffe_id: { trust_domain: "example.org" } });
  stream.end();
  t.equal((await answers.next()).done, true, "the agent's end is a good end");
});

t.test("on no method is a certificate that proves nothing a caller", async (t) => {
  const server = await startTestServer(t);
  const now = Math.floor(server.clock.nowMs() / 1000);
  const active = await server.attest();
  const banned = await server.attest();
  const evicted = await server.attest();
  const workload = await mint(server, "/workload", 3600);
  const expired = await mint(server, "/admin", 1);
  await server.createEntry({
    spiffe_id: id("/admin"),
    parent_id: id("/host"),
    selectors: [uid("0")],
    admin: true,
    downstream: true,
  });
  await server.admin.unary(AGENT_SERVICE, "BanAgent", { id: banned.id });
  await server.admin.unary(AGENT_SERVICE, "DeleteAgent", { id: evicted.id });
  server.clock.step(2_000);
  const validity = { notBefore: now - 10, notAfter: now + 3600 };
  const authority = { notBefore: now - 10, notAfter: now + 86_400 };
  const untrusted = await TestCa.create(authority);
  const foreign = await TestCa.create({ ...authority, trustDomain: "other.org" });
  const callers: [string, TlsIdentity | undefined][] = [
    ["no certificate", undefined],
    ["untrusted agent", await untrusted.leaf({ ...validity, spiffeId: active.spiffeId })],
    [
      "untrusted admin",
      await untrusted.leaf({ ...validity, spiffeId: "spiffe://example.org/admin" }),
    ],
    ["foreign", await foreign.leaf({ ...validity, spiffeId: "spiffe://other.org/admin" })],
    ["foreign for ours", await foreign.leaf({ ...validity, spiffeId: active.spiffeId })],
    ["expired admin", expired],
    ["banned", banned.identity],
    ["evicted", evicted.identity],
    ["a workload without a role", workload],
  ];
  const tainted = await mint(server, "/admin", 3600);
  const trusted = server.connect(tainted);
  await trusted.unary(AGENT_SERVICE, "ListAgents", {});
  await refused(t, callOnce(trusted, "spire.api.server.debug.v1.Debug", "GetInfo"), {
    kind: "denied",
  });
  const old = server.server.authorities.activeX509().id;
  const prepared = await server.server.authorities.prepare("x509");
  await server.server.authorities.activate("x509", prepared.id);
  await server.server.authorities.taint("x509", old);
  callers.push(["tainted admin", tainted]);
  let seen = 0;
  for (const [name, identity] of callers) {
    const channel = server.connect(identity);
    for (const [path, roles] of AUTHORIZATION) {
      const [service = "", method = ""] = path.slice(1).split("/");
      const outcome = await callOnce(channel, service, method).then(
        () => undefined,
        (error: unknown) => error,
      );
      seen += 1;
      const denied = outcome instanceof AssayError && /authorization denied/.test(outcome.message);
      if (roles.has("any") === denied) t.fail(`${path} as ${name}: ${outcome}`);
      if (denied && outcome.kind !== "denied") t.fail(`${path} as ${name}: ${outcome.kind}`);
    }
    channel.close();
  }
  t.equal(seen, callers.length * AUTHORIZATION.size);

  await refused(t, active.channel.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {}), {
    kind: "denied",
    message: /tainted/,
  });
  const { key, csr } = await csrOf();
  const { svid } = await active.channel.unary<{ svid: SvidMessage }>(AGENT_SERVICE, "RenewAgent", {
    params: { csr },
  });
  const moved = server.connect(identityOf(svid.cert_chain, key.pkcs8));
  await moved.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
});

t.test("administrators are those whose entries say so, as long as they do", async (t) => {
  const server = await startTestServer(t);
  const admin = server.connect(await mint(server, "/admin", 3600));
  await refused(t, admin.unary(AGENT_SERVICE, "ListAgents", {}), { kind: "denied" });
  const entry = await server.createEntry({
    spiffe_id: id("/admin"),
    parent_id: id("/host"),
    selectors: [uid("0")],
    admin: true,
  });
  await admin.unary(AGENT_SERVICE, "ListAgents", {});
  t.match(await admin.unary(AGENT_SERVICE, "CreateJoinToken", { ttl: 60 }), { value: /-/ });
  await refused(t, admin.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {}), {
    kind: "denied",
    reason: "AGENT_NOT_ATTESTED",
  });
  await refused(
    t,
    callOnce(admin, "spire.api.server.localauthority.v1.LocalAuthority", "GetX509AuthorityState"),
    {
      kind: "unsupported",
    },
  );
  await server.admin.unary(ENTRY_SERVICE, "BatchDeleteEntry", { ids: [entry] });
  await refused(t, admin.unary(AGENT_SERVICE, "ListAgents", {}), { kind: "denied" });
});

t.test("AttestAgent ends with those who say nothing, and has a rate", async (t) => {
  const server = await startTestServer(t, {
    config: { limits: { attestPerSecond: 1, signPerSecond: 2 } },
  });
  const channel = server.connect();
  const silent = channel.stream<object, object>(AGENT_SERVICE, "AttestAgent");
  const ended = refused(t, collect(silent), { kind: "deadline" });
  await channel.unary("grpc.health.v1.Health", "Check", {});
  await eventually(t, async () => server.clock.timers > 0, "the server waits");
  await server.clock.advance(10_100);
  await ended;
  {
    using stream = channel.stream<object, object>(AGENT_SERVICE, "AttestAgent");
    stream.end();
    await refused(t, collect(stream), { kind: "invalid", message: /ended before/ });
  }
  const outcomes = await Promise.allSettled(
    Array.from({ length: 25 }, async () => {
      using stream = channel.stream<object, object>(AGENT_SERVICE, "AttestAgent");
      stream.end();
      const outcome = collect(stream);
      outcome.catch(() => server.clock.advance(1000)); // lets those in the queue go on
      return await outcome;
    }),
  );
  const kinds = new Set(
    outcomes.map((each) => (each.status === "rejected" ? (each.reason as AssayError).kind : "")),
  );
  t.same([...kinds].sort(), ["invalid", "limited"]);
  await server.clock.advance(60_000);

  const agent = await server.attest();
  const { csr } = await csrOf();
  const params = Array.from({ length: 3 }, () => ({ entry_id: "none", csr }));
  await refused(t, agent.channel.unary(SVID_SERVICE, "BatchNewX509SVID", { params }), {
    kind: "limited",
    message: /burst of 2/,
  });
  const two = await agent.channel.unary<Results>(SVID_SERVICE, "BatchNewX509SVID", {
    params: params.slice(1),
  });
  t.equal(two.results.length, 2);
});

t.test("TLS: the server's SVID, swapped while it serves", async (t) => {
  const server = await startTestServer(t);
  const shown = async (): Promise<X509Certificate> => {
    const socket = await tlsTo(server);
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    if (certificate === undefined) throw new Error("no certificate");
    const root = new X509Certificate(await server.rootsPem());
    t.ok(certificate.checkIssued(root) && certificate.verify(root.publicKey));
    return certificate;
  };
  const first = await shown();
  t.equal(first.subjectAltName, "URI:spiffe://example.org/spire/server");
  await server.clock.advance(1_000_000);
  t.equal((await shown()).fingerprint256, first.fingerprint256);
  await server.clock.advance(900_000);
  await eventually(
    t,
    async () => (await shown()).fingerprint256 !== first.fingerprint256,
    "another certificate",
  );
});

t.test("a restart keeps what was acknowledged", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "assay-restart-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const config = testServerConfig(dir, {
    keyManager: { kind: "disk", keyFile: join(dir, "key") },
  });
  const before = await startTestServer(t, { config });
  const agent = await before.attest();
  const token = await before.createToken();
  await before.createEntry({
    spiffe_id: id("/web"),
    parent_id: agent.id,
    selectors: [uid("1")],
  });
  const roots = await before.rootsPem();
  t.equal((await stat(config.dataDir)).mode & 0o777, 0o700);
  t.equal((await stat(config.socket)).mode & 0o777, 0o600);
  await refusedStart(t, config, /server cannot start: datastore: /);
  const watch = before.admin.stream<object, { status: string }>("grpc.health.v1.Health", "Watch");
  await watch.send({});
  watch.end();
  const statuses = watch[Symbol.asyncIterator]();
  t.match(await statuses.next(), { value: { status: "SERVING" } });
  const ended = refused(t, Promise.resolve(statuses.next()), { kind: "unavailable" });
  const idle = connectSocket(config.socket);
  await new Promise((resolve) => idle.once("connect", resolve));
  await before.server[Symbol.asyncDispose]();
  await ended;
  idle.destroy();
  await before.stop();
  await t.rejects(stat(config.socket), { code: "ENOENT" });

  await refusedStart(t, { ...config, trustDomain: "other.org" }, /belongs to spiffe:\/\/example/);
  await refusedStart(t, { ...config, trustDomain: "Not A Domain" }, /configuration: /);
  await refusedStart(t, { ...config, listen: "nowhere" }, /configuration: listen/);
  await refusedStart(t, { ...config, listen: "192.0.2.1:1" }, /listeners: cannot listen on/);
  await t.rejects(stat(config.socket), { code: "ENOENT" });
  await refusedStart(
    t,
    { ...config, socket: join(dir, "x".repeat(200)) },
    /listeners: socket path/,
  );
  await writeFile(join(dir, "file"), "");
  await refusedStart(t, { ...config, dataDir: join(dir, "file") }, /data folder: /);
  await mkdir(join(dir, "in-the-way"));
  await refusedStart(t, { ...config, socket: join(dir, "in-the-way") }, /listeners: /);

  const after = await startTestServer(t, { config });
  t.equal(await after.rootsPem(), roots);
  const channel = after.connect(agent.identity);
  t.equal(
    (await channel.unary<Entries>(ENTRY_SERVICE, "GetAuthorizedEntries", {})).entries.length,
    1,
  );
  await after.attest(token);
});

function agentMethods(): [string, string][] {
  return [...AUTHORIZATION]
    .filter(([, roles]) => roles.size === 1 && roles.has("agent"))
    .map(([path]) => path.slice(1).split("/") as [string, string]);
}

/** One call with an empty request, whatever kind of method it is. */
async function callOnce(channel: Channel, service: string, method: string): Promise<unknown> {
  const types = serviceDefinition(service)[method];
  if (types?.requestStream !== true && types?.responseStream !== true) {
    return channel.unary(service, method, {}, { deadlineMs: 10_000 });
  }
  using stream = channel.stream<object, object>(service, method, { deadlineMs: 10_000 });
  stream.send({}).catch(() => undefined); // the answer says more
  stream.end();
  for await (const response of stream) return response;
  return undefined;
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of stream) all.push(each);
  return all;
}

async function mint(server: TestServer, path: string, ttl: number): Promise<TlsIdentity> {
  const { key, csr } = await csrOf(path);
  const { svid } = await server.admin.unary<{ svid: SvidMessage }>(SVID_SERVICE, "MintX509SVID", {
    csr,
    ttl,
  });
  return identityOf(svid.cert_chain, key.pkcs8);
}

/** Node's own check looks at the real time, and the server's clock may be ahead of it. */
async function tlsTo({ tcpAddress }: TestServer): Promise<TLSSocket> {
  const socket = connectTlsSocket({
    ...tcpAddress,
    ALPNProtocols: ["h2"],
    rejectUnauthorized: false,
  });
  await new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

async function refusedStart(
  t: Test,
  config: ReturnType<typeof testServerConfig>,
  message: RegExp,
): Promise<void> {
  const clock = new VirtualClock(Date.now());
  const outcome = startServer(config, { logger: silentLogger, clock, random: systemRandom });
  await refused(t, outcome, { message }, `${message}`);
  t.equal(clock.timers, 0, "nothing that was started goes on");
}
