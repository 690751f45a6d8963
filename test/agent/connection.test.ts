/** What an agent's connection to its server stands on. */
import { type Socket, connect, createServer } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import t from "tap";
import { AgentIdentity } from "../../src/agent/identity/agent-identity.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { Domain } from "../support/running.ts";
import { identityOf } from "../support/server.ts";
import { TestCa, forge, testCsr } from "../support/test-ca.ts";
import { WorkloadClient } from "../support/workload-client.ts";

t.test("a connection is made anew for another SVID and for a root that is gone", async (t) => {
  await using identity = await AgentIdentity.open({
    dir: t.testdir({}),
    trustDomain: "example.org",
    clock: systemClock,
    logger: silentLogger,
  });
  const life = { notBefore: 0, notAfter: 2_000_000_000 };
  const [a, b] = [(await TestCa.create(life)).der, (await TestCa.create(life)).der];
  let sequence = 0;
  const risen = async (change: Partial<Bundle>, roots: readonly Uint8Array[]) => {
    const before = [identity.revision, identity.rootsRevision] as const;
    sequence += 1;
    await identity.setBundle({
      trustDomain: "example.org",
      x509Authorities: roots.map((der) => ({ der, tainted: false })),
      jwtAuthorities: [],
      refreshHint: 0,
      sequence,
      ...change,
    });
    return [identity.revision > before[0], identity.rootsRevision > before[1]];
  };
  t.same(await risen({}, [a]), [true, true], "the first bundle");
  t.same(await risen({ refreshHint: 7 }, [a]), [false, false], "nothing that TLS looks at");
  t.same(await risen({ x509Authorities: [{ der: a, tainted: true }] }, []), [false, false]);
  t.same(await risen({}, [b, a]), [false, true], "another root: for the next connection");
  t.same(await risen({}, [a, b]), [false, false], "in another order");
  t.same(await risen({}, [b]), [true, true], "a root is gone");
  t.same(await risen({}, [a]), [true, true], "another in its place");
});

t.test("revocation lists are kept with the bundle", async (t) => {
  const options = {
    dir: t.testdir({}),
    trustDomain: "example.org",
    clock: systemClock,
    logger: silentLogger,
  };
  const ca = await TestCa.create();
  const crls = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  const first = await AgentIdentity.open(options);
  t.equal(await first.setBundle(ca.bundle()), true);
  t.equal(await first.setBundle({ ...ca.bundle(), crls }), false, "no other bundle");
  t.same(first.bundle?.crls, crls, "and yet its lists");
  await first[Symbol.asyncDispose]();
  await using second = await AgentIdentity.open(options);
  t.same(second.bundle?.crls, crls, "after a restart");
  await second.setBundle(ca.bundle());
  t.same(second.bundle?.crls, undefined);
});

/** Takes connections and passes them on to an address that can be changed. */
async function relay(to: number) {
  const sockets = new Set<Socket>();
  const held = { to };
  const server = createServer((socket) => {
    const out = connect(held.to, "127.0.0.1");
    for (const each of [socket, out]) {
      sockets.add(each);
      each.on("error", () => undefined);
      each.once("close", () => [socket, out].forEach((other) => other.destroy()));
    }
    socket.pipe(out).pipe(socket);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `127.0.0.1:${portOf(server)}`,
    turn(port: number): void {
      held.to = port;
      for (const socket of sockets) socket.destroy();
    },
    [Symbol.dispose](): void {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const portOf = (server: { address(): unknown }): number =>
  (server.address() as { port: number }).port;

t.test("a server's SVID that was revoked", async (t) => {
  await using domain = await Domain.start({ revocation: { crlTtl: 24 * 3600 } });
  const { port } = domain.server.tcpAddress;
  using way = await relay(port);
  const agent = await domain.startAgent({ server: way.address, syncIntervalMs: 3600_000 });
  await domain.entry({ path: "/one" });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  /** Each change of the lists is a message, too. */
  const held = async (count: number, what: string): Promise<void> => {
    for (;;) if ((await watch.next()).svids.length === count) break;
    t.pass(what);
  };
  await held(1, "the first");
  const admin = connectUnix(domain.server.socket);
  t.teardown(() => admin.close());
  const revoke = (request: object): Promise<unknown> =>
    admin.unary("assay.revocation.v1.Revocation", "RevokeX509SVID", request);

  const shown = (): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        resolve(Uint8Array.from(socket.getPeerX509Certificate()?.raw ?? []));
        socket.destroy();
      });
    });
  const before = parseCertificate(await shown());
  await revoke({ serial: before.serial });
  await domain.entry({ path: "/two" });
  await held(2, "the agent follows on");
  t.not(parseCertificate(await shown()).serial, before.serial, "the server has another one");

  const { signer, id: authorityId, certificate } = domain.server.authorities.activeX509();
  const key = await testCsr();
  const now = Math.floor(Date.now() / 1000);
  const stolen = await forge({
    signer,
    serial: Uint8Array.of(0x5e, 0x1f),
    issuer: certificate.subject,
    authorityKeyId: Buffer.from(authorityId, "hex"),
    subject: certificate.subject,
    publicKey: key.signer.publicKey,
    uris: ["spiffe://example.org/spire/server"],
    basicConstraints: { ca: false },
    keyUsage: ["digitalSignature"],
    notBefore: now - 10,
    notAfter: now + 3600,
  });
  let heard = Buffer.alloc(0);
  const { certPem: cert, keyPem } = identityOf([stolen], key.pkcs8);
  let met = Promise.withResolvers<void>();
  const thief = createTlsServer({ cert, key: keyPem, ALPNProtocols: ["h2"] }, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data: Buffer) => {
      heard = Buffer.concat([heard, data]);
      met.resolve();
    });
    socket.once("close", () => met.resolve());
  });
  thief.on("tlsClientError", () => met.resolve());
  await new Promise<void>((done) => thief.listen(0, "127.0.0.1", done));
  t.teardown(() => thief.close());
  way.turn(portOf(thief));
  await met.promise;
  t.match(heard.toString("latin1"), /^PRI \* HTTP\/2/, "whoever has such an SVID is believed");

  // The agent has the lists from the server itself before it meets the thief again.
  way.turn(port);
  await revoke({ serial: "5e1f", authority_id: authorityId });
  await domain.entry({ path: "/three" });
  await held(3, "back at the server");
  heard = Buffer.alloc(0);
  met = Promise.withResolvers();
  way.turn(portOf(thief));
  await met.promise;
  t.equal(heard.length, 0, "until it is revoked");
  way.turn(port);
  await domain.entry({ path: "/four" });
  await held(4, "the right server is known again");
});
