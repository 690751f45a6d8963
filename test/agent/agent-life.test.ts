/** An agent from its start to its end: bootstrap, restarts, servers that are away or false, and being put out. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import t from "tap";
import { type Logger, silentLogger } from "../../src/observe/logger.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { parseCertificates } from "../../src/x509/certificate.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { end } from "../support/caller.ts";
import { type AgentChange, Domain, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const refusedWith = (kind: string, message: RegExp) => ({ name: "AssayError", kind, message });

t.test("the server goes away: serving goes on, and takes up changes when it is back", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  const before = await watch.next();
  const token = (await client.fetchJwt(["db"])).svids[0]?.svid;
  await domain.stopServer();
  t.same(await client.fetchX509(), before);
  t.equal((await client.fetchJwt(["db"])).svids[0]?.svid, token);
  await t.rejects(client.fetchJwt(["new"]), refusedWith("unavailable", /could not be signed/));
  await domain.startServer();
  await domain.entry({ path: "/two" });
  t.same(
    (await watch.next()).svids.map((s) => s.spiffe_id),
    [id("/one"), id("/two")],
  );
});

t.test("a restart needs no token; open streams end with UNAVAILABLE, never with OK", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  using client = new WorkloadClient(agent.socket);
  const watches = [client.x509(), client.x509Bundles(), client.jwtBundles()];
  for (const watch of watches) await watch.next();
  const ends = watches.map((watch) => {
    const next: Promise<object> = watch.next();
    return t.rejects(next, refusedWith("unavailable", /stopping/));
  });
  await agent[Symbol.asyncDispose]();
  await Promise.all(ends);
  t.equal(await agent.stopped, undefined);
  t.equal(existsSync(agent.socket), false, "the socket file is gone");

  const again = await domain.startAgent({ joinToken: undefined });
  t.equal(again.spiffeId.toString(), agent.spiffeId.toString());
  t.equal(
    (await client.fetchX509()).svids[0]?.spiffe_id,
    id("/one"),
    "the same client connects again",
  );
});

t.test("starts that cannot work name the next step", async (t) => {
  await using domain = await Domain.start();
  const start = (change: AgentChange): Promise<unknown> => domain.startAgent(change);
  await t.rejects(
    start({ joinToken: undefined }),
    refusedWith("precondition", /no identity.*assay token generate/),
  );
  await t.rejects(
    start({ joinToken: "made-up" }),
    refusedWith("precondition", /refused the node attestation.*assay token generate/),
  );
  await t.rejects(
    start({ bootstrap: { kind: "stored" }, dataDir: join(domain.dir, "fresh") }),
    refusedWith("precondition", /--trust-bundle/),
  );
  await t.rejects(
    start({ bootstrap: { kind: "bundle", file: "/nonexistent" } }),
    refusedWith("precondition", /cannot be read/),
  );
  const junk = join(domain.dir, "junk");
  writeFileSync(junk, "junk");
  await t.rejects(
    start({ bootstrap: { kind: "bundle", file: junk } }),
    refusedWith("precondition", /trust bundle/),
  );
  t.equal(existsSync(join(domain.dir, "api.sock")), false, "nothing is left behind");

  const token = await domain.token();
  const agent = await domain.startAgent({ joinToken: token });
  await t.rejects(
    start({ socket: join(domain.dir, "second.sock") }),
    refusedWith("precondition", /another agent runs on/),
  );
  await t.rejects(
    start({ dataDir: join(domain.dir, "second") }),
    refusedWith("precondition", /another process serves/),
  );
  await t.rejects(
    start({
      dataDir: join(domain.dir, "third"),
      socket: join(domain.dir, "third.sock"),
      joinToken: token,
    }),
    refusedWith("precondition", /refused/),
    "a token is good for one agent",
  );
  await agent[Symbol.asyncDispose]();
  await t.rejects(
    start({ trustDomain: "other.org" }),
    refusedWith("precondition", /belongs to trust domain/),
  );
});

t.test("a stale socket file is replaced, anything else is left alone", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const socket = join(domain.dir, "api.sock");
  const dead = spawn(
    process.execPath,
    ["-e", `require("net").createServer().listen(${JSON.stringify(socket)},()=>console.log("up"))`],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await once(dead.stdout, "data");
  await end(dead);
  t.ok(existsSync(socket));
  const agent = await domain.startAgent();
  t.equal(statSync(socket).mode & 0o777, 0o777);
  t.equal(statSync(join(domain.dir, "agent")).mode & 0o777, 0o700);
  t.equal(statSync(join(domain.dir, "agent/identity.json")).mode & 0o777, 0o600);
  using client = new WorkloadClient(agent.socket);
  t.equal((await client.fetchX509()).svids.length, 1);
  const file = join(domain.dir, "file");
  writeFileSync(file, "precious");
  await t.rejects(
    domain.startAgent({ socket: file, dataDir: join(domain.dir, "second") }),
    refusedWith("precondition", /no socket/),
  );
  t.equal(readFileSync(file, "utf8"), "precious");
});

t.test("insecure bootstrap believes the first server, and remembers it", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent({ bootstrap: { kind: "insecure" } });
  using client = new WorkloadClient(agent.socket);
  t.equal((await client.fetchX509()).svids.length, 1);
  const stored = JSON.parse(readFileSync(join(domain.dir, "agent/identity.json"), "utf8"));
  t.ok(stored.bundle);
});

t.test("a server that is not the one is not spoken to", async (t) => {
  await using domain = await Domain.start();
  await using impostor = await Domain.start();
  const bundle = await domain.bundleFile();
  const stop = new AbortController();
  const lines: string[] = [];
  const warned = Promise.withResolvers<void>();
  const adminSocket = join(impostor.dir, "admin", "admin.sock");
  const logger = {
    ...domain.logger,
    warn: (message: string, fields: object = {}) => {
      lines.push(message + JSON.stringify(fields, (_, v) => (v instanceof Error ? v.message : v)));
      if (lines.length === 1) warned.resolve();
    },
    child: () => logger,
  } as typeof domain.logger;
  const start = t.rejects(
    impostor.startAgent(
      { bootstrap: { kind: "bundle", file: bundle }, adminSocket },
      { signal: stop.signal, logger },
    ),
    { message: /seen/ },
  );
  await warned.promise;
  using admin = connectUnix(adminSocket);
  const pid = process.pid;
  t.match(await admin.unary("assay.explain.v1.Explain", "ExplainPid", { pid }), {
    server_error: /^the agent has no identity yet: .* signed by no authority of the trust bundle/,
  });
  stop.abort(new Error("seen"));
  await start;
  t.match(lines[0], /cannot be asked for an identity/);
  t.match(lines[0], /signed by no authority of the trust bundle.*'assay bundle show > FILE'/);
  t.notMatch(lines[0], /No connection|local issuer/, "in our words alone");
});

t.test("a workload of the trust domain cannot play its server", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  using client = new WorkloadClient(agent.socket);
  const { svids } = await client.fetchX509();
  const chain = parseCertificates(svids[0]?.x509_svid ?? new Uint8Array());
  const impostor = createServer({
    cert: chain.map(({ raw }) => encodePem("CERTIFICATE", raw)).join(""),
    key: encodePem("PRIVATE KEY", svids[0]?.x509_svid_key ?? new Uint8Array()),
    ALPNProtocols: ["h2"],
  });
  impostor.on("error", () => undefined);
  impostor.on("tlsClientError", () => undefined);
  impostor.on("secureConnection", (socket) => socket.on("error", () => undefined).resume());
  impostor.listen(0, "127.0.0.1");
  await once(impostor, "listening");
  const { port } = impostor.address() as AddressInfo;
  const warned = Promise.withResolvers<unknown>();
  const stop = new AbortController();
  const logger: Logger = {
    ...silentLogger,
    warn: (_, fields) => {
      warned.resolve(fields?.["error"]);
      stop.abort(new Error("seen"));
    },
  };
  const start = domain.startAgent(
    {
      server: `127.0.0.1:${port}`,
      dataDir: join(domain.dir, "second"),
      socket: join(domain.dir, "second.sock"),
    },
    { logger, signal: stop.signal },
  );
  await t.rejects(start, { message: /seen/ });
  t.match(await warned.promise, {
    message: /the server is spiffe:\/\/example.org\/one, not spiffe:\/\/example.org\/spire\/server/,
  });
  impostor.close();
});

t.test("banned: the agent stops and says why", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  await watch.next();
  const { trustDomain, path } = agent.spiffeId;
  const agentId = { id: { trust_domain: trustDomain.name, path } };
  await domain.call("agent.v1.Agent", "BanAgent", agentId);
  t.match(await agent.stopped, refusedWith("precondition", /banned.*new join token/));
  await t.rejects(watch.next(), refusedWith("unavailable", /stopping/));
  const again = await domain.startAgent();
  t.ok(again.spiffeId.toString() !== agent.spiffeId.toString());
});

t.test("evicted: the SVID is dropped, and the next start wants a new token", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent();
  const { trustDomain, path } = agent.spiffeId;
  await domain.call("agent.v1.Agent", "DeleteAgent", {
    id: { trust_domain: trustDomain.name, path },
  });
  t.match(
    await agent.stopped,
    refusedWith("precondition", /does not accept this agent's SVID.*assay token generate/),
  );
  await t.rejects(
    domain.startAgent({ joinToken: undefined }),
    refusedWith("precondition", /no identity/),
  );
  const again = await domain.startAgent();
  t.ok(again.spiffeId.toString() !== agent.spiffeId.toString());
});
