/** What cert-manager does with our ACME server: issuers, certificates by both of its challenges, renewal, refusals. */
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { pageOnce } from "../browse.ts";
import { CROSS_ROOT, importCrossRoot } from "../cross-root.ts";
import { verify } from "../rig.ts";
import { CLUSTER_SPACE, SPACE, type Scene, secret, startScene } from "./scene.ts";
import { PATIENCE_MS } from "../../support/patience.ts";

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message: string;
}

interface Stored {
  readonly spec: { readonly replaces?: string };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly acme?: { readonly uri?: string; readonly ari?: { readonly suggestedWindow?: object } };
    readonly revision?: number;
    readonly state?: string;
    readonly reason?: string;
  };
}

export async function certManager(t: Test): Promise<void> {
  const scene = await startScene(t);
  const { cluster, rig, ingress: address } = scene;
  const listed = ["--names", ".example.org,*.dns.example.org", "--networks", address];
  const externalAccountBinding = await bind(scene, "eab", ...listed, "--reusable");
  const entry = ["--spiffe-id=spiffe://example.org/web", "--dns-name=svid.example.org"];
  const of = ["--parent-id=spiffe://example.org/host", "--selector=unix:uid:0", "--output=json"];
  const { id } = JSON.parse(await rig.assay("entry", "create", ...entry, ...of)) as { id: string };
  const other = await importCrossRoot(rig);
  const entryBinding = await bind(scene, "eab-entry", "--entry", id);

  await t.test("issuers: what they need, and what they say without", async (t) => {
    const otherRoot = readFileSync(rig.root).toString("base64");
    await cluster.apply(
      issuer(scene, "unbound"),
      issuer(scene, "unknown", { externalAccountBinding, caBundle: otherRoot }),
      issuer(scene, "assay", { externalAccountBinding }),
      issuer(scene, "week", { externalAccountBinding, profile: "server-7d" }),
      issuer(scene, "minutes", { externalAccountBinding, profile: "minutes" }),
      issuer(scene, "day", { externalAccountBinding, enableDurationFeature: true }),
      issuer(scene, "svid", { externalAccountBinding: entryBinding }),
      gateway("gate.example.org", "everywhere", rig.tlsPort),
      {
        ...issuer(scene, "everywhere", {
          externalAccountBinding,
          preferredChain: CROSS_ROOT,
          solvers: [{ http01: { gatewayHTTPRoute: { parentRefs: [{ name: "gate" }] } } }],
        }),
        kind: "ClusterIssuer",
        metadata: { name: "everywhere" },
      },
    );
    const said = (status: string, name: string, message: RegExp) =>
      until(scene, "issuer", name, (it) => {
        const ready = condition(it, "Ready");
        return ready?.status === status && message.test(ready.message);
      });
    await said("False", "unbound", /external account/i);
    await said("False", "unknown", /certificate signed by unknown authority/);
    for (const name of ["assay", "week", "minutes", "day", "svid"]) {
      const { status } = await said("True", name, /registered/);
      t.match(status?.acme?.uri, /\/acme\/account\//, name);
    }
  });

  let shortSerial: string | undefined;
  await t.test("certificates come into their secrets", async (t) => {
    await cluster.apply(
      certificate("web", "assay", { dnsNames: ["www.example.org", "shop.example.org"] }),
      certificate("wild", "assay", { dnsNames: ["*.dns.example.org"] }),
      certificate("address", "week", { ipAddresses: [address] }),
      certificate("day", "day", { dnsNames: ["day.example.org"], duration: "24h" }),
      certificate("svid", "svid", { dnsNames: ["svid.example.org"] }),
      // For what follows: cert-manager itself waits for a minute with dns-01.
      certificate("short", "minutes", { dnsNames: ["short.example.org"] }),
      certificate("other", "assay", { dnsNames: ["www.example.com"] }),
      ingress("site.example.org", "assay"),
    );
    const first = await issued(scene, "short");
    shortSerial = await verify(first.chain, rig.root, "short.example.org");
    for (const [name, host, days] of [
      ["web", "shop.example.org", 90],
      ["address", address, 7],
      ["day", "day.example.org", 1],
      ["wild", "any.dns.example.org", 90],
    ] as const) {
      const { chain } = await issued(scene, name);
      t.match(await verify(chain, rig.root, host), /serial=/, `${name}: as OpenSSL sees it`);
      const { validFromDate, validToDate } = new X509Certificate(readFileSync(chain));
      const life = (validToDate.getTime() - validFromDate.getTime()) / 86_400_000;
      t.equal(Math.round(life), days, `${name}: for ${days} days`);
    }
  });

  await t.test("an X.509-SVID for an account with an entry", async (t) => {
    const { chain } = await issued(scene, "svid");
    await verify(chain, rig.serverRoot, "svid.example.org");
    const { subjectAltName } = new X509Certificate(readFileSync(chain));
    t.equal(subjectAltName, "DNS:svid.example.org, URI:spiffe://example.org/web");
  });

  await t.test("an ingress with the issuer's name has its certificate", async (t) => {
    const { certificate: shown } = await pageOnce(rig, "site.example.org", scene.log);
    t.equal(shown.subjectaltname, "DNS:site.example.org");
  });

  await t.test(
    "a gateway with the cluster's issuer has its certificate, by that gateway",
    async (t) => {
      const { certificate: shown } = await pageOnce(rig, "gate.example.org", scene.log);
      t.equal(shown.subjectaltname, "DNS:gate.example.org");
      const { chain } = await issued(scene, "gate");
      t.match(await verify(chain, other, "gate.example.org"), /serial=/, "the preferred chain");
    },
  );

  await t.test("a certificate is renewed in time, by renewal information", async (t) => {
    const { status } = await until(scene, "certificate", "short", ({ status }) => {
      return (status?.revision ?? 0) > 1;
    });
    t.ok(status?.acme?.ari?.suggestedWindow, "it was asked for");
    const renewed = await issued(scene, "short");
    t.not(await verify(renewed.chain, rig.root, "short.example.org"), shortSerial);
    const { items } = await cluster.get<{ items: Stored[] }>("orders", "-n", SPACE);
    t.ok(
      items.some(({ spec }) => spec.replaces !== undefined),
      "the order named the certificate it is in place of",
    );
    t.notMatch(scene.log(), /rejected `replaces`/);
  });

  await t.test("what is refused is said in the order", async (t) => {
    const failed = await until(scene, "certificate", "other", (it) =>
      /not among the names/.test(condition(it, "Issuing")?.message ?? ""),
    );
    t.match(condition(failed, "Ready"), { status: "False" });
  });
}

/** An external account, its MAC key in the secret. @returns what names it in an issuer */
async function bind(scene: Scene, name: string, ...options: string[]): Promise<object> {
  const all = ["acme", "eab", "create", ...options, "--output", "json"];
  const { keyId, macKey } = JSON.parse(await scene.rig.assay(...all)) as {
    readonly keyId: string;
    readonly macKey: string;
  };
  const spaces = [SPACE, CLUSTER_SPACE];
  await scene.cluster.apply(...spaces.map((space) => secret(name, { key: macKey }, space)));
  return { keyID: keyId, keySecretRef: { name, key: "key" } };
}

function issuer({ rig, solvers }: Scene, name: string, more: object = {}): object {
  return {
    apiVersion: "cert-manager.io/v1",
    kind: "Issuer",
    metadata: { namespace: SPACE, name },
    spec: {
      acme: {
        server: rig.directory,
        caBundle: readFileSync(rig.serverRoot).toString("base64"),
        email: "ops@example.org",
        privateKeySecretRef: { name: `account-${name}` },
        solvers,
        ...more,
      },
    },
  };
}

function certificate(name: string, from: string, spec: object): object {
  const issuerRef = { name: from };
  return {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: { namespace: SPACE, name },
    spec: { secretName: name, issuerRef, ...spec },
  };
}

function ingress(host: string, from: string): object {
  const backend = { service: { name: "nobody", port: { number: 80 } } };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { namespace: SPACE, name: "site", annotations: { "cert-manager.io/issuer": from } },
    spec: {
      ingressClassName: "traefik",
      tls: [{ hosts: [host], secretName: "site" }],
      rules: [{ host, http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }],
    },
  };
}

/** Listens where Traefik does: for challenges, and with the certificate that its annotation asks for. */
function gateway(host: string, from: string, tlsPort: number): object {
  const tls = { mode: "Terminate", certificateRefs: [{ name: "gate" }] };
  return {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: {
      namespace: SPACE,
      name: "gate",
      annotations: { "cert-manager.io/cluster-issuer": from },
    },
    spec: {
      gatewayClassName: "traefik",
      listeners: [
        { name: "web", protocol: "HTTP", port: 80 },
        { name: "site", protocol: "HTTPS", port: tlsPort, hostname: host, tls },
      ],
    },
  };
}

function condition({ status }: Stored, type: string): Condition | undefined {
  return status?.conditions?.find((one) => one.type === type);
}

/** Waits for the certificate. @returns the file with what its secret has */
async function issued({ cluster, rig, log }: Scene, name: string): Promise<{ chain: string }> {
  const wait = ["wait", "-n", SPACE, `certificate/${name}`, "--for=condition=Ready"];
  await cluster.kubectl([...wait, "--timeout=300s"]).catch((thrown: Error) => {
    throw new Error(`${thrown.message}\n${log().slice(-4000)}`);
  });
  const { data } = await cluster.get<{ data: Record<string, string> }>("secret", "-n", SPACE, name);
  const chain = join(rig.dir, `${name}.pem`);
  writeFileSync(chain, Buffer.from(data["tls.crt"] ?? "", "base64"));
  return { chain };
}

async function until(
  { cluster, log }: Scene,
  kind: string,
  name: string,
  isSo: (stored: Stored) => boolean,
): Promise<Stored> {
  const end = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const stored = await cluster.get<Stored>(kind, "-n", SPACE, name);
    if (isSo(stored)) return stored;
    if (end.aborted) {
      throw new Error(`${kind} ${name}: ${JSON.stringify(stored.status)}\n${log().slice(-4000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
