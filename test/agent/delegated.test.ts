import { spawn } from "node:child_process";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { connectUnix } from "../../src/rpc/channel.ts";
import type { FetchJWTSVIDsResponse__Output } from "../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/FetchJWTSVIDsResponse.ts";
import type { SubscribeToJWTBundlesResponse__Output } from "../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToJWTBundlesResponse.ts";
import type { SubscribeToX509BundlesResponse__Output } from "../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509BundlesResponse.ts";
import type { SubscribeToX509SVIDsResponse__Output } from "../../src/rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { parseCertificates } from "../../src/x509/certificate.ts";
import { refused } from "../support/refused.ts";
import { type AgentChange, Domain, OWN_SELECTOR, id } from "../support/running.ts";
import { TestCa } from "../support/test-ca.ts";
import { Watch } from "../support/workload-client.ts";

const SERVICE = "spire.api.agent.delegatedidentity.v1.DelegatedIdentity";
const POD = "k8s:pod-name:web";
const SLEEP = realpathSync("/bin/sleep");

class Delegate implements Disposable {
  readonly #channel;

  constructor(socket: string) {
    this.#channel = connectUnix(socket);
  }

  x509(request: object): Watch<SubscribeToX509SVIDsResponse__Output> {
    return this.#watch("SubscribeToX509SVIDs", request);
  }

  x509Bundles(): Watch<SubscribeToX509BundlesResponse__Output> {
    return this.#watch("SubscribeToX509Bundles", {});
  }

  jwtBundles(): Watch<SubscribeToJWTBundlesResponse__Output> {
    return this.#watch("SubscribeToJWTBundles", {});
  }

  jwt(request: object): Promise<FetchJWTSVIDsResponse__Output> {
    return this.#channel.unary(SERVICE, "FetchJWTSVIDs", request);
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }

  #watch<T extends object>(method: string, request: object): Watch<T> {
    const stream = this.#channel.stream<object, T>(SERVICE, method);
    stream.send(request).then(
      () => stream.end(),
      () => undefined,
    );
    return new Watch(stream);
  }
}

/** This process is the delegate. */
async function scene(change: AgentChange = {}) {
  const stack = new AsyncDisposableStack();
  const domain = stack.use(await Domain.start());
  const own = await domain.entry({ path: "/delegate" });
  const adminSocket = join(domain.dir, "admin", "admin.sock");
  await domain.startAgent({ adminSocket, authorizedDelegates: [id("/delegate")], ...change });
  const client = stack.use(new Delegate(adminSocket));
  return { domain, client, own, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const bySelectors = (...texts: string[]) => ({ selectors: texts.map(parseSelector) });

function idsOf({ x509_svids }: SubscribeToX509SVIDsResponse__Output): string[] {
  return x509_svids.map(({ x509_svid }) => {
    const { trust_domain = "", path = "" } = x509_svid?.id ?? {};
    return `spiffe://${trust_domain}${path}`;
  });
}

async function addForeign(domain: Domain, trustDomain: string): Promise<Uint8Array> {
  const { der } = await TestCa.create({ trustDomain });
  await domain.call("bundle.v1.Bundle", "BatchSetFederatedBundle", {
    bundle: [{ trust_domain: trustDomain, x509_authorities: [{ asn1: Buffer.from(der) }] }],
  });
  return der;
}

t.test("by selectors: nothing first, then SVIDs as entries come and go", async (t) => {
  await using at = await scene();
  const { client, domain } = at;
  await addForeign(domain, "other.test");
  using watch = client.x509(bySelectors(POD));
  t.same(await watch.next(), { x509_svids: [], federates_with: [] }, "no error");

  const more = { hint: "main", federates_with: ["other.test"] };
  const web = await domain.entry({ path: "/web", selectors: [POD], more });
  const one = await watch.next();
  t.same(idsOf(one), [id("/web")]);
  t.same(one.federates_with, ["spiffe://other.test"]);
  const [svid] = one.x509_svids;
  const leaf = new X509Certificate(svid?.x509_svid?.cert_chain[0] ?? Buffer.alloc(0));
  t.equal(leaf.subjectAltName, `URI:${id("/web")}`);
  const key = svid?.x509_svid_key ?? Buffer.alloc(0);
  t.ok(leaf.checkPrivateKey(createPrivateKey({ key, format: "der", type: "pkcs8" })));
  t.equal(Number(svid?.x509_svid?.expires_at) * 1000, leaf.validToDate.getTime());
  t.equal(svid?.x509_svid?.hint, "main");

  await domain.entry({ path: "/admin", selectors: [POD], more: { admin: true } });
  await domain.entry({ path: "/below", selectors: [POD], more: { downstream: true } });
  await domain.entry({ path: "/second", selectors: [POD] });
  t.same(idsOf(await watch.next()), [id("/web"), id("/second")], "of no administrator or server");
  await domain.deleteEntry(web);
  t.same(idsOf(await watch.next()), [id("/second")]);
});

t.test("by PID: what the process is, for as long as it is", async (t) => {
  await using at = await scene();
  const { client, domain } = at;
  await domain.entry({ path: "/sleep", selectors: [OWN_SELECTOR, `unix:path:${SLEEP}`] });
  const child = spawn(SLEEP, ["1000"]);
  t.teardown(() => child.kill("SIGKILL"));
  using watch = client.x509({ pid: child.pid });
  t.same(idsOf(await watch.next()), [id("/delegate"), id("/sleep")]);
  const { svids } = await client.jwt({ pid: child.pid, audience: ["db"] });
  t.same(
    svids.map((svid) => svid.id?.path),
    ["/delegate", "/sleep"],
  );
  const gone = refused(t, watch.next(), { kind: "not_found", message: /has ended/ });
  child.kill("SIGKILL");
  await gone;
  await refused(t, client.x509({ pid: child.pid }).next(), { kind: "not_found" });
});

t.test("JWT-SVIDs for the identities of others", async (t) => {
  await using at = await scene();
  const { client, domain } = at;
  await domain.entry({ path: "/web", selectors: [POD], more: { hint: "h" } });
  await domain.entry({ path: "/admin", selectors: [POD], more: { admin: true } });
  using watch = client.x509(bySelectors(POD));
  await watch.next();
  const { svids } = await client.jwt({ ...bySelectors(POD), audience: ["a", "b"] });
  t.equal(svids.length, 1);
  const [svid] = svids;
  t.match(svid, { id: { trust_domain: "example.org", path: "/web" }, hint: "h" });
  const claims = JSON.parse(
    Buffer.from(svid?.token.split(".")[1] ?? "", "base64url").toString(),
  ) as Record<string, unknown>;
  t.match(claims, { sub: id("/web"), aud: ["a", "b"], exp: Number(svid?.expires_at) });
  t.equal(claims["iat"], Number(svid?.issued_at));
  await refused(t, client.jwt({ ...bySelectors("k8s:pod-name:db"), audience: ["a"] }), {
    kind: "denied",
    message: /no identity issued/,
  });
});

t.test("all bundles that the agent knows", async (t) => {
  await using at = await scene();
  const { client, domain } = at;
  using x509 = client.x509Bundles();
  using jwt = client.jwtBundles();
  const one = await x509.next();
  t.same(Object.keys(one.ca_certificates), ["spiffe://example.org"]);
  t.equal(
    parseCertificates(one.ca_certificates["spiffe://example.org"] ?? Buffer.alloc(0)).length,
    1,
  );
  const keys = JSON.parse(String((await jwt.next()).bundles["spiffe://example.org"])) as {
    keys: { kid: string }[];
  };
  t.ok(keys.keys[0]?.kid);

  const der = await addForeign(domain, "other.test");
  await domain.entry({ path: "/web", selectors: [POD], more: { federates_with: ["other.test"] } });
  const two = await x509.next();
  t.same(two.ca_certificates["spiffe://other.test"], Buffer.from(der));
  t.same(Object.keys((await jwt.next()).bundles), ["spiffe://example.org", "spiffe://other.test"]);
});

t.test("only who has one of the configured SPIFFE IDs, and only while it does", async (t) => {
  await using at = await scene();
  const { client, domain, own } = at;
  using x509 = client.x509(bySelectors(POD));
  using bundles = client.x509Bundles();
  await Promise.all([x509.next(), bundles.next()]);
  const over = { kind: "denied", message: /no identity issued/ } as const;
  const ended = [refused(t, x509.next(), over), refused(t, bundles.next(), over)];
  await domain.deleteEntry(own);
  await Promise.all(ended);
  await domain.entry({ path: "/somebody" });
  await refused(
    t,
    // The agent may not have heard of it yet.
    (async () => {
      for (;;) {
        await client
          .x509Bundles()
          .next()
          .catch((error: Error) => {
            if (!/no identity/.test(error.message)) throw error;
          });
      }
    })(),
    { kind: "denied", message: /not configured as an authorized delegate/ },
  );
});

t.test("without configured delegates nobody is one", async (t) => {
  await using at = await scene({ authorizedDelegates: [] });
  const { client } = at;
  const expected = { kind: "denied", message: /not configured/ } as const;
  await refused(t, client.x509(bySelectors(POD)).next(), expected);
  await refused(t, client.x509Bundles().next(), expected);
  await refused(t, client.jwtBundles().next(), expected);
  await refused(t, client.jwt({ ...bySelectors(POD), audience: ["a"] }), expected);
});

t.test("hostile requests", async (t) => {
  const many = Array.from({ length: 1001 }, (_, i) => `k8s:pod-name:${i}`);
  const cases: readonly (readonly [string, object, "invalid" | "not_found"])[] = [
    ["nobody named", {}, "invalid"],
    ["selectors and a pid", { ...bySelectors(POD), pid: process.pid }, "invalid"],
    ["a pid below 0", { pid: -1 }, "invalid"],
    ["a pid that nobody has", { pid: 0x7fffffff }, "not_found"],
    ["too many selectors", bySelectors(...many), "invalid"],
    ["a selector without a type", { selectors: [{ type: "", value: "x" }] }, "invalid"],
    ["a selector without a value", { selectors: [{ type: "k8s", value: "" }] }, "invalid"],
    ["a type with a colon", { selectors: [{ type: "k8s:ns", value: "x" }] }, "invalid"],
    ["a value too long", { selectors: [{ type: "k8s", value: "x".repeat(1e6) }] }, "invalid"],
  ];
  await using at = await scene();
  const { client } = at;
  for (const [name, request, kind] of cases) {
    await refused(t, client.x509(request).next(), { kind }, name);
    await refused(t, client.jwt({ ...request, audience: ["a"] }), { kind }, name);
  }
  await refused(t, client.jwt(bySelectors(POD)), { kind: "invalid", message: /audience/ });
});
