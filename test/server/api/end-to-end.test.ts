/**
 * A server and its agents over real sockets:
 * - an agent attests with a token, syncs its entries, gets SVIDs, renews, is banned and evicted;
 * - one token admits one agent, however many race for it;
 * - those who say nothing or ask too often are turned away.
 */
import { X509Certificate } from "node:crypto";
import t from "tap";
import type { AssayError } from "../../../src/base/errors.ts";
import { refused } from "../../support/refused.ts";
import {
  AGENT_SERVICE,
  ENTRY_SERVICE,
  SVID_SERVICE,
  type SvidMessage,
  attestAgent,
  identityOf,
  startTestServer,
} from "../../support/server.ts";
import {
  type Entries,
  HOST_SERVICE,
  type Results,
  agentMethods,
  callOnce,
  collect,
  csrOf,
  id,
  uid,
} from "./calls.ts";
import { PATIENCE_MS, until } from "../../support/patience.ts";

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
  await until("two entries", async () => (await authorized()).entries.length === 2);
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

t.test("filters of entries that say nothing filter nothing", async (t) => {
  const server = await startTestServer(t);
  for (const downstream of [false, true]) {
    await server.createEntry({
      spiffe_id: id(`/downstream/${downstream}`),
      parent_id: id("/host"),
      selectors: [uid("1000")],
      downstream,
    });
  }
  for (const [filter, count] of [
    [{}, 2],
    [{ by_downstream: { value: false }, by_hint: { value: "" } }, 2],
    [{ by_downstream: { value: true } }, 1],
  ] as const) {
    t.match(await server.admin.unary(ENTRY_SERVICE, "CountEntries", { filter }), { count });
    const { entries } = await server.admin.unary<Entries>(ENTRY_SERVICE, "ListEntries", { filter });
    t.equal(entries.length, count);
  }
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
      deadlineMs: PATIENCE_MS,
    });
  const create = async (from: number, to: number) => {
    const entries = Array.from({ length: to - from }, (_, i) => ({
      spiffe_id: id(`/w${from + i}`),
      parent_id: agent.id,
      selectors: [uid(`${from + i}`)],
      hint: "h",
    }));
    await server.admin.unary(ENTRY_SERVICE, "BatchCreateEntry", { entries });
    await until(`${to} entries`, async () => {
      const { entries: all } = await agent.channel.unary<Entries>(
        ENTRY_SERVICE,
        "GetAuthorizedEntries",
        {},
      );
      return all.length === to;
    });
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
  t.match(await page(), { entries: { length: 0 }, more: false });
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

t.test("AttestAgent ends with those who say nothing, and has a rate", async (t) => {
  const server = await startTestServer(t, {
    config: { limits: { attestPerSecond: 1, signPerSecond: 2 } },
  });
  const channel = server.connect();
  const silent = channel.stream<object, object>(AGENT_SERVICE, "AttestAgent");
  const ended = refused(t, collect(silent), { kind: "deadline" });
  await channel.unary("grpc.health.v1.Health", "Check", {});
  await until("the server waits", async () => server.clock.timers > 0);
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

  const limits = { attestPerSecond: 1, signPerSecond: 3 };
  const change = { config: { ...server.config, limits }, settings: ["signLimit"] };
  await server.server.reload(async () => change);
  await server.clock.advance(10_000);
  const three = await agent.channel.unary<Results>(SVID_SERVICE, "BatchNewX509SVID", { params });
  t.equal(three.results.length, 3, "another rate, without a restart");
});
