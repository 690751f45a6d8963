/**
 * A server from start to stop:
 * - its own certificate is swapped while it serves;
 * - it stops and starts again without losing anything, and says why when it cannot start.
 */
import { X509Certificate } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect as connectTlsSocket } from "node:tls";
import t, { type Test } from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { Channel } from "../../../src/rpc/channel.ts";
import { startServer } from "../../../src/server/main.ts";
import { refused } from "../../support/refused.ts";
import {
  ENTRY_SERVICE,
  type TestServer,
  startTestServer,
  testServerConfig,
} from "../../support/server.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { type Entries, id, uid } from "./calls.ts";
import { until } from "../../support/patience.ts";

const HEALTH = "grpc.health.v1.Health";

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
  await until(
    "another certificate",
    async () => (await shown()).fingerprint256 !== first.fingerprint256,
  );
  const second = await shown();
  const { authorities } = server.server;
  const { id: next } = await authorities.prepare("x509");
  await authorities.activate("x509", next);
  await server.clock.advance(61_000);
  await until("a certificate of the authority that signs now", async () => {
    const socket = await tlsTo(server);
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    return certificate?.fingerprint256 !== second.fingerprint256;
  });
});

t.test("health answers anyone, and any number but not all the world at once", async (t) => {
  const server = await startTestServer(t);
  const channels = [server.admin, ...Array.from({ length: 4 }, () => server.connect())];
  for (const channel of channels) {
    t.match(await channel.unary(HEALTH, "Check", {}), { status: "SERVING" });
    t.match(await channel.unary(HEALTH, "Check", { service: ENTRY_SERVICE }), {
      status: "SERVING",
    });
    await refused(t, channel.unary(HEALTH, "Check", { service: "none" }), { kind: "not_found" });
  }
  const over = new AbortController();
  const watch = async (channel: Channel, signal?: AbortSignal): Promise<string> => {
    const options = signal === undefined ? {} : { signal };
    const stream = channel.stream<object, { status: string }>(HEALTH, "Watch", options);
    stream.send({}).catch(() => undefined); // the answer says more
    stream.end();
    const first = await stream[Symbol.asyncIterator]().next();
    return first.done === true ? "" : first.value.status;
  };
  const watched = await Promise.allSettled(
    Array.from({ length: 1010 }, (_, i) => watch(channels[i % 5] ?? server.admin, over.signal)),
  );
  const served = watched.filter((each) => each.status === "fulfilled");
  t.equal(served.length, 1000);
  for (const each of watched) {
    if (each.status === "rejected") t.match(each.reason, { kind: "limited" });
  }
  over.abort();
  await until(
    "those who left made room",
    async () => (await watch(server.admin).catch(() => "")) === "SERVING",
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
  const watch = before.admin.stream<object, { status: string }>(HEALTH, "Watch");
  await watch.send({});
  watch.end();
  const statuses = watch[Symbol.asyncIterator]();
  t.match(await statuses.next(), { value: { status: "SERVING" } });
  const ended = refused(t, Promise.resolve(statuses.next()), {
    kind: "unavailable",
    message: /the server is stopping/,
  });
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
  const occupant = createServer();
  await new Promise<void>((resolve) => occupant.listen(0, "127.0.0.1", resolve));
  const { port } = occupant.address() as AddressInfo;
  await refusedStart(
    t,
    { ...config, listen: `127.0.0.1:${port}` },
    /cannot listen on 127\.0\.0\.1 port \d+: another program has it \(EADDRINUSE\); stop that one/,
  );
  occupant.close();
  const fresh = { ...config, dataDir: join(dir, "fresh"), trustDomain: "other.org" };
  await refusedStart(t, { ...fresh, listen: "192.0.2.1:1" }, /listeners: cannot listen on/);
  // A start that failed before has not bound the folder to its trust domain.
  await refusedStart(
    t,
    { ...fresh, trustDomain: "third.org", socket: join(dir, "x".repeat(200)) },
    /listeners: socket path/,
  );
  await t.rejects(stat(config.socket), { code: "ENOENT" });
  await refusedStart(
    t,
    { ...config, socket: join(dir, "x".repeat(200)) },
    /listeners: socket path/,
  );
  await writeFile(join(dir, "file"), "");
  await mkdir(join(dir, "theirs"));
  await writeFile(join(dir, "theirs", "file"), "");
  await chmod(join(dir, "theirs"), 0o755);
  await refusedStart(t, { ...config, dataDir: join(dir, "theirs") }, /open to others/);
  t.equal((await stat(join(dir, "theirs"))).mode & 0o777, 0o755);
  await chmod(config.dataDir, 0o755);
  await refusedStart(t, { ...config, dataDir: join(dir, "file") }, /data folder: /);
  await mkdir(join(dir, "in-the-way"));
  await refusedStart(t, { ...config, socket: join(dir, "in-the-way") }, /listeners: /);

  const clock = new VirtualClock(Date.now());
  const interrupted = startServer(config, {
    logger: silentLogger,
    clock,
    random: systemRandom,
    signal: AbortSignal.abort(),
  });
  await refused(t, interrupted, { kind: "cancelled" });
  t.equal(clock.timers, 0);

  const after = await startTestServer(t, { config });
  t.equal(await after.rootsPem(), roots);
  t.equal((await stat(config.dataDir)).mode & 0o777, 0o700, "closed again");
  const channel = after.connect(agent.identity);
  t.equal(
    (await channel.unary<Entries>(ENTRY_SERVICE, "GetAuthorizedEntries", {})).entries.length,
    1,
  );
  await after.attest(token);
});

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
