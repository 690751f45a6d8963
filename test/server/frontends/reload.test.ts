/** What of the front ends changes while they listen (SIGHUP). */
import t from "tap";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import { acmeLimits } from "../../../src/config/sections/acme-limits-section.ts";
import { acmeNames } from "../../../src/config/sections/acme-names-section.ts";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import type { AcmeAuthorization, AcmeOrder, AcmeProblemBody } from "../../support/acme-client.ts";
import { refused } from "../../support/refused.ts";
import { type TestServer, startTestServer } from "../../support/server.ts";
import { mint } from "../api/calls.ts";
import { WEB, acmeRig, issue, meet, problem, readChain } from "./acme-rig.ts";
import { CERTIFICATES, ask, entry } from "./ask-certificate.ts";

async function reload(server: TestServer, change: Partial<ServerConfig>): Promise<void> {
  const config = { ...server.config, ...change };
  await server.server.reload(async () => ({ config, settings: [] }));
}

t.test("acme: all but its address", async (t) => {
  const rig = await acmeRig(t, { server: { authoritySets: new Map([["web", WEB]]) } });
  const { server } = rig;
  const acme = server.config.frontends?.acme;
  if (acme === undefined) throw new Error("there is no acme");
  const client = await rig.client();
  const before = await client.order(["a.example.org"]);
  const change = (next: Partial<typeof acme>): Promise<void> =>
    reload(server, { frontends: { acme: { ...acme, ...next } } });
  const validation = { ...acme.validation, httpPort: 1, caaIdentities: ["ca.example.org"] };
  await change({
    set: "web",
    profiles: ["server-90d"],
    orderTtlSeconds: 3600,
    authorizationTtlSeconds: 7200,
    termsOfService: "https://example.org/terms",
    website: "https://example.org",
    names: acmeNames({ dns: ["a.example.org"], ip: [], externalAccountRequired: true }),
    validation,
  });
  const { body: directory } = await client.get(rig.directory);
  t.match(directory["meta"], {
    termsOfService: "https://example.org/terms",
    website: "https://example.org",
    caaIdentities: ["ca.example.org"],
    externalAccountRequired: true,
  });
  const { profiles } = directory["meta"] as { profiles: object };
  t.same(Object.keys(profiles), ["server-90d", "spiffe"]);
  const stranger = await rig.stranger();
  const registered = await stranger.register({ termsOfServiceAgreed: true });
  t.match(registered.body["type"], /:externalAccountRequired$/);
  const refusedNow = await client.order(["a.example.org"]);
  t.match(refusedNow.body, { type: /:rejectedIdentifier$/ }, "an account from before");

  await change({ set: "web", orderTtlSeconds: 3600, validation });
  const endOf = async ({ headers: { location = "" } }: typeof before): Promise<AcmeOrder> =>
    (await client.post<AcmeOrder>(location, "")).body;
  t.equal((await endOf(before)).expires, before.body.expires, "an order from before ends as said");
  const failing = await client.order(["b.example.org"]);
  const ends = Date.parse(failing.body.expires) - server.clock.nowMs();
  t.ok(ends > 3_590_000 && ends <= 3_600_000, "an hour");
  const [url = ""] = failing.body.authorizations;
  const { body } = await client.post<AcmeAuthorization>(url, "");
  const challenge = body.challenges.find(({ type }) => type === "http-01");
  await client.post(challenge?.url ?? "", {});
  t.equal((await client.until<AcmeOrder>(url, ["valid", "invalid"])).body.status, "invalid");

  await change({ set: "web", authorizationTtlSeconds: 7200 });
  const made = await issue(rig, client, ["a.example.org"], { profile: "server-90d" });
  const { leaf } = readChain(made.pem);
  t.ok(leaf.notAfter - leaf.notBefore > 89 * 24 * 3600, "the set's life");
  const [met = ""] = made.order.body.authorizations;
  const valid = await client.post<{ expires: string }>(met, "");
  t.ok(Date.parse(valid.body.expires) - server.clock.nowMs() <= 7_200_000);
  const { expires } = await endOf(before);
  t.equal(expires, valid.body.expires, "an order from before ends with its authorization");

  await change({ limits: { ...acmeLimits(undefined), ordersPerAccountPerHour: 1 } });
  t.equal((await client.order(["c.example.org"])).status, 201);
  const limited = await client.post<AcmeProblemBody>(client.url("newOrder"), {
    identifiers: [{ type: "dns", value: "c.example.org" }],
  });
  problem(t, limited, ["rateLimited", 429], "one an hour");
  t.match((await client.get(rig.directory.replace("directory", "acme/limits"))).text, /most 1 new/);
});

t.test("certificate profiles: what is signed, and how long authorities have to last", async (t) => {
  const rig = await acmeRig(t, {
    acme: { set: "web", profiles: ["server-7d"] },
    server: { authoritySets: new Map([["web", { ...WEB, profiles: ["server-7d"] }]]) },
  });
  const { server } = rig;
  const client = await rig.client();
  const order = await client.order(["a.example.org"]);
  await meet(rig, client, order.body);
  const life = async (): Promise<number> => {
    const { pem } = await issue(rig, client, ["a.example.org"]);
    const { leaf } = readChain(pem);
    return Math.round((leaf.notAfter - leaf.notBefore) / 3600);
  };
  t.equal(await life(), 7 * 24);
  const profile = BUILT_IN_PROFILES.get("server-7d");
  if (profile === undefined) throw new Error("there is no server-7d");
  const ttl = (hours: number) =>
    new Map([
      ...BUILT_IN_PROFILES,
      ["server-7d", { ...profile, ttlSeconds: hours * 3600, maxTtlSeconds: hours * 3600 }] as const,
    ]);
  await reload(server, { certificateProfiles: ttl(2) });
  t.equal(await life(), 2);
  // Longer than was thought of when the authority was made, and still within it.
  await reload(server, { certificateProfiles: ttl(100 * 24) });
  t.equal(await life(), 100 * 24);
});

t.test("certificates: it comes, changes and goes", async (t) => {
  const server = await startTestServer(t);
  await server.createEntry(
    entry("/web", "/host", "unix:uid:1", { dns_names: ["web.example.org"] }),
  );
  const identity = await mint(server, "/web", 3600);
  const off = { message: /certificates are off here/ };
  await refused(t, ask(server, {}, { identity }), off);
  await reload(server, { frontends: { certificates: CERTIFICATES } });
  t.match((await ask(server, {}, { identity })).names, ["DNS:web.example.org", /^URI:/]);
  await refused(t, ask(server, { ip_addresses: ["10.9.9.9"] }, { identity }), { kind: "denied" });
  await reload(server, { frontends: { certificates: { ...CERTIFICATES, ttlSeconds: 60 } } });
  const { leaf } = await ask(server, {}, { identity });
  t.equal(leaf.notAfter - leaf.notBefore, 70);
  await reload(server, {});
  await refused(t, ask(server, {}, { identity }), off);
});
