/** JWT-SVIDs that many ask for at once: what goes to the server together, what is shared and what is not. */
import { join } from "node:path";
import t from "tap";
import { JwtBatches, type JwtOrder, type JwtServer } from "../../src/agent/sync/jwt-batches.ts";
import type { SignedJwt } from "../../src/agent/server-client/server-signer.ts";
import { type AssayError, fail } from "../../src/base/errors.ts";
import { parseCompact } from "../../src/jwt/compact.ts";
import { readAuditLog } from "../support/audit-records.ts";
import { startTestServer } from "../support/server.ts";
import { Domain, OWN_SELECTOR, TRUST_DOMAIN, id } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const SERVICE = "assay.jwt.v1.Tokens";

interface Results {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly svid: { readonly token: string } | null;
  }[];
}

t.test("one signature for what many ask for alike; none shared across identities", async (t) => {
  await using domain = await Domain.start({
    limits: { attestPerSecond: 100, signPerSecond: 100_000 },
  });
  await domain.entry({ path: "/one" });
  await domain.entry({
    path: "/two",
    selectors: [OWN_SELECTOR, `unix:gid:${process.getegid?.()}`],
  });
  await domain.startAgent();
  const clients = Array.from({ length: 8 }, () => new WorkloadClient(join(domain.dir, "api.sock")));
  t.teardown(() => clients.forEach((client) => client[Symbol.dispose]()));
  await clients[0]?.fetchJwt(["warm"]);
  const signed = async () =>
    (await readAuditLog(join(domain.dir, "server"))).filter(
      ({ action }) => action === "jwt.workload",
    );
  const before = (await signed()).length;
  const alike = await Promise.all(
    clients.flatMap((client) => Array.from({ length: 10 }, () => client.fetchJwt(["same"]))),
  );
  const first = alike[0]?.svids.map(({ svid }) => svid);
  for (const { svids } of alike)
    t.same(
      svids.map(({ svid }) => svid),
      first,
    );
  t.equal((await signed()).length - before, 2, "80 calls, one token for each of two identities");
  t.same(first?.map((token) => parseCompact(token).claims["sub"]).sort(), [id("/one"), id("/two")]);

  const asked = Array.from({ length: 200 }, (_, index) => `audience-${index}`);
  const answers = await Promise.all(
    asked.map(async (audience, index) => clients[index % 8]?.fetchJwt([audience, "b"], id("/one"))),
  );
  for (const [index, audience] of asked.entries()) {
    const [svid] = answers[index]?.svids ?? [];
    t.match(parseCompact(svid?.svid ?? "").claims, { sub: id("/one"), aud: [audience, "b"] });
  }
});

t.test("the server's answer to each of a batch is its own", async (t) => {
  const server = await startTestServer(t);
  const agent = await server.attest();
  const entry = await server.createEntry({
    spiffe_id: { trust_domain: TRUST_DOMAIN, path: "/web" },
    parent_id: agent.id,
    selectors: [{ type: "unix", value: "uid:1" }],
  });
  const foreign = await server.createEntry({
    spiffe_id: { trust_domain: TRUST_DOMAIN, path: "/admin" },
    parent_id: { trust_domain: TRUST_DOMAIN, path: "/elsewhere" },
    selectors: [{ type: "unix", value: "uid:1" }],
  });
  const batch = (params: readonly object[]) =>
    agent.channel.unary<Results>(SERVICE, "BatchNewJWTSVID", { params });
  const audience = ["a"];
  const { results } = await batch([
    { entry_id: entry, audience },
    { entry_id: foreign, audience },
    { entry_id: entry, audience: [] },
    { entry_id: "", audience },
    { entry_id: entry, audience: ["b"] },
  ]);
  t.same(
    results.map(({ status }) => status.code),
    [0, 5, 3, 3, 0],
  );
  t.match(results[1], { svid: null, status: { message: "entry not found or not authorized" } });
  t.match(parseCompact(results[4]?.svid?.token ?? "").claims, { sub: id("/web"), aud: ["b"] });
  const many = Array.from({ length: 101 }, () => ({ entry_id: entry, audience }));
  await refused(t, batch(many), { kind: "invalid", message: /params/ });
  await refused(t, batch([]), { kind: "invalid", message: /params: is missing/ });
  const params = [{ entry_id: entry, audience }];
  const request = { params };
  await refused(t, server.admin.unary(SERVICE, "BatchNewJWTSVID", request), { kind: "denied" });
  await refused(t, server.connect().unary(SERVICE, "BatchNewJWTSVID", request), {
    kind: "denied",
  });
});

/** A server whose answers come when the test says so. */
class SlowServer implements JwtServer {
  readonly calls: { readonly orders: readonly JwtOrder[]; readonly answer: () => void }[] = [];
  batches = true;
  failure: AssayError | undefined;

  async signJwtSvid(entryId: string, audience: readonly string[]): Promise<SignedJwt> {
    const [signed] = await this.#take([{ entryId, audience }]);
    if (signed === undefined || "kind" in signed) throw signed ?? new Error("no answer");
    return signed;
  }

  async signJwtSvids(orders: readonly JwtOrder[]): Promise<readonly (SignedJwt | AssayError)[]> {
    if (!this.batches) throw fail("unsupported", "no batches here");
    return this.#take(orders);
  }

  async #take(orders: readonly JwtOrder[]): Promise<readonly (SignedJwt | AssayError)[]> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.calls.push({ orders, answer: resolve });
    await promise;
    if (this.failure !== undefined) throw this.failure;
    return orders.map(({ entryId }) =>
      entryId === "bad"
        ? fail("denied", "not that one")
        : { token: entryId, issuedAt: 0, expiresAt: 1 },
    );
  }
}

/** What was set off by now has been done. */
const turn = async (): Promise<void> => {
  for (let turns = 0; turns < 3; turns++)
    await new Promise<void>((resolve) => setImmediate(resolve));
};
const outcome = (work: Promise<SignedJwt>): Promise<string> =>
  work.then(
    ({ token }) => token,
    (error: unknown) => String(error),
  );

t.test("what comes while four calls are under way goes with the next one", async (t) => {
  const server = new SlowServer();
  const clock = new VirtualClock();
  const jwts = new JwtBatches({ server, clock, signal: new AbortController().signal });
  const ask = (entryId: string) => outcome(jwts.sign(entryId, ["a"]));
  const sizes = () => server.calls.map(({ orders }) => orders.length);
  const first = [ask("a"), ask("b")];
  await turn();
  t.same(sizes(), [2], "of one turn of the loop");
  const second = ask("c");
  await turn();
  t.same(sizes(), [2, 1]);
  const more: Promise<string>[] = [];
  for (const entryId of ["d", "e"]) {
    more.push(ask(entryId));
    await turn();
  }
  t.same(sizes(), [2, 1, 1, 1]);
  const rest = [...Array.from({ length: 70 }, (_, index) => ask(`n${index}`)), ask("bad")];
  await turn();
  t.same(sizes(), [2, 1, 1, 1], "not more than four at once");
  server.calls[0]?.answer();
  t.same(await Promise.all(first), ["a", "b"]);
  await turn();
  t.same(sizes(), [2, 1, 1, 1, 64], "a bounded batch");
  server.calls[1]?.answer();
  t.equal(await second, "c");
  await turn();
  t.same(sizes(), [2, 1, 1, 1, 64, 7]);
  for (const { answer } of server.calls) answer();
  t.same(await Promise.all(more), ["d", "e"]);
  const said = await Promise.all(rest);
  t.equal(said[69], "n69");
  t.match(said[70], /not that one/, "an order that is refused takes no other along");

  server.failure = fail("unavailable", "away");
  const lost = [ask("x"), ask("y")];
  await turn();
  server.calls.at(-1)?.answer();
  for (const each of await Promise.all(lost)) t.match(each, /away/);
});

t.test("a server that signs fewer at once than there are is asked for fewer", async (t) => {
  // The first batch is larger than the burst, which is refused as a whole; halves of it wait their turn.
  await using domain = await Domain.start({ limits: { attestPerSecond: 100, signPerSecond: 20 } });
  await domain.entry({ path: "/one" });
  await domain.startAgent();
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  await client.fetchJwt(["warm"]);
  const asked = Array.from({ length: 60 }, (_, index) => client.fetchJwt([`a${index}`]));
  for (const { svids } of await Promise.all(asked)) t.equal(svids.length, 1);
});

t.test("whoever has waited for too long is told to come again", async (t) => {
  const server = new SlowServer();
  const clock = new VirtualClock();
  const jwts = new JwtBatches({ server, clock, signal: new AbortController().signal });
  const ask = (entryId: string) => outcome(jwts.sign(entryId, ["a"]));
  const first = ask("a");
  await turn();
  const second = ask("b");
  await turn();
  const third = ask("c");
  clock.step(11_000);
  const fourth = ask("d");
  server.calls[0]?.answer();
  t.equal(await first, "a");
  t.match(await third, /too many JWT-SVIDs/);
  await turn();
  for (const { answer } of server.calls) answer();
  t.same(await Promise.all([second, fourth]), ["b", "d"]);
});

t.test("a server without batches is asked one by one, and again for batches later", async (t) => {
  const server = new SlowServer();
  server.batches = false;
  const clock = new VirtualClock();
  const jwts = new JwtBatches({ server, clock, signal: new AbortController().signal });
  const together = async (count: number): Promise<readonly string[]> => {
    const asked = Array.from({ length: count }, (_, index) =>
      outcome(jwts.sign(`${index}`, ["a"])),
    );
    await turn();
    await turn();
    for (const { answer } of server.calls) answer();
    return Promise.all(asked);
  };
  t.same(await together(3), ["0", "1", "2"]);
  t.same(await together(3), ["0", "1", "2"]);
  t.ok(server.calls.every(({ orders }) => orders.length === 1));
  server.batches = true;
  clock.step(6 * 60 * 1000);
  t.same(await together(3), ["0", "1", "2"]);
  t.equal(server.calls.at(-1)?.orders.length, 3);
});
