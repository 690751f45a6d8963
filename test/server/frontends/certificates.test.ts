/** Certificates with names and addresses: who may have which, on a real server (requirement T11). */
import { X509Certificate } from "node:crypto";
import t from "tap";
import { Networks, canonicalAddress } from "../../../src/base/networks.ts";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { NewCertificateRequest } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateRequest.ts";
import { LIFE } from "../../attestors/kubernetes-peers.ts";
import { TestIssuer, oidcConfig, oidcSection } from "../../support/oidc-issuer.ts";
import { type Refusal, refused } from "../../support/refused.ts";
import { serverConfigOf } from "../../support/file-settings.ts";
import { type TlsIdentity, identityOf, startTestServer } from "../../support/server.ts";
import { TestCa } from "../../support/test-ca.ts";
import { mint } from "../api/calls.ts";
import { CERTIFICATES, CERTIFICATE_SERVICE, ask, entry, issuances } from "./ask-certificate.ts";

const DAY = 24 * 3600;

t.test("addresses and networks are read strictly", async (t) => {
  for (const [text, canonical] of [
    ["10.0.0.1", "10.0.0.1"],
    ["0:0::1", "::1"],
    ["FD00:0:0:0:1::2", "fd00::1:0:0:2"],
  ] as const) {
    t.equal(canonicalAddress(text), canonical);
  }
  for (const text of [
    "",
    "10.0.0",
    "010.0.0.1",
    "1.2.3.4/8",
    "fe80::1%eth0",
    "::ffff:10.0.0.1",
    "host",
  ]) {
    t.throws(() => canonicalAddress(text), { kind: "invalid", message: /IP/ }, text);
  }
  const networks = Networks.parse(["10.0.0.0/8", "fd00::/8", "192.0.2.1"]);
  for (const [address, isIn] of [
    ["10.255.255.255", true],
    ["11.0.0.0", false],
    ["fdff::1", true],
    ["fe00::1", false],
    ["192.0.2.1", true],
    ["192.0.2.2", false],
  ] as const) {
    t.equal(networks.has(address), isIn, address);
  }
  for (const text of [
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "all",
  ]) {
    t.throws(() => Networks.parse([text]), { kind: "invalid", message: /network|address/ }, text);
  }
});

t.test("T11: an entry's names, and addresses of the networks that its path has", async (t) => {
  const server = await startTestServer(t, {
    config: { frontends: { certificates: { ...CERTIFICATES, ttlSeconds: 900 } } },
  });
  const web = await server.createEntry(
    entry("/web/front", "/host", "unix:uid:1", {
      dns_names: ["front.example.org", "*.front.example.org"],
    }),
  );
  await server.createEntry(
    entry("/website", "/host", "unix:uid:2", { dns_names: ["site.example.org"] }),
  );
  const front = await mint(server, "/web/front", 3600);
  const site = await mint(server, "/website", 3600);
  const nobody = await mint(server, "/nobody", 3600);

  const whole = await ask(server, { ip_addresses: ["10.1.2.3", "fd00:1::9"] }, { identity: front });
  t.same(whole.names, [
    "DNS:*.front.example.org",
    "DNS:front.example.org",
    "IP Address:10.1.2.3",
    "IP Address:FD00:1:0:0:0:0:0:9",
    "URI:spiffe://example.org/web/front",
  ]);
  t.equal(whole.leaf.notAfter - whole.leaf.notBefore, 910);
  t.match((await issuances(server)).at(-1), {
    caller: { role: "workload", id: "spiffe://example.org/web/front" },
    subject: { rule: "svid", entryId: web, serial: whole.response.serial },
  });
  t.match((await ask(server, { ip_addresses: ["192.0.2.7"] }, { identity: site })).names, {
    length: 3,
  });

  const cases: readonly (readonly [string, TlsIdentity, NewCertificateRequest, Refusal])[] = [
    ["below a path is not beside it", site, { ip_addresses: ["10.1.2.3"] }, { kind: "denied" }],
    ["outside of the network", front, { ip_addresses: ["10.2.0.1"] }, { kind: "denied" }],
    ["one good, one bad", front, { ip_addresses: ["10.1.0.1", "10.2.0.1"] }, { kind: "denied" }],
    [
      "a name that the wildcard covers",
      front,
      { dns_names: ["a.front.example.org"] },
      { kind: "denied" },
    ],
    ["another entry's name", site, { dns_names: ["front.example.org"] }, { kind: "denied" }],
    ["no entry", nobody, {}, { kind: "denied", message: /has no role/ }],
    ["a token as well", front, { token: "x" }, { kind: "invalid", message: /proof/ }],
    ["another ID", front, { spiffe_id: "spiffe://example.org/website" }, { kind: "denied" }],
    ["too long", front, { ttl: 901 }, { kind: "denied" }],
  ];
  for (const [name, identity, request, expected] of cases) {
    await refused(t, ask(server, request, { identity }), expected, name);
  }
  const bare = server.connect().unary(CERTIFICATE_SERVICE, "NewCertificateBySVID", {});
  await refused(t, bare, { kind: "denied" }, "no certificate");
  const ca = await TestCa.create(LIFE);
  const foreign = await ca.leaf({ ...LIFE, spiffeId: "spiffe://example.org/web/front" });
  await refused(
    t,
    ask(server, {}, { identity: foreign }),
    { kind: "denied", message: /not trusted/ },
    "a foreign one",
  );

  // Another node serves the same ID with another name: an SVID does not say which of the two it is.
  await server.createEntry(
    entry("/website", "/host2", "unix:uid:2", {
      dns_names: ["two.example.org", "site.example.org"],
    }),
  );
  t.same((await ask(server, {}, { identity: site })).names, [
    "DNS:site.example.org",
    "URI:spiffe://example.org/website",
  ]);
  const two = ask(server, { dns_names: ["two.example.org"] }, { identity: site });
  await refused(t, two, { kind: "denied" }, "a name that one of them has");

  // It renews by itself while its entry lives.
  const key = await generateKey("ec-p256");
  const held = await ask(server, { dns_names: ["front.example.org"] }, { identity: front, key });
  const own = identityOf(held.response.chain, key.pkcs8);
  t.match((await ask(server, { dns_names: ["front.example.org"] }, { identity: own })).names, {
    length: 2,
  });
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", { ids: [web] });
  await refused(t, ask(server, {}, { identity: own }), { kind: "denied" }, "the entry is gone");
});

t.test("the member of a family shows its SVID, and has the names of all", async (t) => {
  const server = await startTestServer(t, {
    config: { frontends: { certificates: CERTIFICATES } },
  });
  const family = async (path: string, template: string, more: object): Promise<string> => {
    const { results } = await server.admin.unary<{
      results: { status: { message: string }; entry: { id: string } | null }[];
    }>("assay.template.v1.Templates", "BatchCreateEntry", {
      entries: [
        {
          entry: entry(path, "/host", "k8s:ns:shop", more),
          template: { id: `spiffe://example.org${path}/${template}` },
        },
      ],
    });
    const [result] = results;
    if (result?.entry === null || result === undefined) throw new Error(result?.status.message);
    return result.entry.id;
  };
  const names = { dns_names: ["pods.example.org", "all.example.org"] };
  const pods = await family("/web", "{{k8s.ns}}/sa/{{k8s.sa}}", names);
  const member = await mint(server, "/web/shop/sa/front", 3600);
  const given = await ask(server, { ip_addresses: ["10.1.2.3"] }, { identity: member });
  t.same(given.names, [
    "DNS:all.example.org",
    "DNS:pods.example.org",
    "IP Address:10.1.2.3",
    "URI:spiffe://example.org/web/shop/sa/front",
  ]);
  t.match((await issuances(server)).at(-1), {
    caller: { role: "workload", id: "spiffe://example.org/web/shop/sa/front" },
    subject: { rule: "svid", entryId: pods, spiffeId: "spiffe://example.org/web/shop/sa/front" },
  });
  // It is an SVID, too: it must not renew itself when its workload, for which the agent has others made, is gone.
  const notAfter = Date.parse(new X509Certificate(member.certPem).validTo) / 1000;
  t.equal(given.leaf.notAfter, notAfter, "it ends with the SVID that was shown");
  await server.clock.advance(600_000);
  const key = await generateKey("ec-p256");
  const held = await ask(server, { ttl: 60 }, { identity: member, key });
  t.equal(held.leaf.notAfter, Math.floor(server.clock.nowMs() / 1000) + 60);
  const own = identityOf(held.response.chain, key.pkcs8);
  t.equal((await ask(server, {}, { identity: own })).leaf.notAfter, held.leaf.notAfter);
  await refused(t, ask(server, { ttl: 61 }, { identity: own }), {
    kind: "denied",
    message: /lives 60 seconds at most/,
  });
  const short = {
    ...names,
    dns_names: ["all.example.org"],
    expires_at: Math.floor(server.clock.nowMs() / 1000) + 60,
  };
  const brief = await family("/web/shop", "sa/{{k8s.sa}}", short);
  t.same((await ask(server, {}, { identity: member })).names, [
    "DNS:all.example.org",
    "URI:spiffe://example.org/web/shop/sa/front",
  ]);
  server.clock.step(61_000);
  t.match((await ask(server, {}, { identity: member })).names, { length: 3 }, brief);

  const noRole = { kind: "denied", message: /has no role/ } as const;
  for (const path of ["/web", "/web/shop/sa", "/web/shop/sa/front/x", "/web/shop/sb/front"]) {
    const identity = await mint(server, path, 3600);
    await refused(t, ask(server, {}, { identity }), noRole, path);
  }
  const admin = await server.createEntry(
    entry("/web/a/sa/b", "/host", "unix:uid:1", { admin: true, dns_names: ["admin.example.org"] }),
  );
  const powerful = await mint(server, "/web/a/sa/b", 3600);
  t.match((await ask(server, {}, { identity: powerful })).names, [
    "DNS:admin.example.org",
    "URI:spiffe://example.org/web/a/sa/b",
  ]);
  const ids = [pods, admin];
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", { ids });
  await refused(t, ask(server, {}, { identity: member }), noRole, "the family is gone");
});

t.test("a one-time token counts for one key, and a refused wish spends nothing", async (t) => {
  const server = await startTestServer(t, {
    config: { frontends: { certificates: CERTIFICATES } },
  });
  const once = (entry_id: string, path: string, parent: string) =>
    server.createEntry(
      entry(path, parent, `token:once:entry:${entry_id}`, {
        id: entry_id,
        dns_names: [`${entry_id}.test`],
      }),
    );
  await once("vm1", "/web/vm1", "/spire/once");
  await once("vm2", "/web/vm2", "/host");
  const token = async (entry_id: string, ttl = 60): Promise<string> => {
    const request = { entry_id, ttl };
    return (
      await server.admin.unary<{ token: string }>("assay.token.v1.OneTime", "Create", request)
    ).token;
  };
  const first = { one_time_token: await token("vm1") };
  await refused(t, ask(server, { ...first, ip_addresses: ["10.2.0.1"] }), {
    kind: "denied",
    message: /no network/,
  });
  await refused(t, ask(server, { ...first, dns_names: ["vm2.test"] }), {
    kind: "denied",
    message: /vm2\.test/,
  });
  const keys = await Promise.all(Array.from({ length: 16 }, () => generateKey("ec-p256")));
  const outcomes = await Promise.allSettled(keys.map((key) => ask(server, first, { key })));
  const won = outcomes.flatMap(({ status }, at) => (status === "fulfilled" ? [at] : []));
  t.equal(won.length, 1, "one of sixteen that came together");
  const winner = keys[won[0] ?? 0];
  if (winner === undefined) throw new Error("nobody had it");
  t.match(
    (await ask(server, first, { key: winner })).names,
    { length: 2 },
    "a lost answer is asked for again",
  );
  await refused(t, ask(server, first), {
    kind: "denied",
    message: /the proof gives no certificate/,
  });
  t.match((await issuances(server)).at(-1), {
    caller: { role: "token", id: "once:vm1" },
    subject: { rule: "once", entryId: "vm1" },
  });

  const late = { one_time_token: await token("vm1", 5) };
  await server.clock.advance(5000);
  const cases: readonly (readonly [string, NewCertificateRequest])[] = [
    ["expired", late],
    ["of an entry that agents serve", { one_time_token: await token("vm2") }],
    ["made up", { one_time_token: `once-${"A".repeat(43)}` }],
    ["a join token", { one_time_token: await server.createToken() }],
  ];
  for (const [name, request] of cases)
    await refused(t, ask(server, request), { kind: "denied" }, name);
  await refused(
    t,
    ask(server, { one_time_token: "x".repeat(257) }),
    { kind: "invalid" },
    "too long",
  );
});

t.test(
  "a job's token has the entry below its issuer, for as long as the issuer allows",
  async (t) => {
    await using issuer = await TestIssuer.start();
    const section = oidcSection(issuer, { attestNodes: false, fetch: { maxTtl: 300 } });
    const config = { ...oidcConfig(section), frontends: { certificates: CERTIFICATES } };
    const server = await startTestServer(t, { config });
    await server.createEntry(entry("/web/job", "/spire/token/ci", "oidc:ci:repository:acme/app"));
    const token = (): string =>
      issuer.token({ claims: { repository: "acme/app", jti: String(Math.random()) } });
    const text = token();
    await refused(t, ask(server, { token: text }), {
      kind: "invalid",
      message: /would have no name/,
    });
    const { names, leaf } = await ask(server, { token: text, ip_addresses: ["10.1.0.9"] });
    t.same(names, ["IP Address:10.1.0.9", "URI:spiffe://example.org/web/job"]);
    t.equal(leaf.notAfter - leaf.notBefore, 310);
    const key = await generateKey("ec-p256");
    const held = await ask(server, { token: token(), ip_addresses: ["10.1.0.9"] }, { key });
    const identity = identityOf(held.response.chain, key.pkcs8);
    await refused(t, ask(server, { ip_addresses: ["10.1.0.9"] }, { identity }), {
      kind: "denied",
      message: /bring a token each time.* --via oidc/,
    });
    t.match((await issuances(server)).at(-1), { caller: { role: "token", id: /^oidc:ci:sub:/ } });
    // With an agent's entry of the same ID it cannot be told from a workload's.
    const dns_names = ["db.example.org"];
    const agents = entry("/web/job", "/host", "unix:uid:7", { dns_names });
    const ids = [await server.createEntry(agents)];
    await refused(t, ask(server, { dns_names }, { identity }), {
      kind: "denied",
      message: /dns name db.example.org is none of entry/,
    });
    const follower = await ask(server, { ip_addresses: ["10.1.0.9"] }, { identity });
    t.equal(follower.leaf.notAfter, held.leaf.notAfter, "it ends with what was shown");
    await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", { ids });
    const other = ask(server, { token: text, ip_addresses: ["10.1.0.9"] });
    await refused(
      t,
      other,
      { kind: "denied", message: /the proof gives no certificate/ },
      "another key",
    );
    await refused(t, ask(server, { token: token(), ip_addresses: ["10.9.0.9"] }), {
      kind: "denied",
      message: /no network/,
    });
    await refused(t, ask(server, { token: "a.b.c" }), { kind: "denied" });
  },
);

t.test(
  "another set signs the names alone, and its roots of today and tomorrow go along",
  async (t) => {
    const profiles = ["server-90d"];
    const web = {
      keyType: "ec-p256",
      ttlSeconds: 365 * DAY,
      upstreamAuthority: {},
      profiles,
    } as const;
    const certificates = { ...CERTIFICATES, set: "web", profile: "server-90d" };
    const { server: running, ...server } = await startTestServer(t, {
      config: {
        authoritySets: new Map([["web", web]]),
        certificateProfiles: BUILT_IN_PROFILES,
        frontends: { certificates },
      },
    });
    const names = { dns_names: ["front.example.org"], x509_svid_ttl: 60 };
    await server.createEntry(entry("/web/front", "/host", "unix:uid:1", names));
    const identity = await mint({ ...server, server: running }, "/web/front", 3600);
    const whole = { ...server, server: running };
    const first = await ask(whole, { ip_addresses: ["10.1.2.3"] }, { identity });
    t.same(first.names, ["DNS:front.example.org", "IP Address:10.1.2.3"]);
    t.equal(first.response.spiffe_id, null);
    t.equal(
      first.leaf.notAfter - first.leaf.notBefore,
      90 * DAY + 10,
      "an SVID's life is none of its",
    );
    const set = running.authoritySets.get("web");
    await set.prepare("x509");
    const { response } = await ask(whole, {}, { identity });
    t.equal(response.bundle.length, 2);
    t.same(response.bundle[0], set.activeX509().root, "that of its own chain first");
  },
);

t.test("what the section may not say", async (t) => {
  const configOf = (certificates: object, more: object = {}) =>
    serverConfigOf({ frontends: { certificates }, ...more }).frontends?.certificates;
  t.match(configOf({}), { set: "trust-domain", profile: "spiffe", ttlSeconds: 0 });
  t.match(configOf({ set: "web" }, { authoritySets: { web: {} } }), { profile: "server-90d" });
  t.equal(
    configOf({ networks: { "/a/b": "10.0.0.0/8, ::1" } })
      ?.networks.get("/a/b")
      ?.has("::1"),
    true,
  );
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ set: "web" }, /authoritySets has no web/],
    [{ profile: "x" }, /no certificate profile x/],
    [{ networks: { "/a": ["10.0.0.0/40"] } }, /networks\.\/a: '10\.0\.0\.0\/40' is no network/],
    [{ networks: { a: ["10.0.0.0/8"] } }, /networks/],
    [{ networks: { "/a/": ["10.0.0.0/8"] } }, /networks/],
    [{ clusters: { demo: {} } }, /k8sPsat\.clusters has no demo/],
    [{ ttl: "5s" }, /ttl/],
  ];
  for (const [section, message] of cases) {
    t.throws(() => configOf(section), { message }, JSON.stringify(section));
  }
  const psat = { k8sPsat: { clusters: { demo: { serviceAccounts: ["assay:agent"] } } } };
  const nodeAttestors = { nodeAttestors: psat };
  t.match(configOf({ clusters: { demo: {} } }, nodeAttestors)?.clusters.get("demo"), {
    audiences: ["assay-certificate"],
    names: ["address"],
    hostNetwork: false,
  });
  for (const [demo, message] of [
    [{ audiences: ["assay", "spire-server"] }, /tokens for spire-server attest agents/],
    [{ clusterDomain: "a b" }, /clusterDomain: dns name/],
    [{ names: ["ip"] }, /names/],
  ] as const) {
    t.throws(
      () => configOf({ clusters: { demo } }, nodeAttestors),
      { message },
      JSON.stringify(demo),
    );
  }
  const more = { authoritySets: { web: { profiles: ["server-7d"] } } };
  t.throws(() => configOf({ set: "web" }, more), { message: /does not sign server-90d/ });
});

t.test("it is off unless asked for", async (t) => {
  const server = await startTestServer(t);
  const pod = { cluster: "demo", token: "good" };
  await refused(t, ask(server, { pod }), {
    kind: "precondition",
    message: /frontends\.certificates/,
  });
});
