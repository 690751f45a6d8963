/** A pod's certificate: what the cluster says of the pod, and nothing else (requirement T5). */
import { writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import type { NewCertificateRequest } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateRequest.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { folder, secureServer } from "../../attestors/kubernetes-peers.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import { type Refusal, refused } from "../../support/refused.ts";
import { identityOf, startTestServer } from "../../support/server.ts";
import { id, mint } from "../api/calls.ts";
import { CERTIFICATES, ask, entry, issuances } from "./ask-certificate.ts";

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
  // The pod may be gone, or its addresses another's: only its token has the cluster asked again.
  const key = await generateKey("ec-p256");
  const held = await ask(server, proof, { key });
  const identity = identityOf(held.response.chain, key.pkcs8);
  await refused(t, ask(server, { dns_names: ["web.example.org"] }, { identity }), {
    kind: "denied",
    message: /entry .* bring a token each time.* --via pod/,
  });
  const names2 = { dns_names: ["web.example.org"] };
  const agents = await server.createEntry(entry("/shop/web", "/host", "unix:uid:7", names2));
  await refused(t, ask(server, names2, { identity }), {
    kind: "denied",
    message: /names the address 10\.9\.0\.5, as a pod's certificate does/,
  });
  const allowed = await ask(server, { ...proof, ip_addresses: ["192.0.2.7"] }, { key });
  await refused(
    t,
    ask(server, names2, { identity: identityOf(allowed.response.chain, key.pkcs8) }),
    {
      kind: "denied",
      message: /names the address 192\.0\.2\.7, as a pod's certificate does/,
    },
  );
  const svid = await mint(server, "/shop/web", 3600);
  t.same((await ask(server, {}, { identity: svid })).names, [
    "DNS:web.example.org",
    "URI:spiffe://example.org/shop/web",
  ]);
  const ids = [agents];
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", { ids });

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
  await refused(t, ask(server, proof), {
    kind: "invalid",
    message: /several SPIFFE IDs match; name one/,
  });
  const one = await ask(server, { ...proof, spiffe_id: "spiffe://example.org/shop/web" });
  t.ok(one.names.includes("DNS:web.example.org"));
  await server.createEntry(
    entry("/shop/web", pods, "k8s:pod-label:app:web", { dns_names: ["also.example.org"] }),
  );
  const both = await ask(server, { ...proof, spiffe_id: "spiffe://example.org/shop/web" });
  t.ok(both.names.includes("DNS:also.example.org"), "it matches both entries of that ID");
  t.ok(both.names.includes("DNS:web.example.org"));
});

t.test("a template's member is the pod that the cluster names, and no other", async (t) => {
  let pod: object | undefined = podObject({});
  const nodeAttestors = await fakeCluster(t, () => pod);
  const cluster = {
    audiences: ["assay-certificate"],
    names: ["subdomain"] as const,
    clusterDomain: "cluster.local",
    hostNetwork: false,
  };
  const certificates = { ...CERTIFICATES, clusters: new Map([["demo", cluster]]) };
  const server = await startTestServer(t, {
    config: { nodeAttestors, frontends: { certificates } },
  });
  const proof = { pod: { cluster: "demo", token: "good" } };
  const family = async (path: string, template: string, trust_agent = false): Promise<string> => {
    const made = await server.admin.unary<{
      results: { status: { code: number; message: string }; entry: { id: string } }[];
    }>("assay.template.v1.Templates", "BatchCreateEntry", {
      entries: [
        {
          entry: entry(path, "/spire/pod/demo", "k8s:ns:shop"),
          template: { id: `spiffe://example.org${path}/${template}`, trust_agent },
        },
      ],
    });
    t.match(made.results[0], { status: { code: 0 } });
    return made.results[0]?.entry.id ?? "";
  };
  // What a cluster does not say of a pod is nobody's value here, whoever else is trusted.
  await family("/users", "{{unix.user}}", true);
  await family("/tiers", "{{k8s.pod-label:tier}}");
  await refused(t, ask(server, proof), {
    kind: "denied",
    message:
      /no entry below .* matches pod shop\/web-0: entry \S+ has a template: no cluster says what \{\{unix\.user\}\} is; entry \S+ has a template: the pod has no value for \{\{k8s\.pod-label:tier\}\}, or several/,
  });
  const id = await family("/ns", "{{k8s.ns}}/sa/{{k8s.sa}}/{{k8s.pod-label:app}}");
  const { names } = await ask(server, proof);
  t.same(names, [
    "DNS:web-0.web.shop.svc.cluster.local",
    "IP Address:10.9.0.5",
    "IP Address:FD00:9:0:0:0:0:0:5",
    "URI:spiffe://example.org/ns/shop/sa/web/web",
  ]);
  t.match((await issuances(server)).at(-1), {
    subject: { entryId: id, spiffeId: "spiffe://example.org/ns/shop/sa/web/web" },
  });
  const another = ask(server, { ...proof, spiffe_id: "spiffe://example.org/ns/shop/sa/web/db" });
  await refused(t, another, { kind: "denied", message: /no entry here has the ID/ });
  for (const label of ["../admin", "a/b", "", undefined]) {
    pod = podObject({ metadata: { labels: label === undefined ? {} : { app: label } } });
    await refused(
      t,
      ask(server, proof),
      { kind: "denied", message: /matches pod .*\{\{k8s\.pod-label:app\}\}/ },
      `a value that is ${label}`,
    );
  }
  pod = podObject({});
  await server.createEntry(entry("/ns/shop/sa/web/web", "/host", "unix:uid:0", { admin: true }));
  await refused(t, ask(server, proof), { kind: "denied", message: /has rights by entry/ });
});
