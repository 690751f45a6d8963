import t from "tap";
import { silentLogger } from "../../../src/observe/logger.ts";
import { CrlIssuance } from "../../../src/server/issuance/crl.ts";
import {
  type RevocationTarget,
  Revocations,
  type RevocationsOptions,
} from "../../../src/server/revocation/revocations.ts";
import { parseCrl } from "../../../src/x509/crl.ts";
import { DAY, Domain, HOUR } from "../ca/domain.ts";
import { refused } from "../../support/refused.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { type TestServer, startTestServer } from "../../support/server.ts";
import { settle } from "../../support/virtual-clock.ts";

const SERVICE = "assay.revocation.v1.Revocation";

async function open(domain: Domain, options: Partial<RevocationsOptions> = {}) {
  const authorities = await domain.authorities({ keepsOldKeys: true });
  const issuance = new CrlIssuance(authorities);
  const revocations = await Revocations.open({
    datastore: domain.datastore,
    issuance,
    crlTtlSeconds: HOUR,
    clock: domain.clock,
    random: new SeededRandom("lists"),
    logger: silentLogger,
    ...options,
  });
  return { authorities, issuance, revocations };
}

function target(domain: Domain, authorityId: string, serial: string): RevocationTarget {
  return { authorityId, serial, spiffeId: "spiffe://example.org/a", expiresAt: domain.now + HOUR };
}

t.test("lists are numbered, renewed at half their life, and forget what ended", async (t) => {
  await using domain = await Domain.open();
  const { authorities, revocations } = await open(domain);
  t.teardown(() => revocations[Symbol.asyncDispose]());
  const { id } = authorities.activeX509();
  const [first] = revocations.crls;
  t.match(first, { authorityId: id, number: 1, nextUpdate: domain.now + HOUR, revoked: [] });

  const changes: number[] = [];
  revocations.onChange(() => changes.push(revocations.crls[0]?.number ?? 0));
  const { revoked, published } = await revocations.revoke([target(domain, id, "a1")], "superseded");
  t.equal(published, true);
  t.match(revoked, [{ serial: "a1", reason: "superseded", revokedAt: domain.now }]);
  t.equal(revocations.isRevoked(id, "a1"), true);
  t.equal(revocations.isRevoked(id, "a2"), false);
  t.equal(revocations.isRevoked("0".repeat(40), "a1"), false, "a serial is of one authority");
  t.equal(revocations.crls[0]?.number, 2);
  t.same(
    (await revocations.revoke([target(domain, id, "a1")], "unspecified")).revoked,
    [],
    "what is revoked stays as it is",
  );
  t.equal(revocations.crls[0]?.number, 2);
  t.equal(changes.at(-1), 2);

  // Each round is what a restart does, too: a new object on the same store.
  const later = async (seconds: number): Promise<Revocations> => {
    domain.pass(seconds);
    await authorities.rotate();
    const again = await Revocations.open({
      datastore: domain.datastore,
      issuance: new CrlIssuance(authorities),
      crlTtlSeconds: HOUR,
      clock: domain.clock,
      random: new SeededRandom("lists"),
      logger: silentLogger,
    });
    t.teardown(() => again[Symbol.asyncDispose]());
    return again;
  };
  t.equal((await later(HOUR / 2 - 60)).crls[0]?.number, 2, "not before half of its life");
  const renewed = await later(120);
  t.match(renewed.crls[0], { number: 3, nextUpdate: domain.now + HOUR });
  t.equal(renewed.crls[0]?.revoked.length, 1);
  const past = await later(HOUR);
  t.equal(past.crls[0]?.revoked.length, 1, "it is in a list made after the certificate's end");
  const long = await later(HOUR);
  t.equal(long.crls[0]?.revoked.length, 0);
  t.same(long.records, []);
});

t.test("what could not be read of the store is read with its next commit", async (t) => {
  await using domain = await Domain.open();
  const authorities = await domain.authorities();
  const { datastore } = domain;
  let failures = 0;
  const failed = Promise.withResolvers<void>();
  const list = async () => {
    if (failures-- > 0) throw new Error("disk I/O error");
    return datastore.revocations.list();
  };
  const follower = await Revocations.open({
    datastore: new Proxy(datastore, {
      get(target, name) {
        if (name === "revocations") return { list, crls: () => target.revocations.crls() };
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    }),
    crlTtlSeconds: HOUR,
    clock: domain.clock,
    random: new SeededRandom("follower"),
    logger: { ...silentLogger, error: () => failed.resolve() },
  });
  t.teardown(() => follower[Symbol.asyncDispose]());
  const { id } = authorities.activeX509();
  failures = 1;
  const revoked = { ...target(domain, id, "a1"), reason: "superseded", revokedAt: domain.now };
  await datastore.transaction((writers) => writers.revocations.create(revoked));
  await failed.promise;
  // Of something else.
  await authorities.prepare("x509");
  await settle();
  t.equal(follower.isRevoked(id, "a1"), true);
});

t.test(
  "every authority has a list: prepared, active, old, tainted; none once it is gone",
  async (t) => {
    await using domain = await Domain.open();
    const { authorities, revocations, issuance } = await open(domain);
    t.teardown(() => revocations[Symbol.asyncDispose]());
    const old = authorities.activeX509().id;
    const next = await authorities.prepare("x509");
    t.same(
      issuance.authorities().map(({ id }) => id),
      [old, next.id],
    );
    await authorities.activate("x509", next.id);
    await authorities.taint("x509", old);
    const done = await revocations.revoke([target(domain, old, "b1")], "key-compromise");
    t.equal(done.published, true);
    const of = (id: string) => revocations.crls.find(({ authorityId }) => authorityId === id);
    t.equal(of(old)?.revoked.length, 1);
    t.equal(of(next.id)?.revoked.length, 0);
    t.same(parseCrl(of(old)?.der ?? new Uint8Array()).revoked, of(old)?.revoked);

    await t.test(
      "a restart finds the old key again, and drops it when none is to be kept",
      async (t) => {
        const again = await domain.authorities({ keepsOldKeys: true });
        t.same(
          new CrlIssuance(again).authorities().map(({ id }) => id),
          [old, next.id],
        );
        const keys = await domain.keyManager.list();
        const without = await domain.authorities();
        t.equal((await domain.keyManager.list()).length, keys.length - 1);
        t.same(
          new CrlIssuance(without).authorities().map(({ id }) => id),
          [next.id],
        );
        await refused(t, new CrlIssuance(without).sign(anyList(old, domain.now)), {
          kind: "unavailable",
        });
      },
    );
  },
);

t.test("a key that cannot be used delays the list, not the revocation", async (t) => {
  await using domain = await Domain.open();
  const { authorities, issuance, revocations: whole } = await open(domain);
  await whole[Symbol.asyncDispose]();
  let broken = true;
  const failing = {
    authorities: () => issuance.authorities(),
    sign: (params: Parameters<CrlIssuance["sign"]>[0]) =>
      broken ? Promise.reject(new Error("the module is gone")) : issuance.sign(params),
  } as CrlIssuance;
  const { revocations } = await open(domain, { issuance: failing });
  t.teardown(() => revocations[Symbol.asyncDispose]());
  revocations.start();
  await settle();
  const { id } = authorities.activeX509();
  const { revoked, published } = await revocations.revoke(
    [target(domain, id, "c1")],
    "unspecified",
  );
  t.equal(revoked.length, 1);
  t.equal(published, false);
  t.equal(revocations.failing, true);
  t.equal(revocations.isRevoked(id, "c1"), true);
  t.equal(revocations.crls[0]?.number, 1, "the list of before is served");
  broken = false;
  const signed = new Promise<void>((resolve) => revocations.onChange(() => resolve()));
  await domain.clock.advance(10_000);
  await signed;
  t.equal(revocations.failing, false);
  t.match(revocations.crls[0], { number: 2, revoked: [{ serial: "c1" }] });
});

t.test("an authority whose key was deleted before revocation was on has no list", async (t) => {
  await using domain = await Domain.open();
  const before = await domain.authorities();
  const old = before.activeX509().id;
  const { id } = await before.prepare("x509");
  await before.activate("x509", id);
  const { revocations } = await open(domain);
  t.teardown(() => revocations[Symbol.asyncDispose]());
  t.same(
    revocations.crls.map(({ authorityId }) => authorityId),
    [id],
  );
  const { revoked, published } = await revocations.revoke(
    [target(domain, old, "e1")],
    "superseded",
  );
  t.equal(revoked.length, 1);
  t.equal(published, false, "the operator is told");
  t.equal(revocations.isRevoked(old, "e1"), true, "it is no caller all the same");
});

t.test("another server's revocations are taken over", async (t) => {
  await using domain = await Domain.open();
  const { authorities, revocations: one } = await open(domain);
  const { revocations: two } = await open(domain);
  t.teardown(async () => {
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
  });
  const { id } = authorities.activeX509();
  const heard = new Promise<void>((resolve) =>
    two.onChange(() => {
      if (two.crls[0]?.number === 2) resolve();
    }),
  );
  await one.revoke([target(domain, id, "d1")], "unspecified");
  await heard;
  t.equal(two.isRevoked(id, "d1"), true);
  t.same(two.crls[0]?.der, one.crls[0]?.der);
});

t.test("no more than fit into a list that every workload holds", async (t) => {
  await using domain = await Domain.open();
  const { authorities, revocations } = await open(domain);
  t.teardown(() => revocations[Symbol.asyncDispose]());
  const { id } = authorities.activeX509();
  const many = Array.from({ length: 5000 }, (_, i) => target(domain, id, (i + 16).toString(16)));
  t.equal((await revocations.revoke(many, "unspecified")).revoked.length, 5000);
  t.ok((revocations.crls[0]?.der.length ?? 0) < 250_000);
  await refused(t, revocations.revoke([target(domain, id, "abcdef01")], "unspecified"), {
    kind: "limited",
    message: /taint the old one/,
  });
});

t.test("over the API", async (t) => {
  const server = await startTestServer(t, { config: { revocation: { crlTtl: DAY } } });
  const agent = await server.attest();
  const [serial, authorityId] = await serialOf(server, agent.spiffeId);

  await t.test("bad requests", async (t) => {
    const hostile: readonly (readonly [object, object])[] = [
      [{}, { kind: "invalid", message: /by its serial or by its SPIFFE ID/ }],
      [{ serial, spiffe_id: agent.id }, { kind: "invalid" }],
      [{ serial: "x" }, { kind: "invalid", message: /serial/ }],
      [{ serial: "1".repeat(41) }, { kind: "invalid" }],
      [{ spiffe_id: { trust_domain: "other.org", path: "/a" } }, { kind: "invalid" }],
      [{ spiffe_id: agent.id, authority_id: authorityId }, { kind: "invalid" }],
      [{ serial, authority_id: "../x" }, { kind: "invalid" }],
      [
        { serial, reason: 6 },
        { kind: "invalid", message: /reason/ },
      ],
      [{ serial: "abcdef" }, { kind: "not_found", message: /name its authority/ }],
      [{ serial: "abcdef", authority_id: "0".repeat(40) }, { kind: "not_found" }],
      [{ serial, authority_id: "0".repeat(40) }, { kind: "not_found" }],
      [{ spiffe_id: { trust_domain: "example.org", path: "/nobody" } }, { kind: "not_found" }],
    ];
    for (const [request, expected] of hostile) {
      const call = server.admin.unary(SERVICE, "RevokeX509SVID", request);
      await refused(t, call, expected, JSON.stringify(request));
    }
    await refused(t, agent.channel.unary(SERVICE, "RevokeX509SVID", { serial }), {
      kind: "denied",
    });
    await refused(t, agent.channel.unary(SERVICE, "ListCRLs", {}), { kind: "denied" });
  });

  await t.test("a revoked agent is no caller, and may attest again", async (t) => {
    const call = () =>
      agent.channel.unary("spire.api.server.entry.v1.Entry", "GetAuthorizedEntries", {});
    await call();
    using stream = agent.channel.stream<object, object>("assay.sync.v1.Sync", "Follow", {});
    await stream.send({});
    stream.end();
    const messages = stream[Symbol.asyncIterator]();
    t.equal((await messages.next()).done, false);
    const { results, pending } = await server.admin.unary<{ results: object[]; pending: boolean }>(
      SERVICE,
      "RevokeX509SVID",
      // As `openssl x509 -serial` writes it.
      { serial: serial.toUpperCase().padStart(40, "0"), reason: "KEY_COMPROMISE" },
    );
    t.equal(pending, false);
    t.match(results, [{ serial, authority_id: authorityId, reason: "KEY_COMPROMISE" }]);
    await refused(t, call(), { kind: "denied", reason: "AGENT_NOT_ATTESTED", message: /revoked/ });
    const ended = async (): Promise<void> => {
      while ((await messages.next()).done !== true);
    };
    await refused(t, ended(), { kind: "denied", reason: "AGENT_NOT_ATTESTED" }, "its stream, too");
    await refused(
      t,
      agent.channel.unary("spire.api.server.agent.v1.Agent", "RenewAgent", {
        params: { csr: Buffer.of(1) },
      }),
      { kind: "denied" },
    );
    const other = await server.attest();
    await other.channel.unary("spire.api.server.entry.v1.Entry", "GetAuthorizedEntries", {});
  });

  await t.test("an SVID that this server did not record, by its authority", async (t) => {
    const request = { serial: "abcdef", authority_id: authorityId };
    const { results } = await server.admin.unary<{ results: { spiffe_id: string }[] }>(
      SERVICE,
      "RevokeX509SVID",
      request,
    );
    t.match(results, [{ serial: "abcdef", spiffe_id: "" }]);
    const { crls } = await server.admin.unary<{ crls: { crl: Uint8Array }[] }>(
      SERVICE,
      "ListCRLs",
      {},
    );
    t.equal(parseCrl(crls[0]?.crl ?? new Uint8Array()).revoked.length, 2);
  });
});

t.test("while revocation is off nothing is revoked and no SVID names a list", async (t) => {
  const server = await startTestServer(t);
  await refused(t, server.admin.unary(SERVICE, "RevokeX509SVID", { serial: "ab" }), {
    kind: "precondition",
    message: /set 'revocation'/,
  });
  t.same(await server.admin.unary(SERVICE, "ListCRLs", {}), { crls: [] });
  const agent = await server.attest();
  t.equal(agent.identity.certPem.includes("crl"), false);
  t.equal(server.server.crlAddress, undefined);
});

function anyList(authorityId: string, now: number) {
  return { authorityId, number: 1, thisUpdate: now, nextUpdate: now + HOUR, revoked: [] };
}

/** From the audit log, as an operator would find it. */
async function serialOf(
  server: TestServer,
  spiffeId: string,
): Promise<readonly [serial: string, authorityId: string]> {
  using stream = server.admin.stream<object, { records: { line: string }[] }>(
    "assay.audit.v1.Audit",
    "Read",
    {},
  );
  await stream.send({ spiffe_id: spiffeId, kinds: ["issuance"] });
  stream.end();
  for await (const { records } of stream) {
    const { subject } = JSON.parse(records[0]?.line ?? "{}") as {
      subject: { serial: string; authorityId: string };
    };
    return [subject.serial, subject.authorityId];
  }
  throw new Error("there is no record");
}
