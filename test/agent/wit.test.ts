/** WIT-SVIDs, as far as the experimental standard goes: both methods of the Workload API, and the server's. */
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import {
  CompactSign,
  type JWK,
  compactVerify,
  createLocalJWKSet,
  importJWK,
  jwtVerify,
} from "jose";
import t from "tap";
import { WitStore } from "../../src/agent/cache/wit-store.ts";
import type { Entry } from "../../src/agent/cache/entry.ts";
import { fail } from "../../src/base/errors.ts";
import { signCompact } from "../../src/jwt/compact.ts";
import { jwkFromSpki } from "../../src/jwt/jwk.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import type { WITBundlesResponse__Output } from "../../src/rpc/gen/WITBundlesResponse.ts";
import type { WITSVIDResponse__Output } from "../../src/rpc/gen/WITSVIDResponse.ts";
import { readAuditLog } from "../support/audit-records.ts";
import { Domain, TRUST_DOMAIN, id } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { SVID_SERVICE, startTestServer } from "../support/server.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { type Watch, WorkloadClient } from "../support/workload-client.ts";
import { entry } from "./cache-bench.ts";

const ON = { experimental: ["wit-svid"] };
const svids = (client: WorkloadClient) =>
  client.wit("FetchWITSVID") as Watch<WITSVIDResponse__Output>;
const bundles = (client: WorkloadClient) =>
  client.wit("FetchWITBundles") as Watch<WITBundlesResponse__Output>;

t.test("a workload has a token and the key that it is bound to; others check both", async (t) => {
  await using domain = await Domain.start(ON);
  const entryId = await domain.entry({ path: "/web", more: { hint: "h", jwt_svid_ttl: 60 } });
  await domain.startAgent(ON);
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  using watch = svids(client);
  const first = await watch.next();
  const [svid] = first.svids;
  t.match(first, { svids: [{ spiffe_id: id("/web"), hint: "h" }] });
  t.equal(first.svids.length, 1);

  using watched = bundles(client);
  const { bundles: found } = await watched.next();
  t.strictSame(Object.keys(found), [`spiffe://${TRUST_DOMAIN}`]);
  const jwks = JSON.parse(found[`spiffe://${TRUST_DOMAIN}`] ?? "") as { keys: JWK[] };
  t.match(jwks.keys, [{ use: "wit-svid", kty: "EC", kid: /^\w{32}$/ }]);
  // `use` is SPIFFE's; jose wants its own.
  const keys = createLocalJWKSet({ keys: jwks.keys.map((key) => ({ ...key, use: "sig" })) });
  const { payload, protectedHeader } = await jwtVerify(svid?.wit_svid ?? "", keys, {
    typ: "wit+jwt",
  });
  t.strictSame(Object.keys(protectedHeader).sort(), ["alg", "kid", "typ"]);
  t.strictSame(Object.keys(payload).sort(), ["cnf", "exp", "iat", "jti", "nbf", "sub"]);
  t.equal(payload.sub, id("/web"));
  t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60);
  const { jwk } = payload["cnf"] as { jwk: JWK };
  t.match(jwk, { alg: "ES256", kty: "EC" });
  t.notOk("d" in jwk, "the private key is no part of the token");

  const own = JSON.parse(svid?.wit_svid_key ?? "") as JWK;
  t.match(own, { ...jwk, d: /./ });
  const proof = await new CompactSign(Buffer.from("request"))
    .setProtectedHeader({ alg: "ES256" })
    .sign(await importJWK(own));
  t.ok(await compactVerify(proof, await importJWK(jwk)), "the holder of the key made it");

  // Never a bearer token, never checked with another sort's keys.
  await refused(t, client.validate("a", svid?.wit_svid ?? ""), { message: /neither JWT nor JOSE/ });
  using jwt = client.jwtBundles();
  const text = Object.values((await jwt.next()).bundles).map((bytes) =>
    Buffer.from(bytes).toString(),
  );
  t.notMatch(text.join(), jwks.keys[0]?.kid ?? "?");

  using again = svids(client);
  t.equal((await again.next()).svids[0]?.wit_svid, svid?.wit_svid, "streams share one");
  const records = await readAuditLog(join(domain.dir, "server"));
  t.match(
    records.filter(({ action }) => action === "wit.workload"),
    [{ outcome: "ok", subject: { spiffeId: id("/web"), entryId, tokenId: payload.jti } }],
  );
  await domain.entry({ path: "/more" });
  let ids: string[];
  do ids = (await watch.next()).svids.map(({ spiffe_id }) => spiffe_id);
  while (ids.length < 2);
  t.same(ids.sort(), [id("/more"), id("/web")]);
});

t.test("one identity of several; none; and where it is off", async (t) => {
  await using domain = await Domain.start(ON);
  const entryId = await domain.entry({ path: "/web" });
  const agent = await domain.startAgent(ON);
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  using watch = svids(client);
  await watch.next();
  await domain.deleteEntry(entryId);
  await refused(t, watch.next(), { kind: "denied", message: /no identity issued/ });
  await agent[Symbol.asyncDispose]();

  await using off = await Domain.start();
  await off.entry({ path: "/web" });
  const plain = await off.startAgent();
  using unable = new WorkloadClient(join(off.dir, "api.sock"));
  for (const open of [svids, bundles]) {
    using refusedWatch = open(unable);
    await refused(t, refusedWatch.next(), { kind: "unsupported" });
  }
  await plain[Symbol.asyncDispose]();
  await off.startAgent({ ...ON, joinToken: undefined });
  using hopeful = new WorkloadClient(join(off.dir, "api.sock"));
  using asked = svids(hopeful);
  await refused(t, asked.next(), { kind: "unsupported", message: /server offers no WIT-SVIDs/ });
});

t.test("the server: what it signs, and its authorities by hand", async (t) => {
  const server = await startTestServer(t, { config: ON });
  const agent = await server.attest();
  const entryId = await server.createEntry({
    spiffe_id: { trust_domain: TRUST_DOMAIN, path: "/web" },
    parent_id: agent.id,
    selectors: [{ type: "unix", value: "uid:1" }],
  });
  const key = (type: "ec" | "rsa", curve = "P-256", modulusLength = 2048): Uint8Array => {
    const { publicKey } =
      type === "ec"
        ? generateKeyPairSync("ec", { namedCurve: curve })
        : generateKeyPairSync("rsa", { modulusLength });
    return publicKey.export({ format: "der", type: "spki" });
  };
  const [p256, rsa] = [key("ec"), key("rsa")];
  const cases: readonly (readonly [string, object, number])[] = [
    ["P-256", { public_key: p256, signing_algorithm: "ES256" }, 0],
    ["without an algorithm", { public_key: p256 }, 0],
    ["P-384", { public_key: key("ec", "P-384"), signing_algorithm: "ES384" }, 0],
    ["RSA with PS512", { public_key: rsa, signing_algorithm: "PS512" }, 0],
    ["an EC key as RSA", { public_key: p256, signing_algorithm: "RS256" }, 3],
    ["none", { public_key: p256, signing_algorithm: "none" }, 3],
    ["HS256", { public_key: rsa, signing_algorithm: "HS256" }, 3],
    ["P-521", { public_key: key("ec", "P-521") }, 3],
    ["RSA-1024", { public_key: key("rsa", "", 1024) }, 3],
    ["no key", { signing_algorithm: "ES256" }, 3],
    ["no key at all", { public_key: Buffer.from("key") }, 3],
    ["3 KB", { public_key: Buffer.alloc(3000) }, 3],
    ["another's entry", { entry_id: "nobody", public_key: p256 }, 5],
  ];
  const { results } = await agent.channel.unary<{
    results: { status: { code: number }; svid: { token: string } | null }[];
  }>(SVID_SERVICE, "BatchNewWITSVID", {
    params: cases.map(([, params]) => ({ entry_id: entryId, ...params })),
  });
  for (const [index, [name, , code]] of cases.entries()) {
    t.equal(results[index]?.status.code, code, name);
    t.equal(results[index]?.svid != null, code === 0, name);
  }

  const AUTHORITY = "spire.api.server.localauthority.v1.LocalAuthority";
  type State = { authority_id: string };
  const ask = (method: string, authority_id = "") =>
    server.admin.unary<Record<string, State>>(AUTHORITY, method, { authority_id });
  const keyIds = async () => {
    const bundle = await server.admin.unary<{
      wit_authorities: { key_id: string; tainted: boolean }[];
    }>("spire.api.server.bundle.v1.Bundle", "GetBundle", {});
    return bundle.wit_authorities.map(
      ({ key_id, tainted }) => `${key_id}${tainted ? " tainted" : ""}`,
    );
  };
  const before = (await ask("GetWITAuthorityState"))["active"]?.authority_id ?? "";
  const next = (await ask("PrepareWITAuthority"))["prepared_authority"]?.authority_id ?? "";
  t.same(await keyIds(), [before, next], "published before use");
  await ask("ActivateWITAuthority", next);
  await ask("TaintWITAuthority", before);
  t.same(await keyIds(), [`${before} tainted`, next]);
  await ask("RevokeWITAuthority", before);
  t.same(await keyIds(), [next]);
  await refused(t, ask("TaintWITAuthority", "nobody"), { kind: "invalid" });
  await refused(t, ask("TaintWITAuthority", next), { kind: "precondition" });
  const minted = await server.admin.unary<{ svid: { token: string } }>(
    SVID_SERVICE,
    "MintWITSVID",
    {
      id: { trust_domain: TRUST_DOMAIN, path: "/minted" },
      public_key: p256,
    },
  );
  t.match(JSON.parse(Buffer.from(minted.svid.token.split(".")[0] ?? "", "base64url").toString()), {
    kid: next,
    typ: "wit+jwt",
  });
});

t.test("held until half of its life, and longer while the server is away", async (t) => {
  const clock = new VirtualClock();
  const authority = await generateKey("ec-p256");
  const web: Entry = { ...entry("web"), spiffeId: id("/web") };
  let keyId = "k1";
  let isAway = false;
  let change: object = {};
  const store = new WitStore({
    keyType: "ec-p256",
    clock,
    async sign({ publicKey }) {
      if (isAway) throw fail("unavailable", "away");
      const issuedAt = clock.nowMs() / 1000;
      const cnf = { jwk: { ...jwkFromSpki(publicKey), alg: "ES256" } };
      const claims = { sub: web.spiffeId, exp: issuedAt + 300, cnf, ...change };
      const token = await signCompact({ keyId, claims, signer: authority.signer, type: "wit+jwt" });
      return { token, issuedAt, expiresAt: issuedAt + 300 };
    },
  });
  const keys = (...names: string[]) => new Set(names);
  const get = async (known = keys("k1", "k2")) => (await store.get(web, known)).token;
  const first = await get();
  t.equal(await get(), first);
  const [a, b] = await Promise.all([store.get(web, keys("k2")), store.get(web, keys("k2"))]);
  t.not(a.token, first, "signed by none of the keys that count");
  t.equal(a, b, "asked for once");
  clock.step(151_000);
  isAway = true;
  t.equal(await get(), a.token, "the server is away");
  clock.step(150_000);
  await refused(t, get(), { kind: "unavailable" }, "and it has ended");
  isAway = false;
  keyId = "k2";
  const last = await get();
  t.not(last, a.token);
  for (const wrong of [{ sub: id("/admin") }, { cnf: {} }, { cnf: { jwk: { kty: "EC" } } }]) {
    change = wrong;
    await refused(t, get(keys()), { kind: "internal" });
  }
});
