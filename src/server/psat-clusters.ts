import type { PsatCluster } from "../attestors/node/k8s-psat/server.ts";
import { KubernetesClient } from "../attestors/kubernetes/client.ts";
import type { KubernetesConnection } from "../attestors/kubernetes/connection.ts";
import { readKubeconfig } from "../attestors/kubernetes/kubeconfig.ts";
import type { Clock } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import type { ServerConfig } from "../config/server.ts";

type Clusters = NonNullable<ServerConfig["nodeAttestors"]["k8sPsat"]>["clusters"];
type Cluster = NonNullable<ReturnType<Clusters["get"]>>;

/**
 * The clusters of `nodeAttestors.k8sPsat`, with how they are reached.
 * @throws precondition when a kubeconfig cannot be read, or there is none and the server runs in no pod; invalid
 */
export function psatClusters(clusters: Clusters, clock: Clock): Promise<PsatCluster[]> {
  return Promise.all(
    [...clusters].map(async ([name, cluster]) => ({
      name,
      client: new KubernetesClient({ connection: await connectionTo(name, cluster), clock }),
      serviceAccounts: new Set(cluster.serviceAccounts),
      audiences: cluster.audiences,
      nodeLabels: cluster.allowedNodeLabels,
      podLabels: cluster.allowedPodLabels,
    })),
  );
}

async function connectionTo(name: string, cluster: Cluster): Promise<KubernetesConnection> {
  const { kubeconfig, context, apiServer, caFile, tokenFile } = cluster;
  if (kubeconfig !== undefined) return readKubeconfig(kubeconfig, context);
  if (apiServer === "") {
    throw fail(
      "precondition",
      `nodeAttestors.k8sPsat.clusters.${name}: this server runs in no pod; give the cluster's kubeconfig`,
    );
  }
  return { server: apiServer, authorities: { file: caFile }, token: { file: tokenFile } };
}
