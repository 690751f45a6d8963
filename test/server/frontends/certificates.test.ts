/** Certificates with names and addresses: who may have which, on a real server (requirements T5, T7, T11). */
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Networks, canonicalAddress } from "../../../src/base/networks.ts";
import type { CertificatesConfig } from "../../../src/config/certificates-front-end.ts";
import type { ServerConfig } from "../../../src/config/server.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { NewCertificateRequest } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateRequest.ts";
import type { NewCertificateResponse__Output } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateResponse.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { createCsr } from "../../../src/x509/csr.ts";
import { LIFE, folder, secureServer } from "../../attestors/kubernetes-peers.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import { TestIssuer, oidcConfig, oidcSection } from "../../support/oidc-issuer.ts";
import { type Refusal, refused } from "../../support/refused.ts";
import {
  type TestServer,
  type TlsIdentity,
  identityOf,
  startTestServer,
} from "../../support/server.ts";
import { TestCa } from "../../support/test-ca.ts";
import { id, mint } from "../api/calls.ts";

const SERVICE = "assay.certificate.v1.Certificates";

const CERTIFICATES: CertificatesConfig = {
  set: "trust-domain",
  profile: "spiffe",
  ttlSeconds: 0,
  networks: new Map([
    ["/web", Networks.parse(["10.1.0.0/16", "fd00:1::/32"])],
    ["/", Networks.parse(["192.0.2.7"])],
  ]),
  clusters: new Map(),
};

type Key = Awaited<ReturnType<typeof generateKey>>;

/** A call with a new key, unless told otherwise. */
async function ask(
  server: TestServer,
  request: NewCertificateRequest,
  { key, identity }: { readonly key?: Key; readonly identity?: TlsIdentity } = {},
) {
  const { signer } = key ?? (await generateKey("ec-p256"));
  // What a request says of names is nobody's word.
  const csr = await createCsr({ uris: ["spiffe://example.org/admin"], dnsNames: ["evil"], signer });
  const method = identity === undefined ? "NewCertificateByToken" : "NewCertificateBySVID";
  const response = await server
    .connect(identity)
    .unary<NewCertificateResponse__Output>(SERVICE, method, { ...request, csr });
  const leaf = response.chain[0] ?? new Uint8Array();
  const { subjectAltName = "" } = new X509Certificate(leaf);
  return { response, leaf: parseCertificate(leaf), names: subjectAltName.split(", ").sort() };
}

async function issuances(server: TestServer) {
  const records = await readAuditLog(server.dataDir);
  return records.filter(({ kind, action }) => kind === "issuance" && /certificates/.test(action));
}

function entry(path: string, parent: string, selector: string, more: object = {}): object {
  const at = selector.indexOf(":");
  return {
    spiffe_id: id(path),
    parent_id: id(parent),
    selectors: [{ type: selector.slice(0, at), value: selector.slice(at + 1) }],
    ...more,
  };
}

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

/** A pod as the API server has it, and what changes from case to case. */
function podObject(change: {
  readonly metadata?: object;
  readonly spec?: object;
  readonly status?: object;
}) {
  return {
    metadata: {
      name: "web-0",
      namespace: "shop",
      uid: "u1",
      labels: { app: "web" },
      ...change.metadata,
    },
    spec: { serviceAccountName: "web", nodeName: "n1", subdomain: "web", ...change.spec },
    status: {
      phase: "Running",
      podIP: "10.9.0.5",
      podIPs: [{ ip: "10.9.0.5" }, { ip: "fd00:9:0:0::5" }],
      ...change.status,
    },
  };
}

/** An API server that takes the token `good` for pod web-0. */
async function fakeCluster(
  t: Test,
  pod: () => object | undefined,
): Promise<ServerConfig["nodeAttestors"]> {
  const answer: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (request.url === "/apis/authentication.k8s.io/v1/tokenreviews") {
        const { spec } = JSON.parse(Buffer.concat(parts).toString()) as {
          spec: { token: string; audiences: string[] };
        };
        const user = {
          username: "system:serviceaccount:shop:web",
          extra: {
            "authentication.kubernetes.io/pod-name": ["web-0"],
            "authentication.kubernetes.io/pod-uid": ["u1"],
          },
        };
        const status =
          spec.token === "good"
            ? { authenticated: true, audiences: spec.audiences, user }
            : { authenticated: false, error: "token is of yesterday" };
        response.writeHead(201).end(JSON.stringify({ status }));
        return;
      }
      const found = request.url === "/api/v1/namespaces/shop/pods/web-0" ? pod() : undefined;
      response.writeHead(found === undefined ? 404 : 200).end(JSON.stringify(found ?? {}));
    });
  };
  const { server, serverName, authorities } = await secureServer(t, answer);
  const kubeconfig = join(folder(t), "kubeconfig");
  const text = authorities !== undefined && "text" in authorities ? authorities.text : "";
  const data = Buffer.from(text).toString("base64");
  const cluster = { server, "certificate-authority-data": data, "tls-server-name": serverName };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      "current-context": "c",
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user: { token: "admin" } }],
    }),
  );
  return {
    k8sPsat: {
      clusters: new Map([
        [
          "demo",
          {
            serviceAccounts: ["assay:agent"],
            audiences: ["spire-server"],
            kubeconfig,
            apiServer: server,
            caFile: "",
            tokenFile: "",
            allowedNodeLabels: [],
            allowedPodLabels: [],
          },
        ],
      ]),
    },
  };
}

t.test("T5: a pod's certificate has the addresses and names of its API object", async (t) => {
  let pod: object | undefined = podObject({});
  const nodeAttestors = await fakeCluster(t, () => pod);
  const cluster = {
    audiences: ["assay-certificate"],
    names: ["address", "subdomain", "hostname"] as const,
    clusterDomain: "cluster.local",
    hostNetwork: false,
  };
  const certificates = { ...CERTIFICATES, clusters: new Map([["demo", cluster]]) };
  const server = await startTestServer(t, {
    config: { nodeAttestors, frontends: { certificates } },
  });
  const pods = "/spire/pod/demo";
  const proof = { pod: { cluster: "demo", token: "good" } };
  await refused(t, ask(server, proof), {
    kind: "denied",
    message: /no entry below .* matches pod shop\/web-0/,
  });
  await server.createEntry(
    entry("/shop/web", pods, "k8s:sa:web", { dns_names: ["Web.example.org"], x509_svid_ttl: 600 }),
  );

  const { response, leaf, names } = await ask(server, proof);
  const all = [
    "DNS:10-9-0-5.shop.pod.cluster.local",
    "DNS:fd00-9-0-0-0-0-0-5.shop.pod.cluster.local",
    "DNS:web-0",
    "DNS:web-0.web.shop.svc.cluster.local",
    "DNS:web.example.org",
    "IP Address:10.9.0.5",
    "IP Address:FD00:9:0:0:0:0:0:5",
    "URI:spiffe://example.org/shop/web",
  ];
  t.same(names, all);
  t.same(response.ip_addresses, ["10.9.0.5", "fd00:9::5"]);
  t.match(response.spiffe_id, id("/shop/web"));
  t.equal(leaf.notAfter - leaf.notBefore, 610, "the entry's life, and ten seconds back");
  t.equal(leaf.basicConstraints?.ca, false);
  t.same(response.bundle.length, 1);
  t.match((await issuances(server)).at(-1), {
    caller: { role: "pod", id: "demo:shop/web-0" },
    subject: {
      rule: "pod:demo",
      spiffeId: "spiffe://example.org/shop/web",
      serial: response.serial,
    },
  });
  const less = await ask(server, {
    ...proof,
    dns_names: ["WEB-0"],
    ip_addresses: ["fd00:9::5"],
    ttl: 60,
  });
  t.same(less.names, [
    "DNS:web-0",
    "IP Address:FD00:9:0:0:0:0:0:5",
    "URI:spiffe://example.org/shop/web",
  ]);

  const stranger =
    /^the proof gives no certificate here; the server's audit log says why \(request/;
  const asked: readonly (readonly [string, NewCertificateRequest, Refusal])[] = [
    [
      "a worthless token",
      { pod: { cluster: "demo", token: "bad" } },
      { kind: "denied", message: stranger },
    ],
    [
      "a cluster that is none",
      { pod: { cluster: "other", token: "good" } },
      { kind: "denied", message: stranger },
    ],
    ["no token", { pod: { cluster: "demo" } }, { kind: "invalid", message: /proof/ }],
    ["no proof", {}, { kind: "invalid", message: /proof/ }],
    [
      "another's name",
      { ...proof, dns_names: ["db"] },
      { kind: "denied", message: /dns name db is none of entry/ },
    ],
    [
      "another's address",
      { ...proof, ip_addresses: ["10.9.0.6"] },
      { kind: "denied", message: /10\.9\.0\.6 is in no network/ },
    ],
    ["a network of another path", { ...proof, ip_addresses: ["10.1.0.1"] }, { kind: "denied" }],
    ["no address", { ...proof, ip_addresses: ["10.9.0.5/8"] }, { kind: "invalid" }],
    ["no name", { ...proof, dns_names: ["a b"] }, { kind: "invalid" }],
    ["another's SPIFFE ID", { ...proof, spiffe_id: "spiffe://example.org/db" }, { kind: "denied" }],
    ["a longer life", { ...proof, ttl: 601 }, { kind: "denied", message: /600 seconds at most/ }],
    ["a negative life", { ...proof, ttl: -1 }, { kind: "invalid" }],
    [
      "101 names",
      { ...proof, dns_names: Array.from({ length: 101 }, (_, at) => `n${at}`) },
      { kind: "invalid" },
    ],
  ];
  for (const [name, request, expected] of asked)
    await refused(t, ask(server, request), expected, name);

  const objects: readonly (readonly [string, object | undefined, Refusal])[] = [
    ["no pod", undefined, { kind: "denied", message: stranger }],
    [
      "a later pod of that name",
      podObject({ metadata: { uid: "u2" } }),
      { kind: "denied", message: stranger },
    ],
    [
      "another account",
      podObject({ spec: { serviceAccountName: "db" } }),
      { kind: "denied", message: stranger },
    ],
    [
      "one that has ended",
      podObject({ status: { phase: "Failed" } }),
      { kind: "denied", message: stranger },
    ],
    [
      "the node's address",
      podObject({ spec: { hostNetwork: true } }),
      { kind: "denied", message: /node's address/ },
    ],
    [
      "no address yet",
      podObject({ status: { podIP: undefined, podIPs: undefined } }),
      { kind: "unavailable", message: /no address yet/ },
    ],
    [
      "loopback",
      podObject({ status: { podIPs: [{ ip: "127.0.0.1" }] } }),
      { kind: "denied", message: /no pod's own/ },
    ],
    [
      "IPv4 in IPv6",
      podObject({ status: { podIPs: [{ ip: "::ffff:10.0.0.1" }] } }),
      { kind: "invalid" },
    ],
  ];
  for (const [name, object, expected] of objects) {
    pod = object;
    await refused(t, ask(server, proof), expected, name);
  }
  const denials = (await readAuditLog(server.dataDir)).filter(({ kind }) => kind === "denial");
  t.ok(
    denials.some(({ reason }) => /token is of yesterday/.test(reason ?? "")),
    "told to the operator",
  );

  // A name that is no host name is left out: a pod may be called so.
  pod = podObject({
    metadata: { name: "web-0" },
    spec: { hostname: "web.0.", subdomain: undefined },
  });
  t.same((await ask(server, proof)).names.includes("DNS:web.0."), false);
  await server.createEntry(entry("/shop/other", pods, "k8s:ns:shop"));
  await refused(t, ask(server, proof), { kind: "invalid", message: /2 entries match; name one/ });
  const one = await ask(server, { ...proof, spiffe_id: "spiffe://example.org/shop/web" });
  t.ok(one.names.includes("DNS:web.example.org"));
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
  const bare = server.connect().unary(SERVICE, "NewCertificateBySVID", {});
  await refused(t, bare, { kind: "denied" }, "no certificate");
  const ca = await TestCa.create(LIFE);
  const foreign = await ca.leaf({ ...LIFE, spiffeId: "spiffe://example.org/web/front" });
  await refused(
    t,
    ask(server, {}, { identity: foreign }),
    { kind: "denied", message: /not trusted/ },
    "a foreign one",
  );

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
    t.match((await issuances(server)).at(-1), { caller: { role: "token", id: /^oidc:ci:sub:/ } });
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

t.test("it is off unless asked for", async (t) => {
  const server = await startTestServer(t);
  const pod = { cluster: "demo", token: "good" };
  await refused(t, ask(server, { pod }), {
    kind: "precondition",
    message: /frontends\.certificates/,
  });
});
