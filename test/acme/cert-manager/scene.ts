/**
 * cert-manager on a cluster: its controllers outside of it, the pods that answer http-01 in it behind Traefik as ingress
 * controller, BIND for dns-01. The ACME server and all of them find names by that BIND.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { Cluster } from "../../kubernetes/cluster/cluster.ts";
import { namespace } from "../../kubernetes/cluster/objects.ts";
import { type Rig, endWith, startRig } from "../rig.ts";
import { wheelProgram } from "../tools.ts";
import { certManager, definitions, solverImage } from "./build.ts";
import { startNameServer } from "./name-server.ts";

export const SPACE = "shop";
/** Where cert-manager has what belongs to issuers of the whole cluster. */
export const CLUSTER_SPACE = "kube-system";

export interface Scene {
  readonly cluster: Cluster;
  readonly rig: Rig;
  /** The cluster's bridge on this machine: where names lead, and Traefik listens for http-01. */
  readonly ingress: string;
  /** What cert-manager and Traefik said. */
  readonly log: () => string;
  /** Solvers of an issuer: dns-01 below `dns.example.org`, else http-01 through an ingress. */
  readonly solvers: readonly object[];
}

export async function startScene(t: Test): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), "assay-certm-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const program = await certManager();
  const cluster = await Cluster.start({ nodes: 1, images: [await solverImage()] });
  t.teardown(() => cluster[Symbol.asyncDispose]());
  const ingress = cluster.hostAddress;
  const zone = "example.org";
  const names = await startNameServer(t, { dir, zone, target: ingress });
  const rig = await startRig(t, {
    target: { resolver: names.address, network: `${ingress}/32`, httpPort: 80 },
    names: "externalAccountRequired: true",
    acme: ["profiles: [server-90d, server-7d, minutes]"],
    set: [
      "    profiles: [server-90d, server-7d, minutes]",
      "certificateProfiles:",
      "  minutes: { ttl: 2m, usages: [server], names: web }",
    ],
  });
  for (const folder of await definitions()) {
    await cluster.kubectl(["apply", "--server-side", "-f", folder]);
  }
  await cluster.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=300s"]);
  await cluster.apply(
    namespace(SPACE),
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name: "traefik" },
      spec: { controller: "traefik.io/ingress-controller" },
    },
    secret("tsig", { key: names.key }),
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "GatewayClass",
      metadata: { name: "traefik" },
      spec: { controllerName: "traefik.io/gateway-controller" },
    },
  );
  const log = join(dir, "log");
  await startTraefik(t, { dir, cluster, tlsPort: rig.tlsPort, log });
  const out = openSync(log, "a");
  endWith(t, spawn(program, [cluster.kubeconfig, names.address], { stdio: ["ignore", out, out] }));
  const update = {
    nameserver: names.address,
    tsigKeyName: names.keyName,
    tsigAlgorithm: "HMACSHA256",
    tsigSecretSecretRef: { name: "tsig", key: "key" },
  };
  const solvers = [
    { http01: { ingress: { ingressClassName: "traefik" } } },
    { dns01: { rfc2136: update }, selector: { dnsZones: ["dns.example.org"] } },
  ];
  return { cluster, rig, ingress, solvers, log: () => readFileSync(log, "utf8") };
}

export function secret(
  name: string,
  stringData: Readonly<Record<string, string>>,
  space = SPACE,
): object {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: space, name },
    stringData,
  };
}

async function startTraefik(
  t: Test,
  { dir, cluster, tlsPort, log }: { dir: string; cluster: Cluster; tlsPort: number; log: string },
): Promise<void> {
  const config = join(dir, "traefik.json");
  writeFileSync(
    config,
    JSON.stringify({
      entryPoints: {
        web: { address: `${cluster.hostAddress}:80` },
        websecure: { address: `127.0.0.1:${tlsPort}` },
      },
      providers: { kubernetesIngress: { ingressClass: "traefik" }, kubernetesGateway: {} },
      global: { checkNewVersion: false, sendAnonymousUsage: false },
      log: { level: "ERROR", filePath: log },
    }),
  );
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig };
  const traefik = await wheelProgram("traefik");
  endWith(t, spawn(traefik, ["--configFile", config], { stdio: "ignore", env }));
}
