/** The broker endpoint's listener: what becomes of each kind of connection, and that its place is free afterwards. */
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type NetConnectOpts, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { type ConnectionOptions, type TLSSocket, connect as connectTls } from "node:tls";
import t, { type Test } from "tap";
import { BrokerListener } from "../../src/agent/broker/broker-listener.ts";
import { type Place, Places } from "../../src/agent/broker/places.ts";
import { type AgentSvid, agentSvid } from "../../src/agent/identity/agent-svid.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { TestCa } from "../support/test-ca.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Application data that nobody has encrypted (RFC 8446 §5.2). */
const BAD_RECORD = Buffer.concat([Buffer.of(23, 3, 3, 0, 40), Buffer.alloc(40, 7)]);

/** Tells when a place is taken and when it is free again. */
class WatchedPlaces extends Places {
  readonly taken = Promise.withResolvers<void>();
  readonly left = Promise.withResolvers<void>();
  readonly all: Place[] = [];
  /** `place`: of a connection that was handed over. */
  readonly handed = new EventEmitter();

  override take(address: string, close: () => void): Place {
    const place = super.take(address, close);
    const watched = {
      ...place,
      leave: () => {
        place.leave();
        this.left.resolve();
      },
    };
    this.all.push(watched);
    this.taken.resolve();
    return watched;
  }
}

async function newSvid(): Promise<AgentSvid> {
  const ca = await TestCa.create({ trustDomain: "example.org" });
  const { pkcs8, der } = await ca.leaf({ spiffeId: "spiffe://example.org/spire/agent/one" });
  return agentSvid({ key: pkcs8, chain: [der], reattestable: false }, "example.org");
}

async function open(t: Test, kind: "path" | "port") {
  const dir = mkdtempSync(join(tmpdir(), "assay-broker-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const clock = new VirtualClock();
  const bound = { unproven: 9, unprovenPerAddress: 9, proven: 9, provenPerBroker: 9 };
  const places = new WatchedPlaces({ ...bound, onClosed: () => undefined });
  const identity: { svid: AgentSvid | undefined } = { svid: await newSvid() };
  const accepted = Promise.withResolvers<TLSSocket>();
  const path = join(dir, "d", "broker.sock");
  const listener = await BrokerListener.listen(
    {
      identity,
      places,
      onConnection(secured, place) {
        accepted.resolve(secured);
        places.handed.emit("place", place);
      },
      clock,
      logger: silentLogger,
    },
    kind === "path" ? { path } : { host: "127.0.0.1", port: 0 },
  );
  t.teardown(() => listener[Symbol.dispose]());
  const target: NetConnectOpts =
    kind === "path" ? { path } : { host: "127.0.0.1", port: listener.port };
  return { clock, places, identity, accepted, listener, target };
}

function dial(target: NetConnectOpts, options: ConnectionOptions = {}): TLSSocket {
  const all = { ALPNProtocols: ["h2"], ...target, rejectUnauthorized: false, ...options };
  return connectTls(all).on("error", () => undefined);
}

for (const kind of ["path", "port"] as const) {
  t.test(`${kind}: whoever agrees on HTTP/2 and speaks is handed over`, async (t) => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const { clock, places, accepted, target, listener } = await open(t, kind);
      const client = dial(target, { minVersion: version, maxVersion: version });
      client.write(PREFACE);
      const secured = await accepted.promise;
      const [chunk] = (await once(secured, "data")) as [Buffer];
      t.equal(chunk.toString(), PREFACE, `${version}: with all that it said`);
      await clock.advance(60_000);
      listener[Symbol.dispose]();
      secured.write("answer");
      t.equal(
        String((await once(client, "data"))[0]),
        "answer",
        "neither timer nor end cut it off",
      );
      client.destroy();
      await places.left.promise;
      t.equal(places.size, 0);
    }
  });

  t.test(`${kind}: each has the place that it was given, whoever is done first`, async (t) => {
    const { places, target } = await open(t, kind);
    const slow = connect(target).on("error", () => undefined);
    await places.taken.promise;
    const first = once(places.handed, "place");
    const fast = dial(target);
    fast.write(PREFACE);
    t.equal((await first)[0], places.all[1]);
    const second = once(places.handed, "place");
    connectTls({ socket: slow, ALPNProtocols: ["h2"], rejectUnauthorized: false })
      .on("error", () => undefined)
      .write(PREFACE);
    t.equal((await second)[0], places.all[0]);
    t.equal(places.all.length, 2);
    fast.destroy();
    slow.destroy();
  });

  t.test(`${kind}: whoever does not is cut off, and its place is free`, async (t) => {
    const cases: readonly (readonly [string, (target: NetConnectOpts) => void])[] = [
      ["no ALPN", (target) => void dial(target, { ALPNProtocols: [] }).write(PREFACE)],
      ["another protocol", (target) => void dial(target, { ALPNProtocols: ["http/1.1"] })],
      ["TLS 1.1", (target) => void dial(target, { minVersion: "TLSv1.1", maxVersion: "TLSv1.1" })],
      [
        "no TLS",
        (target) =>
          void connect(target)
            .on("error", () => undefined)
            .write(PREFACE),
      ],
      ["ends at once", (target) => void connect(target).end()],
      ["ends after the handshake", (target) => void dial(target).end()],
      [
        "goes after the handshake",
        (target) => {
          const socket = dial(target, { maxVersion: "TLSv1.2" });
          socket.once("secureConnect", () => socket.destroy());
        },
      ],
    ];
    for (const [name, act] of cases) {
      const { places, clock, target, accepted } = await open(t, kind);
      accepted.promise.then(
        (secured) => secured.on("end", () => t.ok(name.startsWith("ends after"), name)).resume(),
        () => undefined,
      );
      act(target);
      await places.left.promise;
      t.equal(places.size, 0, name);
      t.equal(clock.timers, 0, "and nothing waits for it");
    }
  });

  t.test(`${kind}: whoever says nothing has ten seconds`, async (t) => {
    for (const name of ["no handshake", "no word after it"]) {
      const { places, clock, target, accepted } = await open(t, kind);
      const client = name === "no handshake" ? connect(target) : dial(target);
      client.on("error", () => undefined);
      await (name === "no handshake" ? places.taken.promise : once(client, "secureConnect"));
      await clock.advance(9_999);
      t.equal(places.size, 1, name);
      await clock.advance(1);
      await places.left.promise;
      t.equal(places.size, 0);
      const handed = await Promise.race([accepted.promise, Promise.resolve()]);
      t.equal(handed, undefined);
    }
  });

  t.test(`${kind}: whoever breaks TLS after the handshake is cut off`, async (t) => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const { places, accepted, target } = await open(t, kind);
      const raw = connect(target).on("error", () => undefined);
      const [inner, outer] = duplexPair();
      raw.on("data", (chunk: Buffer) => outer.write(chunk));
      // Its end is not passed on: it is the listener that has to end this.
      outer.on("data", (chunk: Buffer) => raw.write(chunk));
      const client = dial({} as NetConnectOpts, {
        socket: inner,
        minVersion: version,
        maxVersion: version,
      });
      client.write(PREFACE);
      const secured = await accepted.promise;
      secured.resume();
      raw.write(BAD_RECORD);
      await places.left.promise;
      t.equal(places.size, 0, version);
      t.ok(secured.destroyed);
      raw.destroy();
    }
  });

  t.test(`${kind}: each handshake shows the SVID of now, and none is resumed`, async (t) => {
    const { identity, target } = await open(t, kind);
    const shown = async (): Promise<string | undefined> => {
      const client = dial(target);
      await once(client, "secureConnect");
      const serial = client.getPeerX509Certificate()?.serialNumber;
      client.destroy();
      return serial;
    };
    const first = await shown();
    t.equal(await shown(), first);
    identity.svid = await newSvid();
    t.not(await shown(), first);
    identity.svid = undefined;
    await t.rejects(shown(), "without one nobody is let in");
    identity.svid = await newSvid();
    const earlier = dial(target, { maxVersion: "TLSv1.2" });
    await once(earlier, "secureConnect");
    const session = earlier.getSession();
    earlier.destroy();
    const again = dial(target, {
      maxVersion: "TLSv1.2",
      ...(session === undefined ? {} : { session }),
    });
    await once(again, "secureConnect");
    t.notOk(again.isSessionReused());
    again.destroy();
  });
}
