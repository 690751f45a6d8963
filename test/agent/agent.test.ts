import { type ChildProcess, spawn } from "node:child_process";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import t from "tap";
import { structOf, visibleClaims } from "../../src/agent/workload-api/claims.ts";
import type { ValidateJWTSVIDResponse__Output } from "../../src/rpc/gen/ValidateJWTSVIDResponse.ts";
import { messageType } from "../../src/rpc/protos.ts";
import type { MintJWTSVIDResponse__Output } from "../../src/rpc/gen/spire/api/server/svid/v1/MintJWTSVIDResponse.ts";
import type { Bundle__Output } from "../../src/rpc/gen/spire/api/types/Bundle.ts";
import { parseCertificates } from "../../src/x509/certificate.ts";
import { end } from "../support/caller.ts";
import { Domain, OWN_SELECTOR, id } from "../support/running.ts";
import { WorkloadClient, rawStatus } from "../support/workload-client.ts";
import { until } from "../support/patience.ts";

const refusedWith = (kind: string, message: RegExp) => ({ name: "AssayError", kind, message });

t.test(
  "a workload gets its X.509-SVID, key, bundle; entries come and go on the open stream",
  async (t) => {
    await using domain = await Domain.start();
    const first = await domain.entry({
      path: "/one",
      more: { hint: "main", dns_names: ["one.test"] },
    });
    const agent = await domain.startAgent();
    using client = new WorkloadClient(agent.socket);
    using watch = client.x509();

    const one = await watch.next();
    t.equal(one.svids.length, 1);
    const [svid] = one.svids;
    t.equal(svid?.spiffe_id, id("/one"));
    t.equal(svid?.hint, "main");
    t.same(one.federated_bundles, {});
    const leaf = new X509Certificate(svid?.x509_svid ?? Buffer.alloc(0));
    t.match(leaf.subjectAltName, /URI:spiffe:\/\/example.org\/one/);
    const key = createPrivateKey({
      key: svid?.x509_svid_key ?? Buffer.alloc(0),
      format: "der",
      type: "pkcs8",
    });
    t.ok(leaf.checkPrivateKey(key));
    const [root] = parseCertificates(svid?.bundle ?? new Uint8Array());
    t.ok(leaf.verify(new X509Certificate(Buffer.from(root?.raw ?? [])).publicKey));

    const second = await domain.entry({ path: "/two" });
    const two = await watch.next();
    t.same(
      two.svids.map((s) => s.spiffe_id),
      [id("/one"), id("/two")],
      "oldest first",
    );
    t.ok(
      Buffer.from(two.svids[0]?.x509_svid ?? []).equals(svid?.x509_svid ?? Buffer.alloc(0)),
      "the first did not change",
    );

    await domain.deleteEntry(first);
    t.same(
      (await watch.next()).svids.map((s) => s.spiffe_id),
      [id("/two")],
    );
    await domain.deleteEntry(second);
    await t.rejects(watch.next(), refusedWith("denied", /no identity issued/));
    await t.rejects(client.fetchX509(), refusedWith("denied", /no identity issued/));
  },
);

t.test("bundles, JWT-SVIDs and their validation", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one", more: { hint: "a" } });
  await domain.entry({ path: "/two" });
  const agent = await domain.startAgent();
  using client = new WorkloadClient(agent.socket);

  using x509 = client.x509Bundles();
  const x509Bundles = await x509.next();
  t.same(Object.keys(x509Bundles.bundles), ["spiffe://example.org"]);
  using jwt = client.jwtBundles();
  const jwks = JSON.parse((await jwt.next()).bundles["spiffe://example.org"]?.toString() ?? "");
  t.same(Object.keys(jwks), ["keys"]);
  t.ok(jwks.keys.length >= 1 && jwks.keys.every((key: { kid?: string }) => key.kid));

  const { svids } = await client.fetchJwt(["db", "web"]);
  t.same(
    svids.map((s) => [s.spiffe_id, s.hint]),
    [
      [id("/one"), "a"],
      [id("/two"), ""],
    ],
  );
  const [one] = svids;
  const again = await client.fetchJwt(["web", "db"]);
  t.equal(again.svids[0]?.svid, one?.svid, "the same audiences in another order: the cached token");
  const only = await client.fetchJwt(["db"], id("/two"));
  t.same(
    only.svids.map((s) => s.spiffe_id),
    [id("/two")],
  );

  const valid = await client.validate("db", one?.svid ?? "");
  t.equal(valid.spiffe_id, id("/one"));
  t.same(
    valid.claims?.fields["aud"]?.listValue?.values.map((v) => v.stringValue),
    ["db", "web"],
  );
  t.equal(valid.claims?.fields["sub"]?.stringValue, id("/one"));

  const cases: [string, () => Promise<unknown>, ReturnType<typeof refusedWith>][] = [
    ["no audience", () => client.fetchJwt([]), refusedWith("invalid", /audience/)],
    ["empty audiences only", () => client.fetchJwt(["", ""]), refusedWith("invalid", /audience/)],
    [
      "too many audiences",
      () => client.fetchJwt(Array.from({ length: 101 }, (_, i) => `a${i}`)),
      refusedWith("invalid", /more than 100/),
    ],
    [
      "an endless audience",
      () => client.fetchJwt(["x".repeat(4097)]),
      refusedWith("invalid", /longer than/),
    ],
    [
      "a malformed ID",
      () => client.fetchJwt(["db"], "example.org/one"),
      refusedWith("invalid", /scheme/),
    ],
    [
      "an ID that is not held",
      () => client.fetchJwt(["db"], id("/three")),
      refusedWith("denied", /no identity issued/),
    ],
    [
      "validate: no audience",
      () => client.validate("", one?.svid ?? ""),
      refusedWith("invalid", /audience/),
    ],
    [
      "validate: no token",
      () => client.validate("db", ""),
      refusedWith("invalid", /svid is missing/),
    ],
    ["validate: not a token", () => client.validate("db", "abc"), refusedWith("invalid", /./)],
    [
      "validate: another audience",
      () => client.validate("other", one?.svid ?? ""),
      refusedWith("invalid", /audience/),
    ],
    [
      "validate: a changed token",
      () => client.validate("db", `${one?.svid.slice(0, -4)}AAAA`),
      refusedWith("invalid", /./),
    ],
  ];
  for (const [name, call, expected] of cases) await t.rejects(call(), expected, name);
});

t.test(
  "a caller without an identity validates, and sees bundles only where that is allowed",
  async (t) => {
    await using domain = await Domain.start();
    const entry = await domain.entry({ path: "/one" });
    const strict = await domain.startAgent();
    using client = new WorkloadClient(strict.socket);
    const token = (await client.fetchJwt(["db"])).svids[0]?.svid ?? "";
    using watch = client.x509Bundles();
    await watch.next();
    await domain.deleteEntry(entry);
    await t.rejects(watch.next(), refusedWith("denied", /no identity issued/));
    for (const bundles of [client.x509Bundles(), client.jwtBundles()]) {
      await t.rejects(bundles.next(), refusedWith("denied", /no identity issued/));
    }
    t.equal((await client.validate("db", token)).spiffe_id, id("/one"));
    await t.rejects(client.fetchJwt(["db"]), refusedWith("denied", /no identity issued/));

    const open = await domain.startAgent({
      allowUnauthenticatedVerifiers: true,
      dataDir: join(domain.dir, "agent2"),
      socket: join(domain.dir, "api2.sock"),
    });
    using verifier = new WorkloadClient(open.socket);
    t.same(Object.keys((await verifier.x509Bundles().next()).bundles), ["spiffe://example.org"]);
    t.same(Object.keys((await verifier.jwtBundles().next()).bundles), ["spiffe://example.org"]);
    await t.rejects(verifier.fetchX509(), refusedWith("denied", /no identity issued/));
  },
);

t.test(
  "federation: foreign bundles where the entry says so, foreign tokens with little to see",
  async (t) => {
    await using domain = await Domain.start();
    await using other = await Domain.start({ trustDomain: "other.org" });
    const foreign = await other.call<Bundle__Output>("bundle.v1.Bundle", "GetBundle", {});
    await domain.call("bundle.v1.Bundle", "BatchSetFederatedBundle", { bundle: [foreign] });
    const plain = await domain.entry({ path: "/plain" });
    const agent = await domain.startAgent();
    using client = new WorkloadClient(agent.socket);
    using watch = client.x509();
    t.same((await watch.next()).federated_bundles, {});
    const { svid } = await other.call<MintJWTSVIDResponse__Output>("svid.v1.SVID", "MintJWTSVID", {
      id: { trust_domain: "other.org", path: "/there" },
      audience: ["db"],
      ttl: 60,
    });
    const token = svid?.token ?? "";
    await t.rejects(
      client.validate("db", token),
      refusedWith("invalid", /no bundle of trust domain 'other.org'/),
    );

    await domain.entry({ path: "/federated", more: { federates_with: ["other.org"] } });
    const view = await watch.next();
    const ders = foreign.x509_authorities.map(({ asn1 }) => asn1);
    t.same(view.federated_bundles, { "spiffe://other.org": Buffer.concat(ders) });
    t.same(Object.keys((await client.x509Bundles().next()).bundles), [
      "spiffe://example.org",
      "spiffe://other.org",
    ]);
    t.same(Object.keys((await client.jwtBundles().next()).bundles), [
      "spiffe://example.org",
      "spiffe://other.org",
    ]);
    const valid = await client.validate("db", token);
    t.equal(valid.spiffe_id, "spiffe://other.org/there");
    t.same(Object.keys(valid.claims?.fields ?? {}).sort(), ["aud", "exp", "sub"]);
    const config = { ...(await domain.agentConfig()), allowedForeignJwtClaims: ["iat"] };
    await agent.reload(async () => ({ config, settings: [] }));
    const more = await client.validate("db", token);
    t.same(Object.keys(more.claims?.fields ?? {}).sort(), ["aud", "exp", "iat", "sub"]);
    await domain.deleteEntry(plain);
    await watch.next();
  },
);

t.test("the security header: exactly one, exactly true; only for the Workload API", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const { socket } = await domain.startAgent();
  const methods = [
    "FetchX509SVID",
    "FetchX509Bundles",
    "FetchJWTSVID",
    "FetchJWTBundles",
    "ValidateJWTSVID",
    "FetchWITSVID",
    "FetchWITBundles",
  ];
  const wrong: Record<string, string | string[]>[] = [
    {},
    { "workload.spiffe.io": "" },
    { "workload.spiffe.io": "false" },
    { "workload.spiffe.io": "True" },
    { "workload.spiffe.io": "true, true" },
    { "workload.spiffe.io": ["true", "true"] },
    { "workload.spiffe.io": ["true", "false"] },
    { "x-workload.spiffe.io": "true" },
  ];
  for (const method of methods) {
    for (const headers of wrong) {
      const { status, message } = await rawStatus(socket, `/SpiffeWorkloadAPI/${method}`, headers);
      t.equal(status, "3", `${method} ${JSON.stringify(headers)}`);
      t.match(decodeURIComponent(message), /security header missing from request/);
    }
  }
  const header = { "workload.spiffe.io": "true" };
  t.equal((await rawStatus(socket, "/SpiffeWorkloadAPI/FetchWITSVID", header)).status, "12");
  t.equal((await rawStatus(socket, "/SpiffeWorkloadAPI/FetchWITBundles", header)).status, "12");
  t.equal((await rawStatus(socket, "/SpiffeWorkloadAPI/Nothing", header)).status, "12");
  t.equal((await rawStatus(socket, "/grpc.health.v1.Health/Check", {})).status, "0");
  const reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  t.equal((await rawStatus(socket, reflection, {})).status, "0");
  const malformed = Uint8Array.of(0, 0, 0, 0, 1, 0xff);
  for (const method of methods.slice(0, 5)) {
    t.equal(
      (await rawStatus(socket, `/SpiffeWorkloadAPI/${method}`, header, malformed)).status,
      "3",
      `${method}: not protobuf`,
    );
  }
});

t.test("each process gets what its own selectors match", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/own", selectors: [OWN_SELECTOR] });
  await domain.entry({ path: "/sleep", selectors: ["unix:path:/usr/bin/sleep"] });
  await domain.entry({ path: "/other", selectors: ["unix:uid:54321"] });
  await domain.entry({ path: "/both", selectors: [OWN_SELECTOR, "unix:uid:54321"] });
  const { socket } = await domain.startAgent();
  using client = new WorkloadClient(socket);
  t.same(
    (await client.fetchX509()).svids.map((s) => s.spiffe_id),
    [id("/own")],
  );
  if (process.geteuid?.() !== 0) return;
  const other = await fetchAs(socket, 54321);
  t.same(other, [id("/other")]);
});

t.test(
  "restarted while the server is away: it says so, then serves when the server is back",
  async (t) => {
    await using domain = await Domain.start();
    await domain.entry({ path: "/one" });
    const first = await domain.startAgent();
    await first[Symbol.asyncDispose]();
    await domain.stopServer();
    const agent = await domain.startAgent({ joinToken: undefined, bootstrap: { kind: "stored" } });
    using client = new WorkloadClient(agent.socket);
    const waiting = client.fetchX509();
    await domain.startServer();
    t.equal((await waiting).svids[0]?.spiffe_id, id("/one"), "held, not denied");
  },
);

t.test("claims: foreign tokens show what the standard names and the operator allows", (t) => {
  const claims = { sub: "s", exp: 1, aud: "a", iat: 2, extra: { deep: [1, null, true, "x"] } };
  t.same(visibleClaims(claims, false, []), { ...claims, aud: ["a"] });
  t.same(visibleClaims(claims, true, []), { sub: "s", exp: 1, aud: ["a"] });
  t.same(visibleClaims(claims, true, ["iat"]), { sub: "s", exp: 1, aud: ["a"], iat: 2 });
  const hostile = JSON.parse('{"__proto__":{"x":1},"constructor":"y"}') as Record<string, unknown>;
  t.same(Object.keys(visibleClaims(hostile, false, [])), ["__proto__", "constructor"]);
  const type = messageType("ValidateJWTSVIDResponse");
  const decoded = type.decode(
    type.encode({ spiffe_id: "s", claims: structOf({ ...claims, ...hostile }) }),
  ) as ValidateJWTSVIDResponse__Output;
  t.equal(decoded.claims?.fields["exp"]?.numberValue, 1);
  t.same(
    decoded.claims?.fields["extra"]?.structValue?.fields["deep"]?.listValue?.values.map(
      ({ kind }) => kind,
    ),
    ["numberValue", "nullValue", "boolValue", "stringValue"],
  );
  t.end();
});

t.test(
  "SVIDs are renewed at half their life, with new keys, on the open stream; so is the agent's own",
  async (t) => {
    await using domain = await Domain.start({
      // On a machine that is busy the agent's own has to live until it is renewed.
      ttl: { x509SvidSeconds: 8, jwtSvidSeconds: 60, agentSvidSeconds: 20 },
    });
    await domain.entry({ path: "/one" });
    const agent = await domain.startAgent();
    const stored = (): string => readFileSync(join(domain.dir, "agent/identity.json"), "utf8");
    const own = stored();
    using client = new WorkloadClient(agent.socket);
    using watch = client.x509();
    const first = await watch.next();
    const second = await watch.next();
    t.ok(
      !Buffer.from(first.svids[0]?.x509_svid_key ?? []).equals(
        second.svids[0]?.x509_svid_key ?? Buffer.alloc(0),
      ),
    );
    const third = await watch.next();
    t.equal(third.svids[0]?.spiffe_id, id("/one"));
    await until("the agent's own SVID is renewed", () => stored() !== own);
  },
);

t.test("a thousand streams get the same bytes, and all of them each change", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  const clients = Array.from({ length: 10 }, () => new WorkloadClient(agent.socket));
  const watches = clients.flatMap((client) => Array.from({ length: 100 }, () => client.x509()));
  const first = await Promise.all(watches.map((watch) => watch.next()));
  t.equal(new Set(first.map((view) => JSON.stringify(view))).size, 1);
  await domain.entry({ path: "/two" });
  const second = await Promise.all(watches.map((watch) => watch.next()));
  t.equal(new Set(second.map((view) => JSON.stringify(view))).size, 1);
  t.equal(second[0]?.svids.length, 2);
  for (const client of clients) client[Symbol.dispose]();
});

t.test(
  "the connection ends with the process that made it, whoever else holds the socket",
  async (t) => {
    await using domain = await Domain.start();
    await domain.entry({ path: "/one" });
    const agent = await domain.startAgent();
    // A child connects and hands its socket to this process, then ends.
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, "../support/hand-over-child.ts"), agent.socket],
      { stdio: ["ignore", "inherit", "inherit", "ipc"] },
    );
    const [, socket] = (await once(child, "message")) as [unknown, Socket];
    const closed = once(socket, "close");
    socket.resume();
    await end(child);
    await closed;
    t.pass("closed");
  },
);

/** Fetches once in a process of another user. */
async function fetchAs(socket: string, uid: number): Promise<string[]> {
  const program = join(import.meta.dirname, "../support/fetch-child.ts");
  const child: ChildProcess = spawn(process.execPath, [program, socket], {
    uid,
    gid: uid,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child, "close");
  return JSON.parse(output) as string[];
}
