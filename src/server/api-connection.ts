import type { KubernetesConnection } from "../attestors/kubernetes/connection.ts";
import { readKubeconfig } from "../attestors/kubernetes/kubeconfig.ts";
import { fail } from "../base/errors.ts";

export interface ApiAccess {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Empty where the server runs in no pod. */
  readonly apiServer: string;
  readonly caFile: string;
  readonly tokenFile: string;
}

/**
 * How a cluster's API server is reached.
 * @param where the section that says so
 * @throws precondition when a kubeconfig cannot be read, or there is none and the server runs in no pod; invalid
 */
export function apiConnection(access: ApiAccess, where: string): Promise<KubernetesConnection> {
  const { kubeconfig, context, apiServer, caFile, tokenFile } = access;
  if (kubeconfig !== undefined) return readKubeconfig(kubeconfig, context);
  if (apiServer === "") {
    throw fail(
      "precondition",
      `${where}: this server runs in no pod; give the cluster's kubeconfig`,
    );
  }
  return Promise.resolve({
    server: apiServer,
    authorities: { file: caFile },
    token: { file: tokenFile },
  });
}
