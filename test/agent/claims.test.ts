/** Claims of an entry's own, from the operator's call to the token in a workload's hands. */
import t, { type Test } from "tap";
import { parseCompact } from "../../src/jwt/compact.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { join } from "node:path";
import { Domain, OWN_SELECTOR, TRUST_DOMAIN, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";

interface Results {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly entry: { readonly id: string } | null;
  }[];
}

interface NewEntry {
  readonly path: string;
  readonly claims?: object | string;
  readonly template?: { readonly id: string; readonly trust_agent: boolean };
  readonly selectors?: readonly string[];
  readonly more?: object;
}

const SERVICE = "assay.claims.v1.Claims";

async function rig(t: Test) {
  const domain = await Domain.start();
  t.teardown(() => domain[Symbol.asyncDispose]());
  const admin = connectUnix(domain.server.socket);
  t.teardown(() => admin.close());
  const create = async (entry: NewEntry) => {
    const { path, claims = "", template, selectors = [OWN_SELECTOR], more = {} } = entry;
    const { results } = await admin.unary<Results>(SERVICE, "BatchCreateEntry", {
      entries: [
        {
          entry: {
            spiffe_id: { trust_domain: TRUST_DOMAIN, path },
            parent_id: { trust_domain: TRUST_DOMAIN, path: "/host" },
            selectors: selectors.map(parseSelector),
            ...more,
          },
          claims: { json: typeof claims === "string" ? claims : JSON.stringify(claims) },
          ...(template !== undefined && { template }),
        },
      ],
    });
    const [result] = results;
    if (result === undefined) throw new Error("no result");
    return result;
  };
  const set = async (entryId: string, claims: object | undefined) => {
    const json = claims === undefined ? "" : JSON.stringify(claims);
    const request = { claims: [{ id: entryId, claims: { json } }] };
    const { results } = await admin.unary<Results>(SERVICE, "BatchSetClaims", request);
    return results[0]?.status;
  };
  return { domain, admin, create, set };
}

t.test("tokens have them; each entry its own, also where the SPIFFE ID is the same", async (t) => {
  const { domain, create, set } = await rig(t);
  const claims = {
    tenant: "acme",
    uid: "{{unix.uid}}",
    at: "{{path.1}}@{{trust_domain}}",
    n: [1, true],
  };
  const first = await create({ path: "/web", claims, more: { hint: "one" } });
  t.equal(first.status.code, 0);
  const gid = `unix:gid:${process.getegid?.()}`;
  await create({
    path: "/web",
    claims: { tenant: "other" },
    selectors: [OWN_SELECTOR, gid],
    more: { hint: "two", jwt_svid_include_jti: false },
  });
  await domain.startAgent();
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  const tokens = async () => {
    const { svids } = await client.fetchJwt(["a"]);
    return new Map(svids.map(({ hint, svid }) => [hint, svid]));
  };
  const claimsOf = (token = "") => parseCompact(token).claims;
  const before = await tokens();
  const uid = String(process.geteuid?.());
  t.match(claimsOf(before.get("one")), {
    sub: id("/web"),
    aud: ["a"],
    tenant: "acme",
    uid,
    at: "web@example.org",
    n: [1, true],
  });
  t.match(claimsOf(before.get("two")), { sub: id("/web"), tenant: "other" });
  t.same(await tokens(), before, "both are held");

  const validated = await client.validate("a", before.get("one") ?? "");
  t.match(validated.claims?.fields, { tenant: { stringValue: "acme" }, uid: { stringValue: uid } });

  // A change reaches the workload with the next token that it asks for.
  t.equal((await set(first.entry?.id ?? "", { tenant: "changed" }))?.code, 0);
  for (;;) {
    const now = claimsOf((await tokens()).get("one"));
    if (now["tenant"] === "acme") continue;
    t.equal(now["tenant"], "changed");
    t.notOk("uid" in now);
    break;
  }
  t.equal((await set(first.entry?.id ?? "", undefined))?.code, 0);
  for (;;) {
    const now = claimsOf((await tokens()).get("one"));
    if (now["tenant"] === "changed") continue;
    t.strictSame(Object.keys(now).sort(), ["aud", "exp", "iat", "sub"]);
    break;
  }
});

t.test("a family's claims have its members' values", async (t) => {
  const { domain, create } = await rig(t);
  const made = await create({
    path: "/users",
    template: { id: `${id("/users")}/{{unix.uid}}`, trust_agent: true },
    claims: { user: "u{{unix.uid}}", id: "{{spiffe_id}}", second: "{{path.2}}" },
    selectors: [`unix:gid:${process.getegid?.()}`],
  });
  t.equal(made.status.code, 0);
  await domain.startAgent();
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  const { svids } = await client.fetchJwt(["a"]);
  const uid = String(process.geteuid?.());
  t.match(parseCompact(svids[0]?.svid ?? "").claims, {
    sub: id(`/users/${uid}`),
    user: `u${uid}`,
    id: id(`/users/${uid}`),
    second: uid,
  });
});

t.test("what an entry cannot be given", async (t) => {
  const { create, set, admin } = await rig(t);
  const cases: readonly (readonly [string, object | string, RegExp])[] = [
    ["a registered claim", { sub: "spiffe://example.org/admin" }, /'sub' has a meaning of its own/],
    ["no json", "{", /are not json/],
    ["a selector that is not the entry's", { a: "{{k8s.ns}}" }, /no value for \{\{k8s.ns\}\}/],
    ["a segment that is not there", { a: "{{path.3}}" }, /no value for \{\{path.3\}\}/],
    ["a hint that is empty", { a: "{{hint}}" }, /no value for \{\{hint\}\}/],
    ["an unknown word", { a: "{{secret}}" }, /no value for \{\{secret\}\}/],
  ];
  for (const [name, claims, message] of cases) {
    t.match((await create({ path: "/x", claims })).status, { code: 3, message }, name);
  }
  const good = await create({ path: "/x", claims: { uid: "{{unix.uid}}" } });
  const entryId = good.entry?.id ?? "";
  t.match(await set(entryId, { exp: 1 }), { code: 3, message: /'exp' has a meaning/ });
  t.match(await set("nobody", { a: 1 }), { code: 5 });
  // The selector that a claim names cannot be taken away from under it.
  const update = await admin.unary<Results>("spire.api.server.entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: entryId, selectors: [{ type: "unix", value: "gid:1" }] }],
    input_mask: { selectors: true },
  });
  t.match(update.results[0]?.status, { code: 3, message: /no value for \{\{unix.uid\}\}/ });
  const got = await admin.unary<object>(SERVICE, "BatchGetClaims", { ids: [entryId, "nobody"] });
  t.same(got, { claims: [{ id: entryId, claims: { json: '{"uid":"{{unix.uid}}"}' } }] });
  const { status } = await create({
    path: "/f",
    template: { id: `${id("/f")}/{{unix.uid}}`, trust_agent: true },
    claims: { a: "{{unix.gid}}" },
  });
  t.match(status, { code: 3, message: /or a variable of its template/ });
});
