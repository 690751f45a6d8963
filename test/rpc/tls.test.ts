import { once } from "node:events";
import { type Socket, connect as connectTcp, createServer } from "node:net";
import { type ConnectionOptions, type TLSSocket, connect } from "node:tls";
import t from "tap";
import { connectTls } from "../../src/rpc/channel.ts";
import { TlsListener } from "../../src/rpc/tls-listener.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { TestCa } from "../support/test-ca.ts";
import {
  caOfToday,
  dial,
  leafOfToday,
  memoryLogger,
  rejection,
  startTlsServer,
} from "./support.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const AGENT = "spire.api.server.agent.v1.Agent";
const root = await TestCa.create(caOfToday());
const intermediate = await root.intermediate(caOfToday());
const deeper = await intermediate.intermediate({ ...caOfToday(), name: "deeper" });
const foreign = await TestCa.create({
  ...caOfToday(),
  trustDomain: "foreign.org",
  name: "foreign",
});
const identity = await leafOfToday(root);

const whoAmI = {
  GetAgent: async (_: object, call: { peer: string }) => ({ agent_version: call.peer }),
};

/** A TLS client of its own, past the channel. */
async function handshake(
  port: number,
  options: ConnectionOptions & { localAddress?: string } = {},
): Promise<TLSSocket> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
    ...options,
  });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return socket;
}

function expectClose(socket: Socket): Promise<unknown> {
  socket.on("error", () => undefined);
  socket.resume();
  return new Promise((resolve) => socket.once("close", resolve));
}

t.test(
  "client certificates: none, own, chains, untrusted ones; the listener lets all in",
  async (t) => {
    await using test = await startTlsServer(identity);
    test.server.addService(AGENT, whoAmI);
    const expired = await root.leaf({ notBefore: 1_000_000_000, notAfter: 1_000_003_600 });
    const short = await leafOfToday(intermediate);
    const long = await leafOfToday(deeper);
    const other = await leafOfToday(foreign);
    const rsa = await leafOfToday(root, { keyType: "rsa-2048" });
    const caLeaf = await leafOfToday(root, { basicConstraints: { ca: true } });
    const clients = [
      ["no certificate", undefined, []],
      ["signed by the own root", identity, [identity.der]],
      ["leaf and intermediate", short, [short.der, intermediate.der]],
      ["leaf and two intermediates", long, [long.der, deeper.der, intermediate.der]],
      ["of a foreign CA", other, [other.der]],
      ["expired", expired, [expired.der]],
      ["RSA", rsa, [rsa.der]],
      ["a CA as leaf", caLeaf, [caLeaf.der]],
      [
        "the root behind the chain",
        { ...short, certPem: short.certPem + root.pem },
        [short.der, intermediate.der, root.der],
      ],
      [
        "a foreign certificate behind the leaf",
        { ...identity, certPem: identity.certPem + foreign.pem },
        [identity.der],
      ],
    ] as const;
    const ids = (ders: readonly Uint8Array[] = []) =>
      ders.map((der) => parseCertificate(der).serial);
    const { port } = test.listener.address;
    for (const [name, client, wanted] of clients) {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const known = new Set(test.chains.keys());
        const socket = await handshake(port, {
          ...(client && { cert: client.certPem, key: client.keyPem }),
          // Without a store of its own the client sends what it was given and nothing else.
          ca: [],
          maxVersion,
        });
        t.equal(socket.getProtocol(), maxVersion);
        await until("a chain", () => test.chains.size > known.size, 1);
        const [label = ""] = [...test.chains.keys()].filter((key) => !known.has(key));
        t.same(ids(test.chains.get(label)), ids(wanted), `${name}, ${maxVersion}`);
        socket.destroy();
      }
    }
    t.equal(test.chains.size, 2 * clients.length, "each connection has a label of its own");
    for (const [name, client, wanted] of clients) {
      using channel = dial(test, root, client);
      const answer = await channel.unary<{ agent_version: string }>(AGENT, "GetAgent", {});
      const chain = test.chains.get(answer.agent_version);
      t.same(ids(chain?.slice(0, 1)), ids(wanted.slice(0, 1)), `${name}, by channel`);
    }
  },
);

t.test("what is not gRPC over TLS is dropped", async (t) => {
  await using test = await startTlsServer(identity, { handshakeTimeoutMs: 3000 });
  const { port } = test.listener.address;
  for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\u0000".repeat(64), "\u0016\u0003\u0001\uffff"]) {
    const socket = connectTcp(port, "127.0.0.1");
    socket.write(Buffer.from(bytes, "latin1"));
    await expectClose(socket);
    t.pass(JSON.stringify(bytes.slice(0, 10)));
  }
  await expectClose(connectTcp(port, "127.0.0.1"));
  t.pass("silence is dropped after the handshake's time");
  for (const options of [
    { ALPNProtocols: ["http/1.1"] },
    { maxVersion: "TLSv1.1" as const, minVersion: "TLSv1" as const },
  ]) {
    await t.rejects(handshake(port, options), JSON.stringify(options));
  }
  const noAlpn = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await expectClose(noAlpn);
  t.pass("a client that does not ask for HTTP/2 is dropped");
  const reset = connectTcp(port, "127.0.0.1");
  await once(reset, "connect");
  reset.write("\u0016\u0003\u0001");
  reset.resetAndDestroy();
  await until("no connection", () => test.listener.connections === 0, 1);
  t.equal(test.chains.size, 0, "none of them was handed over");
  (await handshake(port)).destroy();
});

t.test("a record that cannot be read ends its connection", async (t) => {
  await using test = await startTlsServer(identity);
  const { port } = test.listener.address;
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const plain = connectTcp(port, "127.0.0.1");
    const closed = expectClose(plain);
    await handshake(port, { socket: plain, maxVersion });
    await until("it is handed over", () => test.listener.connections === 1, 1);
    plain.write(Buffer.concat([Buffer.from([23, 3, 3, 0, 64]), Buffer.alloc(64, 7)]));
    await closed;
    await until("its place is free", () => test.listener.connections === 0, 1);
    t.pass(maxVersion);
  }
});

t.test("bounds on connections, of all and of one address", async (t) => {
  await using test = await startTlsServer(identity, {
    maxConnections: 3,
    maxConnectionsPerAddress: 2,
  });
  const { port } = test.listener.address;
  const first = await handshake(port);
  const second = connectTcp(port, "127.0.0.1");
  await until("two connections", () => test.listener.connections === 2, 1);
  await expectClose(connectTcp(port, "127.0.0.1"));
  t.pass("a third connection of one address is refused");
  const elsewhere = await handshake(port, { localAddress: "127.0.0.2" });
  await expectClose(connectTcp({ port, host: "127.0.0.1", localAddress: "127.0.0.3" }));
  t.pass("a fourth connection of all is refused");
  t.equal(
    test.lines.filter((line) => line.includes("too many") && line.includes('"warn"')).length,
    1,
  );
  first.destroy();
  second.destroy();
  elsewhere.destroy();
  await until("no connection", () => test.listener.connections === 0, 1);
  (await handshake(port)).destroy();
});

t.test("a new server certificate is shown at the very next handshake", async (t) => {
  await using test = await startTlsServer(identity);
  const { port } = test.listener.address;
  const serial = (socket: TLSSocket) =>
    parseCertificate(socket.getPeerX509Certificate()?.raw ?? new Uint8Array()).serial;
  const before = await handshake(port);
  t.equal(serial(before), parseCertificate(identity.der).serial);
  const next = await leafOfToday(intermediate);
  test.identity = next;
  const after = await handshake(port);
  t.equal(serial(after), parseCertificate(next.der).serial);
  using channel = dial(test, root);
  t.match(
    await rejection(channel.unary(AGENT, "GetAgent", {})),
    { kind: "unsupported" },
    "its chain is sent along",
  );
  test.identity = { certPem: "nonsense", keyPem: next.keyPem };
  const still = await handshake(port);
  t.equal(serial(still), parseCertificate(next.der).serial, "an unusable one changes nothing");
  t.ok(test.lines.some((line) => line.includes("kept the previous")));
  for (const socket of [before, after, still]) socket.destroy();
});

t.test("no session is resumed, no handshake repeated", async (t) => {
  await using test = await startTlsServer(identity);
  const { port } = test.listener.address;
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const sessions: Buffer[] = [];
    const socket = await handshake(port, { maxVersion });
    socket.on("session", (session) => sessions.push(session));
    const kept = socket.getSession();
    socket.resume();
    await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    for (const session of [...sessions, ...(kept ? [kept] : [])]) {
      const again = await handshake(port, { maxVersion, session });
      t.equal(again.isSessionReused(), false, maxVersion);
      again.destroy();
    }
    if (maxVersion === "TLSv1.2") {
      const renegotiating = await handshake(port, { maxVersion });
      renegotiating.resume();
      const outcome = new Promise<Error | null>((resolve) => {
        renegotiating.once("error", resolve);
        renegotiating.renegotiate({ rejectUnauthorized: false }, resolve);
      });
      t.ok(await outcome, "renegotiation fails");
      renegotiating.destroy();
    }
  }
});

t.test("listening: address in use, unusable certificate", async (t) => {
  await using test = await startTlsServer(identity);
  const { logger } = memoryLogger();
  const options = {
    host: "127.0.0.1",
    port: test.listener.address.port,
    secureContext: () => identity,
    onConnection: () => undefined,
    handshakeTimeoutMs: PATIENCE_MS,
    maxConnections: 1,
    logger,
  };
  t.match(await rejection(TlsListener.listen(options)), {
    kind: "precondition",
    message: /EADDRINUSE/,
  });
  const mismatched = { certPem: identity.certPem, keyPem: (await leafOfToday(root)).keyPem };
  t.match(
    await rejection(TlsListener.listen({ ...options, port: 0, secureContext: () => mismatched })),
    { kind: "invalid" },
  );
});

t.test("closing the listener leaves connections that were handed over", async (t) => {
  await using test = await startTlsServer(identity);
  test.server.addService(AGENT, whoAmI);
  using channel = dial(test, root);
  await channel.unary(AGENT, "GetAgent", {});
  const { port } = test.listener.address;
  const half = connectTcp(port, "127.0.0.1");
  await until("two connections", () => test.listener.connections === 2, 1);
  const dropped = expectClose(half);
  await test.listener[Symbol.asyncDispose]();
  await dropped;
  t.match(await channel.unary(AGENT, "GetAgent", {}), { agent_version: /^tls:/ });
  await expectClose(connectTcp(port, "127.0.0.1"));
  t.equal(test.chains.size, 1);
});

t.test("channel: whom it believes", async (t) => {
  await using test = await startTlsServer(await leafOfToday(deeper));
  test.server.addService(AGENT, whoAmI);
  const call = async (
    rootsPem: string | undefined,
    checkServer: (leaf: Uint8Array) => Error | undefined = () => undefined,
    target = test.target,
  ) => {
    using channel = connectTls({ target, rootsPem, checkServer });
    return await channel.unary<{ agent_version: string }>(
      AGENT,
      "GetAgent",
      {},
      { deadlineMs: PATIENCE_MS },
    );
  };
  t.ok(await call(root.pem), "the root");
  t.ok(await call(foreign.pem + root.pem), "one root of several");
  t.ok(await call(intermediate.pem), "an authority that is no root");
  t.ok(await call(undefined), "anyone, when no roots are given");
  t.ok(await call(root.pem, undefined, `localhost:${test.listener.address.port}`), "by name");
  t.match(await rejection(call(foreign.pem)), { kind: "unavailable", message: /issuer/i });
  t.match(await rejection(call("")), { kind: "unavailable" }, "empty roots trust nobody");
  const namesake = await TestCa.create(caOfToday());
  for (const roots of [foreign.pem, namesake.pem, ""]) {
    const untrusted = "none of these; take others";
    const { target } = test;
    using channel = connectTls({
      target,
      rootsPem: roots,
      untrusted,
      checkServer: () => undefined,
    });
    const error = await rejection(
      channel.unary(AGENT, "GetAgent", {}, { deadlineMs: PATIENCE_MS }),
    );
    t.match(error, { kind: "unavailable", message: new RegExp(`^${untrusted}$`) });
  }

  const seen: string[] = [];
  for (const roots of [root.pem, undefined]) {
    const error = await rejection(
      call(roots, (leaf) => {
        seen.push(...parseCertificate(leaf).uris);
        return new Error("not the server we want");
      }),
    );
    t.match(error, { kind: "unavailable", message: /not the server we want/ });
  }
  t.same(seen, ["spiffe://example.org/workload", "spiffe://example.org/workload"]);

  const past = await root.leaf({ notBefore: 1_000_000_000, notAfter: 1_000_003_600 });
  test.identity = past;
  t.match(await rejection(call(root.pem)), { kind: "unavailable", message: /expired/ });
});

t.test("channel: servers that are none", async (t) => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => {
    socket.on("error", () => undefined);
    sockets.push(socket);
  });
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const { port } = silent.address() as { port: number };
  const checkServer = () => undefined;
  using channel = connectTls({ target: `127.0.0.1:${port}`, rootsPem: root.pem, checkServer });
  const late = rejection(channel.unary(AGENT, "GetAgent", {}, { deadlineMs: 100 }));
  t.match(await late, { kind: "deadline" }, "a server that says nothing");
  const pending = rejection(channel.unary(AGENT, "GetAgent", {}));
  channel.close();
  t.match(await pending, { kind: "unavailable" }, "closing ends calls that wait");

  using nobody = connectTls({ target: "127.0.0.1:1", rootsPem: root.pem, checkServer });
  t.match(await rejection(nobody.unary(AGENT, "GetAgent", {})), {
    kind: "unavailable",
    message: /^nobody listens on 127\.0\.0\.1:1 \(ECONNREFUSED\)$/,
  });

  for (const target of [
    "",
    "host",
    "host:0",
    "host:65536",
    ":1",
    "a b:1",
    "unix:/x",
    "::1:80",
    "[::1]",
    "http://h:1",
  ]) {
    t.throws(
      () => connectTls({ target, rootsPem: undefined, checkServer }),
      { message: /HOST:PORT/ },
      target,
    );
  }
  t.throws(
    () =>
      connectTls({
        target: "h:1",
        rootsPem: undefined,
        identity: { certPem: "x", keyPem: "y" },
        checkServer,
      }),
    { message: /certificates/ },
  );
  connectTls({ target: "[::1]:8081", rootsPem: undefined, checkServer }).close();
});
