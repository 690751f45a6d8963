import t from "tap";
import { serviceDefinition } from "../../../src/rpc/protos.ts";
import {
  AUTHORIZATION,
  KNOWN_SERVICES,
  rolesFor,
} from "../../../src/server/endpoints/authorization.ts";
import { type LostAuthorities, NONE_LOST } from "../../../src/spiffe/lost-authorities.ts";
import { agentOf, callerOf } from "../../../src/server/endpoints/caller.ts";
import { Gate, type GateCall } from "../../../src/server/endpoints/gate.ts";
import { PeerIdentity, TrustedRoots } from "../../../src/server/endpoints/peer-identity.ts";
import { ServerIdentity } from "../../../src/server/endpoints/server-identity.ts";
import type { EntryRecord } from "../../../src/server/datastore/contract.ts";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { SpiffeId } from "../../../src/spiffe/spiffe-id.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { fail } from "../../../src/base/errors.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import { refused } from "../../support/refused.ts";
import { type LeafOptions, TEST_EPOCH, TestCa } from "../../support/test-ca.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { until } from "../../support/patience.ts";

const AGENT = "spiffe://example.org/spire/agent/join_token/abc";
const ADMIN = "spiffe://example.org/admin";

t.test("the authorization table has a row for every method of every known service", async (t) => {
  const declared = KNOWN_SERVICES.flatMap((service) =>
    Object.values(serviceDefinition(service)).map(({ path }) => path),
  );
  t.ok(declared.length > 65, `${declared.length} methods seen`);
  t.same(
    declared.filter((method) => !AUTHORIZATION.has(method)),
    [],
    "methods without a row",
  );
  t.same(
    [...AUTHORIZATION.keys()].filter((method) => !declared.includes(method)),
    [],
  );
  t.same(
    [...AUTHORIZATION].filter(([, roles]) => roles.size === 0),
    [],
  );
  const open = [...AUTHORIZATION].filter(([, roles]) => roles.has("any")).map(([name]) => name);
  t.same(open.sort(), [
    "/assay.certificate.v1.Certificates/NewCertificateByToken",
    "/assay.token.v1.Token/NewJWTSVID",
    "/assay.token.v1.Token/NewX509SVID",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/spire.api.server.agent.v1.Agent/AttestAgent",
    "/spire.api.server.bundle.v1.Bundle/GetBundle",
  ]);
  for (const name of ["agent", "bundle", "debug", "entry", "localauthority", "logger", "svid"]) {
    t.ok(KNOWN_SERVICES.some((service) => service.startsWith(`spire.api.server.${name}.v1.`)));
  }
  t.throws(() => rolesFor("/spire.api.server.agent.v1.Agent/Unheard"), /no row/);
});

interface World {
  readonly clock: VirtualClock;
  readonly ca: TestCa;
  readonly gate: Gate;
  bundle: Bundle;
  lost: LostAuthorities;
  entries: Partial<EntryRecord>[];
  readonly checked: string[];
  /** Serials. */
  readonly revoked: Set<string>;
  leaf(options?: LeafOptions): Promise<Uint8Array[]>;
  connect(label: string, chain: readonly Uint8Array[]): void;
  call(method: string, label: string): Promise<GateCall>;
}

async function openWorld(): Promise<World> {
  const clock = new VirtualClock(TEST_EPOCH * 1000);
  const ca = await TestCa.create();
  const connections = new Map<string, { remoteAddress: string; identity: PeerIdentity }>();
  const roots = new TrustedRoots(
    () => world.bundle,
    () => world.lost,
  );
  const world: World = {
    clock,
    ca,
    bundle: ca.bundle(),
    lost: NONE_LOST,
    entries: [],
    checked: [],
    gate: new Gate({
      connection: (label) => connections.get(label),
      checkActive: async (id, serial) => {
        world.checked.push(`${id} ${serial}`);
        if (id !== AGENT) throw fail("denied", "not attested", { reason: "AGENT_NOT_ATTESTED" });
      },
      entries: {
        list: async ({ spiffeId }) => ({
          // The gate reads these three fields only.
          items: world.entries.filter((entry) => entry.spiffeId === spiffeId) as EntryRecord[],
        }),
      },
      isRevoked: (_authorityId, serial) => world.revoked.has(serial),
      clock,
      logger: silentLogger,
    }),
    revoked: new Set(),
    leaf: async (options = {}) => [(await ca.leaf({ spiffeId: AGENT, ...options })).der],
    connect: (label, chain) =>
      connections.set(label, {
        remoteAddress: "192.0.2.1",
        identity: new PeerIdentity(chain, roots, clock),
      }),
    call: async (method, label) => {
      const call = { peer: label, store: new Map<symbol, unknown>() };
      await world.gate.check(method, call);
      return call;
    },
  };
  return world;
}

const SYNC = "/spire.api.server.entry.v1.Entry/GetAuthorizedEntries";
const RENEW = "/spire.api.server.agent.v1.Agent/RenewAgent";
const LIST = "/spire.api.server.agent.v1.Agent/ListAgents";
const DOWNSTREAM = "/spire.api.server.svid.v1.SVID/NewDownstreamX509CA";
const INFO = "/spire.api.server.debug.v1.Debug/GetInfo";
const GET_BUNDLE = "/spire.api.server.bundle.v1.Bundle/GetBundle";

t.test("an agent, an administrator, a downstream server and the admin socket", async (t) => {
  const world = await openWorld();
  world.connect("agent", await world.leaf());
  world.connect("admin", await world.leaf({ spiffeId: ADMIN }));
  const synced = await world.call(SYNC, "agent");
  t.equal(agentOf(synced).toString(), AGENT);
  t.equal(callerOf(synced).remoteAddress, "192.0.2.1");
  t.equal(world.checked.length, 1);
  t.throws(() => agentOf({ store: new Map() }), /passed the gate/);
  t.throws(() => callerOf({ store: new Map() }), /passed the gate/);

  await refused(t, world.call(LIST, "agent"), { kind: "denied", message: /no role/ });
  await refused(t, world.call(LIST, "admin"), { kind: "denied" });
  world.entries = [{ spiffeId: ADMIN, admin: true, downstream: false, expiresAt: 0 }];
  const listed = await world.call(LIST, "admin");
  t.equal(callerOf(listed).role, "admin");
  t.throws(() => agentOf(listed), /not an agent/);
  await refused(t, world.call(DOWNSTREAM, "admin"), { kind: "denied" });
  await refused(t, world.call(INFO, "admin"), { kind: "denied" }, "local only");
  await refused(t, world.call(SYNC, "admin"), { reason: "AGENT_NOT_ATTESTED" });
  world.entries = [{ spiffeId: ADMIN, admin: false, downstream: true, expiresAt: TEST_EPOCH }];
  await refused(t, world.call(LIST, "admin"), { kind: "denied" });
  t.equal(callerOf(await world.call(DOWNSTREAM, "admin")).role, "downstream");
  world.clock.step(1000);
  await refused(t, world.call(DOWNSTREAM, "admin"), { kind: "denied" }, "its entry has expired");

  for (const method of [LIST, INFO]) {
    t.equal(callerOf(await world.call(method, "unix")).role, "local");
  }
  t.equal(callerOf(await world.call(GET_BUNDLE, "unix")).role, "any");
  await refused(t, world.call(SYNC, "unix"), { kind: "denied" });
  await refused(t, world.call(DOWNSTREAM, "unix"), { kind: "denied" });
  await refused(t, world.call(SYNC, "gone"), { kind: "unavailable" });
  await refused(t, world.call("/spire.api.server.agent.v1.Agent/New", "unix"), {
    kind: "internal",
  });
});

t.test("a certificate is a caller until it is revoked", async (t) => {
  const world = await openWorld();
  const revoked = await world.leaf({ serial: Buffer.from("0badcafe", "hex") });
  world.connect("revoked", revoked);
  await world.call(SYNC, "revoked");
  world.revoked.add("badcafe");
  await refused(t, world.call(SYNC, "revoked"), { reason: "AGENT_NOT_ATTESTED" });
  t.equal(world.checked.length, 1);

  const below = await world.ca.intermediate({ serial: Buffer.from("0c0ffee0", "hex") });
  const { der } = await below.leaf({ spiffeId: AGENT });
  world.connect("below", [der, ...below.intermediates]);
  await world.call(SYNC, "below");
  world.lost = { keys: new Map([[below.certificate.subjectKeyId ?? "", "tainted"]]) };
  await refused(t, world.call(SYNC, "below"), { kind: "denied", message: /tainted/ });
  t.equal(callerOf(await world.call(RENEW, "below")).role, "agent", "the way out stays open");
  world.lost = NONE_LOST;
  world.revoked.add("c0ffee0");
  await refused(t, world.call(RENEW, "below"), { reason: "AGENT_NOT_ATTESTED" }, "whole chain");
});

t.test("certificates that are no caller", async (t) => {
  const world = await openWorld();
  world.entries = [{ spiffeId: ADMIN, admin: true, downstream: true, expiresAt: 0 }];
  const { ca } = world;
  const foreign = await TestCa.create({ trustDomain: "other.org" });
  const untrusted = await TestCa.create();
  const below = await ca.intermediate();
  const leafOf = async (issuer: TestCa, options: LeafOptions = {}) => [
    (await issuer.leaf({ spiffeId: AGENT, ...options })).der,
    ...issuer.intermediates,
  ];
  const pathless = await below.intermediate({ basicConstraints: { ca: false } });
  const hostile: [string, readonly Uint8Array[], RegExp][] = [
    ["no certificate", [], /no client certificate/],
    ["another CA of the same name", await leafOf(untrusted), /not trusted/],
    ["another trust domain", await leafOf(foreign), /not trusted/],
    [
      "another trust domain, honestly",
      await leafOf(foreign, { spiffeId: "spiffe://other.org/spire/agent/x/y" }),
      /another trust domain/,
    ],
    [
      "a foreign ID from the own CA",
      await leafOf(ca, { spiffeId: "spiffe://other.org/spire/agent/x/y" }),
      /another trust domain/,
    ],
    ["expired", await leafOf(ca, { notAfter: TEST_EPOCH - 1 }), /expired/],
    ["not yet valid", await leafOf(ca, { notBefore: TEST_EPOCH + 1 }), /not trusted/],
    ["no URI name", await leafOf(ca, { uris: [], dnsNames: ["a.example"] }), /no uri name/],
    ["two URI names", await leafOf(ca, { uris: [AGENT, ADMIN] }), /more than one/],
    ["no SPIFFE ID", await leafOf(ca, { uris: ["https://example.org/a"] }), /scheme/],
    ["no path", await leafOf(ca, { uris: ["spiffe://example.org"] }), /path/],
    ["a CA", await leafOf(ca, { basicConstraints: { ca: true } }), /is a ca/],
    ["key usage of a CA", await leafOf(ca, { keyUsage: ["keyCertSign"] }), /key usage/],
    ["no key usage", await leafOf(ca, { keyUsage: "omit" }), /key usage/],
    ["no clientAuth", await leafOf(ca, { extKeyUsage: ["1.3.6.1.5.5.7.3.1"] }), /clientAuth/],
    ["an intermediate left out", (await leafOf(below)).slice(0, 1), /not trusted/],
    ["an intermediate that is no CA", await leafOf(pathless), /not trusted/],
    ["the authority itself", [ca.der], /path|is a ca/],
    ["not DER", [Uint8Array.of(1, 2, 3)], /no X.509-SVID/],
    ["17 certificates", Array.from({ length: 17 }, () => ca.der), /longer than 16/],
    ["1 MB", [new Uint8Array(1 << 20)], /too large/],
  ];
  let methods = 0;
  for (const [name, chain, message] of hostile) {
    world.connect(name, chain);
    for (const [method, roles] of AUTHORIZATION) {
      methods += 1;
      if (roles.has("any")) {
        const caller = callerOf(await world.call(method, name));
        if (caller.id !== undefined) t.fail(`${method}: ${name} has an ID`);
        continue;
      }
      const outcome = await world.call(method, name).then(
        () => "let through",
        (error) => error,
      );
      const kind = /is no X\.509-SVID/.test(outcome.message) ? "unauthenticated" : "denied";
      if (outcome.kind !== kind || !message.test(outcome.message)) {
        t.fail(`${method}: ${name}: ${outcome.kind ?? outcome} ${outcome.message}`);
      }
    }
  }
  t.equal(methods, hostile.length * AUTHORIZATION.size);
  t.same(world.checked, [], "no agent was even looked up");
  world.connect("through an intermediate", await leafOf(below));
  t.equal(callerOf(await world.call(SYNC, "through an intermediate")).role, "agent");
});

t.test("a verdict lasts as long as what it rests on", async (t) => {
  const world = await openWorld();
  world.connect("agent", await world.leaf({ notAfter: TEST_EPOCH + 60 }));
  world.connect("admin", await world.leaf({ spiffeId: ADMIN }));
  world.entries = [{ spiffeId: ADMIN, admin: true, downstream: false, expiresAt: 0 }];
  await world.call(SYNC, "agent");
  const [authority] = world.bundle.x509Authorities;
  if (authority === undefined) throw new Error("no authority");

  world.bundle = {
    ...world.bundle,
    sequence: 2,
    x509Authorities: [{ ...authority, tainted: true }],
  };
  await refused(t, world.call(SYNC, "agent"), { kind: "denied", message: /tainted/ });
  await refused(t, world.call(LIST, "admin"), { kind: "denied", message: /tainted/ });
  t.equal(callerOf(await world.call(RENEW, "agent")).role, "agent", "the way out stays open");
  await refused(t, world.call(RENEW, "admin"), { kind: "denied" });

  const other = await TestCa.create();
  const garbage = { der: Uint8Array.of(0x30, 0), tainted: false };
  const revoked = [garbage, { der: other.der, tainted: false }];
  world.bundle = { ...world.bundle, sequence: 3, x509Authorities: revoked };
  await refused(t, world.call(RENEW, "agent"), { kind: "denied", message: /not trusted/ });
  world.bundle = { ...world.ca.bundle(), sequence: 4 };
  await world.call(SYNC, "agent");

  world.clock.step(61_000);
  await refused(t, world.call(SYNC, "agent"), { kind: "denied", reason: "AGENT_EXPIRED" });
  world.clock.step(-61_000);
  await world.call(SYNC, "agent");
  await world.call(LIST, "admin");
  world.clock.step(86_400_000);
  await refused(t, world.call(LIST, "admin"), { kind: "denied" });
});

t.test("that there is no server SVID is said once, until the reason is another", async (t) => {
  const clock = new VirtualClock(TEST_EPOCH * 1000);
  const lines: string[] = [];
  const note = (level: string) => (message: string, fields: object | undefined) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  const logger: Logger = {
    debug: note("debug"),
    info: note("info"),
    warn: note("warn"),
    error: note("error"),
    child: () => logger,
  };
  let why = "no authority";
  let tries = 0;
  const identity = await ServerIdentity.create({
    metrics: new Metrics(),
    issuance: {
      serverX509: async () => {
        tries += 1;
        throw fail("unavailable", why);
      },
    },
    authorities: { records: () => [] },
    isRevoked: () => false,
    clock,
    random: systemRandom,
    logger,
  });
  t.teardown(() => identity[Symbol.asyncDispose]());
  const said = () => lines.filter((line) => !line.startsWith("debug"));
  const rounds = async (until: number): Promise<void> => {
    for (;;) {
      if (tries >= until) return;
      await clock.advance(30_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  await rounds(6);
  t.match(said(), [/^warn no server SVID yet/]);
  t.equal(said().length, 1);
  t.match(lines.at(-1), /"retryMs":\d+\}$/, "in whole milliseconds");
  why = "another";
  await rounds(10);
  t.match(said(), [/^warn/, /^error server SVID could not be renewed/]);
  t.equal(said().length, 2);
});

t.test("the server's SVID is renewed at half its life and with its authority", async (t) => {
  const clock = new VirtualClock(TEST_EPOCH * 1000);
  let ca = await TestCa.create();
  let broken = false;
  const records = new Map<string, string>();
  const revoked = new Set<string>();
  const idOf = (each: TestCa) => each.certificate.subjectKeyId ?? "";
  records.set(idOf(ca), "active");
  const identity = await ServerIdentity.create({
    metrics: new Metrics(),
    issuance: {
      serverX509: async ({ publicKey }) => {
        if (broken) throw fail("unavailable", "no authority");
        const now = Math.floor(clock.nowMs() / 1000);
        const { der } = await ca.leaf({
          spiffeId: "spiffe://example.org/spire/server",
          publicKey,
          notAfter: now + 3600,
        });
        return {
          spiffeId: SpiffeId.parse("spiffe://example.org/spire/server"),
          chain: [der],
          serial: "1",
          expiresAt: now + 3600,
        };
      },
    },
    authorities: {
      records: () => [...records].map(([id, status]) => ({ id, status })),
    },
    isRevoked: (authorityId, serial) => revoked.has(`${authorityId} ${serial}`),
    clock,
    random: systemRandom,
    logger: silentLogger,
  });
  t.teardown(() => identity[Symbol.asyncDispose]());
  const current = () => {
    const credentials = identity.current();
    if (credentials === undefined) throw new TypeError("there is no SVID");
    return credentials;
  };
  const authorityNow = () => {
    const der = Buffer.from(current().certPem.split("-----")[2] ?? "", "base64");
    return parseCertificate(der).authorityKeyId;
  };
  /** Keys are made on other threads, which the virtual clock does not wait for. */
  const replaced = async (old: object, name: string): Promise<void> => {
    await until(name, () => current() !== old, 1);
    t.pass(name);
  };
  const first = current();
  await clock.advance(1_740_000);
  t.equal(current(), first);
  await clock.advance(70_000);
  await replaced(first, "half its life is over");
  const second = current();
  t.not(second.certPem, first.certPem);
  t.not(second.keyPem, first.keyPem, "with a new key");

  const next = await TestCa.create();
  records.set(idOf(ca), "old");
  records.set(idOf(next), "active");
  ca = next;
  identity.authoritiesChanged();
  await clock.advance(0);
  await replaced(second, "another authority took over");
  t.equal(authorityNow(), idOf(next));

  const stolen = current();
  revoked.add(`${idOf(next)} ${identity.chain[0]?.serial}`);
  identity.authoritiesChanged();
  await clock.advance(0);
  await replaced(stolen, "it was revoked");

  broken = true;
  const held = current();
  await clock.advance(1_860_000);
  t.equal(current(), held, "the old one is kept while there is no new one");
  broken = false;
  await clock.advance(60_000);
  await replaced(held, "there is one again");
  records.clear();
  const last = current();
  await clock.advance(60_000);
  await replaced(last, "its authority is gone");
});
