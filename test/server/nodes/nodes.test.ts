import t, { type Test } from "tap";
import { joinTokenServer } from "../../../src/attestors/node/join-token/server.ts";
import {
  joinTokenAgentPath,
  joinTokenHash,
} from "../../../src/attestors/node/join-token/payload.ts";
import { systemRandom } from "../../../src/base/random.ts";
import type { AuditSubject } from "../../../src/observe/audit.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { Datastore } from "../../../src/server/datastore/contract.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { EMPTY_ENTRY } from "../../../src/server/entries/draft.ts";
import { JoinTokens } from "../../../src/server/nodes/join-tokens.ts";
import { KeyedQueue } from "../../../src/base/keyed-queue.ts";
import { NodeService } from "../../../src/server/nodes/node-service.ts";
import { startTokenPruner } from "../../../src/server/nodes/token-pruner.ts";
import { SpiffeId } from "../../../src/spiffe/spiffe-id.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { refused } from "../../support/refused.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const trustDomain = TrustDomain.parse("example.org");
const id = (path: string): string => `spiffe://example.org${path}`;
const keyA = Uint8Array.of(1, 2, 3);
const keyB = Uint8Array.of(4, 5, 6);

async function openRoom(t: Test) {
  const clock = new VirtualClock();
  const datastore = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  const nodes = await NodeService.open({ datastore, trustDomain, clock, logger: silentLogger });
  const tokens = new JoinTokens({ datastore, trustDomain, clock, random: systemRandom });
  const attestor = joinTokenServer(datastore.tokens, clock);
  t.teardown(async () => {
    await nodes[Symbol.asyncDispose]();
    await datastore[Symbol.asyncDispose]();
  });
  let serials = 0;
  const issue = async () => {
    serials += 1;
    return { serial: `a${serials}`, expiresAt: Math.floor(clock.nowMs() / 1000) + 3600 };
  };
  const attest = async (token: string, publicKey: Uint8Array) => {
    const admission = await attestor.admit(
      Buffer.from(token),
      () => Promise.reject(new Error()),
      AbortSignal.any([]),
    );
    return nodes.admit({ admission, attestationType: "join_token", publicKey, issue });
  };
  const pruned: (readonly [AuditSubject, string])[] = [];
  const prune = (): void => {
    const pruner = startTokenPruner({
      store: datastore,
      trustDomain,
      clock,
      random: systemRandom,
      logger: silentLogger,
      audit: { pruned: async (subject, reason) => void pruned.push([subject, reason]) },
    });
    t.teardown(() => pruner[Symbol.asyncDispose]());
  };
  const agentIdOf = (token: string) =>
    SpiffeId.of(trustDomain, joinTokenAgentPath(joinTokenHash(token)));
  return {
    clock,
    datastore,
    nodes,
    tokens,
    attest,
    agentIdOf,
    issue,
    prune,
    pruned,
    issued: () => serials,
  };
}

async function storedText(datastore: Datastore): Promise<string> {
  const [nodes, entries, changes] = await Promise.all([
    datastore.nodes.list({}),
    datastore.entries.list({}),
    datastore.changes.since(0, 1000),
  ]);
  return JSON.stringify([nodes, entries, changes]);
}

t.test("a token admits one agent, whose ID carries the token's hash", async (t) => {
  const room = await openRoom(t);
  const { token, expiresAt, spiffeId } = await room.tokens.create({
    ttlSeconds: 600,
    agentId: SpiffeId.parse("spiffe://example.org/host"),
  });
  t.equal(expiresAt, Math.floor(room.clock.nowMs() / 1000) + 600);
  t.equal(spiffeId.toString(), room.agentIdOf(token).toString());
  const svid = await room.attest(token, keyA);
  const node = await room.nodes.get(spiffeId.toString());
  t.match(node, {
    attestationType: "join_token",
    serial: svid.serial,
    expiresAt: svid.expiresAt,
    banned: false,
    canReattest: false,
    selectors: { length: 0 },
  });
  const { items } = await room.datastore.entries.list({ parentId: spiffeId.toString() });
  t.match(items, [
    {
      spiffeId: "spiffe://example.org/host",
      selectors: [{ type: "spiffe_id", value: spiffeId.toString() }],
    },
  ]);
  t.notOk((await storedText(room.datastore)).includes(token), "the token is nowhere at rest");
  t.equal(await room.nodes.count({}), 1);
  t.equal((await room.nodes.list({ banned: false })).items.length, 1);
});

t.test("32 racers with one token: one identity", async (t) => {
  const room = await openRoom(t);
  const { token } = await room.tokens.create({ ttlSeconds: 600 });
  const results = await Promise.allSettled(
    Array.from({ length: 32 }, (_, i) => room.attest(token, Uint8Array.of(i))),
  );
  const lost = results.filter((result) => result.status === "rejected");
  t.equal(lost.length, 31);
  for (const { reason } of lost) t.match(reason, { kind: "invalid", message: /already been used/ });
  t.equal(await room.nodes.count({}), 1);
  t.equal(room.issued(), 1, "nothing was signed for the losers");
});

t.test("a lost reply: the same key may come again, no other, and not for ever", async (t) => {
  const room = await openRoom(t);
  const { token, spiffeId } = await room.tokens.create({ ttlSeconds: 600 });
  const id = spiffeId.toString();
  const first = await room.attest(token, keyA);
  await refused(t, room.attest(token, keyB), { kind: "invalid", message: /already been used/ });
  const second = await room.attest(token, keyA);
  t.not(first.serial, second.serial);
  t.equal((await room.nodes.checkActive(id, first.serial)).serial, first.serial);
  t.equal((await room.nodes.checkActive(id, second.serial)).serial, second.serial);
  await refused(t, room.nodes.checkActive(id, first.serial), { reason: "AGENT_NOT_ACTIVE" });
  room.clock.step(601_000);
  await refused(t, room.attest(token, keyA), { kind: "invalid", message: /expired/ });
  await room.datastore.transaction((writers) => writers.tokens.delete(joinTokenHash(token)));
  await refused(t, room.attest(token, keyA), { kind: "invalid", message: /already been used/ });
  await refused(t, room.tokens.create({ ttlSeconds: 60, token }), { kind: "exists" });
});

t.test("tokens that admit nobody", async (t) => {
  const room = await openRoom(t);
  const { token } = await room.tokens.create({ ttlSeconds: 1 });
  room.clock.step(2_000);
  await refused(t, room.attest(token, keyA), { kind: "invalid", message: /expired/ });
  const hostile: [string, string, RegExp][] = [
    ["unknown", "0b4f6b36-0000-4000-8000-000000000000", /does not exist/],
    ["empty", "", /missing/],
    ["too long", "a".repeat(256), /longer than 255/],
    ["control characters", "abc\n", /printable/],
    ["not ASCII", "gäste", /printable/],
  ];
  for (const [name, text, message] of hostile) {
    await refused(t, room.attest(text, keyA), { kind: "invalid", message }, name);
  }
  t.equal(await room.nodes.count({}), 0);
  t.equal(room.issued(), 0);
});

t.test("tokens and aliases that cannot be made", async (t) => {
  const { tokens, datastore } = await openRoom(t);
  const id = (text: string) => SpiffeId.parse(text);
  const hostile: [string, Parameters<JoinTokens["create"]>[0], string][] = [
    ["no ttl", { ttlSeconds: 0 }, "ttl"],
    ["negative ttl", { ttlSeconds: -1 }, "ttl"],
    ["endless ttl", { ttlSeconds: 2 ** 31 - 1 }, "ttl"],
    ["fraction", { ttlSeconds: 1.5 }, "ttl"],
    ["short token", { ttlSeconds: 1, token: "short" }, "token"],
    ["long token", { ttlSeconds: 1, token: "x".repeat(256) }, "token"],
    ["odd token", { ttlSeconds: 1, token: "0123456789/0123456789" }, "token"],
    ["foreign alias", { ttlSeconds: 1, agentId: id("spiffe://other.org/host") }, "agent_id"],
    ["bare alias", { ttlSeconds: 1, agentId: id("spiffe://example.org") }, "agent_id"],
    ["reserved", { ttlSeconds: 1, agentId: id("spiffe://example.org/spire/x") }, "agent_id"],
  ];
  for (const [name, params, field] of hostile) {
    await refused(t, tokens.create(params), { kind: "invalid", message: new RegExp(field) }, name);
  }
  const token = "0123456789-abcdef";
  await tokens.create({ ttlSeconds: 60, token });
  await refused(t, tokens.create({ ttlSeconds: 60, token }), { kind: "exists" });
  t.equal((await datastore.entries.list({})).items.length, 0);
});

t.test("renewal: the next serial counts from its first use", async (t) => {
  const room = await openRoom(t);
  const { token, spiffeId } = await room.tokens.create({ ttlSeconds: 600 });
  const id = spiffeId.toString();
  const first = await room.attest(token, keyA);
  const second = await room.nodes.renew({ agentId: spiffeId, issue: room.issue });
  await room.nodes.checkActive(id, first.serial);
  t.match(await room.nodes.get(id), { serial: first.serial, newSerial: second.serial });
  await Promise.all(Array.from({ length: 8 }, () => room.nodes.checkActive(id, second.serial)));
  t.match(await room.nodes.get(id), {
    serial: second.serial,
    expiresAt: second.expiresAt,
    newSerial: "",
    newExpiresAt: 0,
  });
  await refused(t, room.nodes.checkActive(id, first.serial), {
    kind: "denied",
    reason: "AGENT_NOT_ACTIVE",
  });
  await refused(t, room.nodes.checkActive(id, ""), { reason: "AGENT_NOT_ACTIVE" });
  const stranger = SpiffeId.parse("spiffe://example.org/spire/agent/join_token/x");
  await refused(t, room.nodes.renew({ agentId: stranger, issue: room.issue }), {
    kind: "not_found",
  });
});

t.test("banned and evicted agents", async (t) => {
  const room = await openRoom(t);
  const alias = SpiffeId.parse("spiffe://example.org/host");
  const { token, spiffeId } = await room.tokens.create({ ttlSeconds: 600, agentId: alias });
  const id = spiffeId.toString();
  await refused(t, room.nodes.checkActive(id, "a1"), { reason: "AGENT_NOT_ATTESTED" });
  await refused(t, room.nodes.ban(id), { kind: "not_found" });
  await refused(t, room.nodes.evict(id), { kind: "not_found" });
  const svid = await room.attest(token, keyA);
  await room.nodes.ban(id);
  for (const serial of [svid.serial, "", "ff"]) {
    await refused(t, room.nodes.checkActive(id, serial), {
      kind: "denied",
      reason: "AGENT_BANNED",
    });
  }
  await refused(t, room.attest(token, keyA), { kind: "denied", reason: "AGENT_BANNED" });
  await refused(t, room.nodes.renew({ agentId: spiffeId, issue: room.issue }), {
    reason: "AGENT_BANNED",
  });
  await room.nodes.evict(id);
  await refused(t, room.nodes.checkActive(id, svid.serial), { reason: "AGENT_NOT_ATTESTED" });
  await refused(t, room.attest(token, keyA), { kind: "invalid" }, "the token is not revived");
  t.equal((await room.datastore.entries.list({})).items.length, 0, "its alias went with it");
});

t.test("agents that can attest again do so instead of renewing", async (t) => {
  const room = await openRoom(t);
  const admission = {
    agentPath: "/spire/agent/test/one",
    selectors: [
      { type: "test", value: "b" },
      { type: "test", value: "a" },
      { type: "test", value: "b" },
    ],
    canReattest: true,
  };
  const params = { admission, attestationType: "test", publicKey: keyA, issue: room.issue };
  const first = await room.nodes.admit(params);
  const agentId = SpiffeId.parse("spiffe://example.org/spire/agent/test/one");
  await refused(t, room.nodes.renew({ agentId, issue: room.issue }), {
    kind: "denied",
    reason: "AGENT_MUST_REATTEST",
  });
  const second = await room.nodes.admit({ ...params, publicKey: keyB });
  // The answer may be lost, so the new one ends the old one only when it is used.
  await room.nodes.checkActive(agentId.toString(), first.serial);
  await room.nodes.checkActive(agentId.toString(), second.serial);
  await refused(t, room.nodes.checkActive(agentId.toString(), first.serial), {
    reason: "AGENT_NOT_ACTIVE",
  });
  t.same((await room.nodes.get(agentId.toString()))?.selectors, [
    { type: "test", value: "a" },
    { type: "test", value: "b" },
  ]);
  await refused(t, room.nodes.admit({ ...params, attestationType: "other" }), { kind: "internal" });
  await refused(
    t,
    room.nodes.admit({
      ...params,
      issue: () => Promise.reject(new Error("the signer is away")),
    }),
    {},
  );
  await room.nodes.checkActive(agentId.toString(), second.serial);
});

t.test("what agents report of themselves", async (t) => {
  const room = await openRoom(t);
  const { token, spiffeId } = await room.tokens.create({ ttlSeconds: 600 });
  const id = spiffeId.toString();
  await room.attest(token, keyA);
  await room.nodes.reportVersion(id, "1.2.3");
  await room.nodes.reportHost(id, '{"hostname":"a"}');
  t.match(await room.nodes.get(id), { agentVersion: "1.2.3", hostFacts: '{"hostname":"a"}' });
  const before = await room.datastore.changes.current();
  await room.nodes.reportVersion(id, "1.2.3");
  t.equal(await room.datastore.changes.current(), before, "an equal report writes nothing");
  await refused(t, room.nodes.reportVersion(id, "x".repeat(256)), { kind: "invalid" });
  await refused(t, room.nodes.reportHost(id, "x".repeat(16_385)), { kind: "invalid" });
  await refused(t, room.nodes.reportVersion(`${id}0`, "1"), { kind: "not_found" });
});

t.test("another server's acts are seen at once", async (t) => {
  const room = await openRoom(t);
  const { token, spiffeId } = await room.tokens.create({ ttlSeconds: 600 });
  const id = spiffeId.toString();
  const svid = await room.attest(token, keyA);
  const other = await NodeService.open({
    datastore: room.datastore,
    trustDomain,
    clock: room.clock,
    logger: silentLogger,
  });
  t.teardown(() => other[Symbol.asyncDispose]());
  await other.checkActive(id, svid.serial);
  const next = await room.nodes.renew({ agentId: spiffeId, issue: room.issue });
  await other.checkActive(id, next.serial);
  await other.ban(id);
  await refused(t, room.nodes.checkActive(id, next.serial), { reason: "AGENT_BANNED" });
  await room.datastore.pruneChanges(1);
  await room.nodes.evict(id);
  await refused(t, other.checkActive(id, next.serial), { reason: "AGENT_NOT_ATTESTED" });
});

t.test("a server that hears of no commit asks before it refuses", async (t) => {
  const room = await openRoom(t);
  const deaf: Datastore = {
    // The readers, which are all that it has of its own.
    ...room.datastore,
    transaction: (work) => room.datastore.transaction(work),
    onCommit: () => () => undefined,
    pruneChanges: (keep) => room.datastore.pruneChanges(keep),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const other = await NodeService.open({
    datastore: deaf,
    trustDomain,
    clock: room.clock,
    logger: silentLogger,
  });
  t.teardown(() => other[Symbol.asyncDispose]());
  const { token, spiffeId } = await room.tokens.create({ ttlSeconds: 600 });
  const svid = await room.attest(token, keyA);
  t.equal((await other.checkActive(spiffeId.toString(), svid.serial)).serial, svid.serial);
});

t.test("a ban counts whatever else the record says", async (t) => {
  const room = await openRoom(t);
  const { token, spiffeId } = await room.tokens.create({ ttlSeconds: 600 });
  const svid = await room.attest(token, keyA);
  const node = await room.nodes.get(spiffeId.toString());
  if (node === undefined) throw new Error("no node");
  await room.datastore.transaction((writers) => writers.nodes.put({ ...node, banned: true }));
  await refused(t, room.nodes.checkActive(spiffeId.toString(), "other"), {
    reason: "AGENT_BANNED",
  });
  await refused(t, room.nodes.checkActive(spiffeId.toString(), svid.serial), {
    reason: "AGENT_BANNED",
  });
});

t.test("expired tokens are pruned by the clock", async (t) => {
  const room = await openRoom(t);
  room.prune();
  const { token } = await room.tokens.create({ ttlSeconds: 60 });
  await room.clock.advance(59_000);
  t.ok(await room.datastore.tokens.get(joinTokenHash(token)));
  await room.clock.advance(600_000);
  t.notOk(await room.datastore.tokens.get(joinTokenHash(token)));
});

t.test("an expired token takes the entry that it made along, unless its agent came", async (t) => {
  const room = await openRoom(t);
  const host = SpiffeId.parse("spiffe://example.org/host");
  const make = (path: string) =>
    room.tokens.create({ ttlSeconds: 60, agentId: SpiffeId.of(trustDomain, path) });
  const unused = await make("/unused");
  const spent = await make("/spent");
  const banned = await make("/banned");
  const later = await room.tokens.create({ ttlSeconds: 6000, agentId: host });
  await room.attest(spent.token, keyA);
  await room.attest(banned.token, keyB);
  await room.nodes.ban(banned.spiffeId.toString());
  // What an administrator made below it stays; so does what only looks like it.
  const own = { ...EMPTY_ENTRY, parentId: unused.spiffeId.toString(), createdAt: 0 };
  const spiffeId = unused.spiffeId.toString();
  await room.datastore.transaction(async ({ entries }) => {
    const [alias] = (await entries.list({ spiffeId: "spiffe://example.org/unused" })).items;
    if (alias === undefined) throw new Error("no alias");
    const more = [...alias.selectors, { type: "unix", value: "uid:0" }];
    await entries.create({ ...own, id: "a", spiffeId: id("/a"), selectors: more });
    const other = [{ type: "unix", value: spiffeId }];
    await entries.create({ ...own, id: "b", spiffeId: id("/b"), selectors: other });
  });
  const left = async () =>
    (await room.datastore.entries.list({})).items.map(({ spiffeId }) => spiffeId).sort();
  const all = ["/a", "/b", "/banned", "/host", "/spent", "/unused"].map(id);
  room.prune();
  await room.clock.advance(60_000);
  t.same(await left(), all, "it counts until its last second");
  await room.clock.advance(600_000);
  t.same(
    await left(),
    all.filter((each) => each !== id("/unused")),
  );
  t.match(room.pruned, [
    [
      {
        spiffeId: id("/unused"),
        parentId: spiffeId,
        tokenHash: joinTokenHash(unused.token),
        entryId: /^[0-9a-f-]{36}$/,
      },
      "its join token expired unused",
    ],
  ]);
  t.equal(room.pruned.length, 1);
  await refused(t, room.attest(unused.token, keyA), { kind: "invalid", message: /does not exist/ });
  t.ok(await room.datastore.tokens.get(joinTokenHash(later.token)));
  // The same name for the next token, and the same token again.
  await room.tokens.create({
    ttlSeconds: 60,
    token: unused.token,
    agentId: SpiffeId.parse(id("/unused")),
  });
  t.same(await left(), all);
});

t.test("more expired tokens than one transaction takes are pruned in one go", async (t) => {
  const room = await openRoom(t);
  await room.datastore.transaction(async ({ tokens }) => {
    for (let i = 0; i < 1001; i++) {
      await tokens.create({ hash: joinTokenHash(`token-${i}`), expiresAt: 1, createdAt: 0 });
    }
  });
  await room.clock.advance(10_000);
  room.prune();
  await room.clock.advance(1_000);
  t.same(await room.datastore.tokens.listExpired(100, 1), []);
});

t.test("the queue of one agent has an end", async (t) => {
  const queue = new KeyedQueue("agent");
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const waiting = Array.from({ length: 256 }, () => queue.run("a", () => gate));
  await refused(
    t,
    queue.run("a", async () => undefined),
    { kind: "limited" },
  );
  t.equal(await queue.run("b", async () => "free"), "free");
  release();
  await Promise.all(waiting);
  t.equal(await queue.run("a", async () => "again"), "again");
});
