import { existsSync } from "node:fs";
import { fail } from "../../base/errors.ts";
import type { KubernetesConnection } from "./connection.ts";
import { readKubeconfig } from "./kubeconfig.ts";

interface ApiAccess {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly apiServer: string;
  readonly caFile: string;
  readonly tokenFile: string;
}

/**
 * How a cluster's API server is reached.
 * @param where the section that says so
 * @throws precondition when a kubeconfig cannot be read, or there is none and no authority of the API server; invalid
 */
export async function apiConnection(
  access: ApiAccess,
  where: string,
): Promise<KubernetesConnection> {
  const { kubeconfig, context, apiServer, caFile, tokenFile } = access;
  if (kubeconfig !== undefined) return await readKubeconfig(kubeconfig, context);
  if (!existsSync(caFile)) {
    throw fail(
      "precondition",
      `${where}: there is no ${caFile}, which every pod has; outside of pods give the cluster's kubeconfig`,
    );
  }
  return { server: apiServer, authorities: { file: caFile }, token: { file: tokenFile } };
}
