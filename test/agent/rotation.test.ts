/** SVIDs that are replaced before their time because an operator wants it: one entry's, one agent's. */
import t from "tap";
import { JwtCache } from "../../src/agent/cache/jwt-cache.ts";
import { SvidStore } from "../../src/agent/cache/svid-store.ts";
import type { Synced } from "../../src/agent/cache/cache.ts";
import type { Entry } from "../../src/agent/cache/entry.ts";
import { Mirror } from "../../src/agent/sync/mirror.ts";
import { Push } from "../../src/agent/sync/push.ts";
import { Replacement, type Turn } from "../../src/agent/sync/replacement.ts";
import { fail } from "../../src/base/errors.ts";
import { type Logger, silentLogger } from "../../src/observe/logger.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import type { FollowResponse__Output } from "../../src/rpc/gen/assay/sync/v1/FollowResponse.ts";
import type { BatchRotateAgentResponse__Output } from "../../src/rpc/gen/assay/rotation/v1/BatchRotateAgentResponse.ts";
import type { BatchRotateEntryResponse__Output } from "../../src/rpc/gen/assay/rotation/v1/BatchRotateEntryResponse.ts";
import type { X509SVIDResponse__Output } from "../../src/rpc/gen/X509SVIDResponse.ts";
import type { Agent__Output } from "../../src/rpc/gen/spire/api/types/Agent.ts";
import { messageType } from "../../src/rpc/protos.ts";
import { parseCertificates } from "../../src/x509/certificate.ts";
import { Domain, TRUST_DOMAIN, id } from "../support/running.ts";
import { VirtualClock, settle } from "../support/virtual-clock.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { entry as cachedEntry } from "./cache-bench.ts";

const ROTATION = "assay.rotation.v1.Rotation";

/** Serials by the last part of the SPIFFE ID. */
function serials(message: X509SVIDResponse__Output): Record<string, string | undefined> {
  return Object.fromEntries(
    message.svids.map(({ spiffe_id, x509_svid }) => [
      spiffe_id.slice(spiffe_id.lastIndexOf("/") + 1),
      parseCertificates(x509_svid)[0]?.serial,
    ]),
  );
}

t.test("an operator has SVIDs replaced; streams get them, and nothing twice", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent({ syncIntervalMs: 3600_000 });
  const one = await domain.entry({ path: "/one" });
  await domain.entry({ path: "/two" });
  const admin = connectUnix(domain.server.socket);
  t.teardown(() => admin.close());
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  let first = serials(await watch.next());
  while (Object.keys(first).length < 2) first = serials(await watch.next());
  const token = async () => (await client.fetchJwt(["a"], id("/one"))).svids[0]?.svid;
  const firstToken = await token();
  t.equal(await token(), firstToken, "a token is served again");

  const rotated = await admin.unary<BatchRotateEntryResponse__Output>(
    ROTATION,
    "BatchRotateEntry",
    {
      ids: [one, "nobody's", ""],
    },
  );
  t.match(rotated.results, [
    { id: one, status: { code: 0 }, revision_number: "1" },
    { id: "nobody's", status: { code: 5 } },
    { id: "", status: { code: 3 } },
  ]);
  const second = serials(await watch.next());
  t.not(second["one"], first["one"], "a new SVID");
  t.equal(second["two"], first["two"], "of the entry that was named, and of no other");
  t.not(await token(), firstToken, "and a new token");

  const agentId = { trust_domain: TRUST_DOMAIN, path: agent.spiffeId.path };
  const ownSerial = async () =>
    (await domain.call<Agent__Output>("agent.v1.Agent", "GetAgent", { id: agentId }))
      .x509svid_serial_number;
  const before = await ownSerial();
  const answer = await admin.unary<BatchRotateAgentResponse__Output>(ROTATION, "BatchRotateAgent", {
    ids: [agentId, { ...agentId, path: `${agentId.path}0` }, { ...agentId, path: "/one" }],
  });
  t.match(answer.results, [
    { id: agentId, status: { code: 0 }, told: true },
    { status: { code: 5 } },
    { status: { code: 3 } },
  ]);
  const third = serials(await watch.next());
  t.not(third["one"], second["one"]);
  t.not(third["two"], second["two"], "everything that the agent holds");
  for (let serial = before; serial === before; serial = await ownSerial()) await settle();
  t.pass("and its own SVID");

  await admin.unary(ROTATION, "BatchRotateEntry", { ids: [one] });
  t.equal(serials(await watch.next())["two"], third["two"], "nothing was told in between");
});

t.test(
  "what a stream asks for: not what was asked before the agent began, all of it after",
  async (t) => {
    const clock = new VirtualClock();
    const asked: (readonly string[] | "all" | undefined)[] = [];
    let say: (message: object) => Promise<void> = async () => undefined;
    let failing = false;
    const push = new Push({
      trustDomain: TRUST_DOMAIN,
      mirror: new Mirror(silentLogger),
      clock,
      follow: (_request, onMessage, signal) => {
        const type = messageType("assay.sync.v1.FollowResponse");
        say = (message) => onMessage(type.decode(type.encode(message)) as FollowResponse__Output);
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        });
      },
      onSynced: async ({ rotated }) => {
        if (failing) throw new Error("disk full");
        asked.push(rotated === undefined || rotated === "all" ? rotated : [...rotated.keys()]);
      },
    });
    const entry = (revision: number) => ({
      entries: [
        {
          id: "a",
          spiffe_id: { trust_domain: TRUST_DOMAIN, path: "/a" },
          selectors: [{ type: "unix", value: "uid:1" }],
          revision_number: revision,
        },
      ],
    });
    const bundles = [{ trust_domain: TRUST_DOMAIN }];
    const follow = (): AbortController => {
      const ended = new AbortController();
      push.run(() => undefined, ended.signal).catch(() => undefined);
      return ended;
    };
    const last = (): unknown => asked.at(-1);
    const first = follow();
    await say({
      reset: true,
      ...entry(0),
      bundles,
      position: { revision: 1 },
      rotation: { number: 4 },
    });
    t.same(asked, [undefined], "it has just made everything");
    await say({ position: { revision: 2 } });
    t.equal(asked.length, 1, "a sign of life asks for nothing");
    await say({ ...entry(1), rotated_entries: ["a", "gone"], position: { revision: 3 } });
    t.same(last(), ["a"]);
    await say({ rotation: { number: 5 }, position: { revision: 4 } });
    t.same(last(), "all");
    first.abort(new Error("over"));
    const second = follow();
    await say({ bundles, position: { revision: 4 }, rotation: { number: 5 } });
    t.equal(last(), undefined, "known");
    second.abort(new Error("over"));
    const third = follow();
    failing = true;
    await t.rejects(
      say({ bundles, position: { revision: 6 }, rotation: { number: 6 } }),
      /disk full/,
    );
    third.abort(new Error("over"));
    failing = false;
    const fourth = follow();
    await say({ bundles, position: { revision: 6 }, rotation: { number: 6 } });
    t.same(last(), "all", "asked while it was away, and not yet taken over");
    fourth.abort(new Error("over"));
  },
);

t.test("each agent has its own moment, and what comes before it waits for it", async (t) => {
  const clock = new VirtualClock();
  const turns: Turn[] = [];
  using replacement = new Replacement({
    clock,
    random: { bytes: (length) => new Uint8Array(length), unit: () => 0.5 },
    onTurn: (turn) => turns.push(turn),
  });
  const a = entryNamed("a");
  const own = {
    trustDomain: TRUST_DOMAIN,
    x509Authorities: [],
    jwtAuthorities: [],
    refreshHint: 0,
    sequence: 1,
  };
  const synced: Synced = { entries: new Map([["a", a]]), own, foreign: new Map() };
  t.equal(replacement.see(synced, 1000), undefined, "nothing was asked for");
  const atMs = clock.nowMs() + 500;
  t.equal(replacement.see({ ...synced, rotated: new Map([["a", a]]) }, 1000), atMs);
  t.equal(replacement.see({ ...synced, rotated: new Map([["gone", a]]) }, 9000), atMs);
  await clock.advance(499);
  t.same(turns, []);
  await clock.advance(1);
  t.same(turns, [{ lost: new Set(), rotated: new Set([a.spiffeId]) }]);
  replacement.see({ ...synced, rotated: "all" }, 0);
  replacement.see({ ...synced, rotated: new Map([["a", a]]) }, 0);
  await clock.advance(0);
  t.same(turns.at(-1), { lost: new Set(), rotated: "all" });
});

t.test("until its moment an SVID of the new revision is good; a real change does not wait", (t) => {
  const store = new SvidStore(10);
  const before = entryNamed("a");
  const after = { ...before, revisionNumber: 1 };
  store.put({
    entryId: "a",
    version: "0.0",
    spiffeId: before.spiffeId,
    chain: new Uint8Array(1),
    key: new Uint8Array(1),
    expiresAt: 1000,
    renewAtMs: 500_000,
    authorityId: "aa",
  });
  const due = (entry: Entry, nowMs: number): number =>
    store.due([entry], nowMs, new Set()).others.length;
  t.equal(due(after, 1000), 1);
  store.rotate(before, after, 9000);
  t.equal(due(after, 8999), 0);
  t.equal(due(after, 9000), 1);
  t.equal(due({ ...after, revisionNumber: 2 }, 1000), 1, "a change that came with it");
  store.rotate(before, { ...after, revisionNumber: 3 }, 9000);
  t.equal(due({ ...after, revisionNumber: 3 }, 1000), 1, "made for neither");
  t.end();
});

t.test("tokens that are to be made anew stand in while the server is away", async (t) => {
  const clock = new VirtualClock();
  let signed = 0;
  let away = false;
  const cache = new JwtCache({
    clock,
    random: { bytes: (length) => new Uint8Array(length), unit: () => 0.5 },
    max: 10,
    sign: async ({ spiffeId }) => {
      if (away) throw fail("unavailable", "away");
      signed += 1;
      const now = clock.nowMs() / 1000;
      return { spiffeId, token: `${signed}`, keyId: "k", issuedAt: now, expiresAt: now + 300 };
    },
  });
  const fetch = async (name: string): Promise<string> =>
    (await cache.fetch(entryNamed(name), ["x"])).token;
  t.same([await fetch("a"), await fetch("b"), await fetch("a")], ["1", "2", "1"]);
  cache.outdate(new Set([entryNamed("a").spiffeId]));
  away = true;
  t.same([await fetch("a"), await fetch("b")], ["1", "2"]);
  away = false;
  t.same([await fetch("a"), await fetch("b")], ["3", "2"]);
  cache.outdate("all");
  t.same([await fetch("a"), await fetch("b")], ["4", "5"]);
});

function entryNamed(name: string): Entry {
  return cachedEntry(name, { selectors: [] });
}

t.test("an authority is tainted while the agent is away", async (t) => {
  await using domain = await Domain.start();
  const first = await domain.startAgent();
  await domain.entry({ path: "/one" });
  await first[Symbol.asyncDispose]();
  const service = "localauthority.v1.LocalAuthority";
  const { active } = await domain.call<AuthorityStates>(service, "GetX509AuthorityState", {});
  const { prepared_authority: next } = await domain.call<Prepared>(
    service,
    "PrepareX509Authority",
    {},
  );
  await domain.call(service, "ActivateX509Authority", { authority_id: next.authority_id });
  await domain.call(service, "TaintX509Authority", { authority_id: active.authority_id });
  // Its SVID is good for nothing but a renewal, which is not due for half an hour, and nobody could tell it so.
  const again = await domain.startAgent({ joinToken: undefined });
  using client = new WorkloadClient(again.socket);
  using watch = client.x509();
  const { svids } = await watch.next();
  const [leaf] = parseCertificates(svids[0]?.x509_svid ?? new Uint8Array());
  t.equal(leaf?.authorityKeyId, next.authority_id);
});

interface AuthorityStates {
  readonly active: { readonly authority_id: string };
}

interface Prepared {
  readonly prepared_authority: { readonly authority_id: string };
}

t.test("a taint: the agent's own SVID goes first, so that no SVID is refused", async (t) => {
  const trouble: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    // A stream that is opened anew for the bundle with the next authority may come at the moment of the taint.
    warn: (message) => void (message.startsWith("sync with the server") || trouble.push(message)),
    child: () => logger,
  };
  await using domain = await Domain.start({}, logger);
  const agent = await domain.startAgent({ syncIntervalMs: 3600_000 });
  await domain.entry({ path: "/one" });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  const authorityOf = async () =>
    parseCertificates((await watch.next()).svids[0]?.x509_svid ?? new Uint8Array())[0]
      ?.authorityKeyId;
  const first = await authorityOf();
  const { authorities } = domain.server;
  const { id: next } = await authorities.prepare("x509");
  // The agent has to know it before it signs the server's own certificate.
  const knows = async (): Promise<boolean> =>
    parseCertificates((await watch.next()).svids[0]?.bundle ?? new Uint8Array()).some(
      ({ subjectKeyId }) => subjectKeyId === next,
    );
  while (!(await knows()));
  await authorities.activate("x509", next);
  await authorities.taint("x509", first ?? "");
  for (let now = first; now !== next; ) now = await authorityOf();
  t.same(trouble, []);
});
