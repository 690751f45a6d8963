import type { PsatCluster } from "../../attestors/node/k8s-psat/server.ts";
import { apiConnection } from "../../attestors/kubernetes/api-connection.ts";
import { KubernetesClient } from "../../attestors/kubernetes/client.ts";
import type { Clock } from "../../base/clock.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";

type Clusters = NonNullable<ServerConfig["nodeAttestors"]["k8sPsat"]>["clusters"];

/**
 * The clusters of `nodeAttestors.k8sPsat`, with how they are reached.
 * @throws precondition when a kubeconfig cannot be read, or there is none and no authority of the API server; invalid
 */
export function psatClusters(clusters: Clusters, clock: Clock): Promise<PsatCluster[]> {
  return Promise.all(
    [...clusters].map(async ([name, cluster]) => ({
      name,
      client: new KubernetesClient({
        connection: await apiConnection(cluster, `nodeAttestors.k8sPsat.clusters.${name}`),
        clock,
      }),
      serviceAccounts: new Set(cluster.serviceAccounts),
      audiences: cluster.audiences,
      nodeLabels: cluster.allowedNodeLabels,
      podLabels: cluster.allowedPodLabels,
    })),
  );
}
