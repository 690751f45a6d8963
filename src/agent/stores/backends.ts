import { apiConnection } from "../../attestors/kubernetes/api-connection.ts";
import { KubernetesClient } from "../../attestors/kubernetes/client.ts";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";
import type { SvidBackend } from "./contract.ts";
import { FileBackend } from "./file-backend.ts";
import { KubernetesSecretBackend } from "./kubernetes-secret-backend.ts";
import { VaultBackend } from "./vault-backend.ts";

/**
 * The stores of `svidStores`.
 * @throws precondition, invalid when settings do not do
 */
export async function svidBackends(
  { svidStores, trustDomain }: Pick<AgentConfig, "svidStores" | "trustDomain">,
  {
    clock,
    random,
    stack,
  }: { readonly clock: Clock; readonly random: Random; readonly stack: AsyncDisposableStack },
): Promise<SvidBackend[]> {
  const { file, kubernetesSecret, vault } = svidStores;
  const backends: SvidBackend[] = [];
  if (file !== undefined) {
    const { keyMode, ...rest } = file;
    backends.push(new FileBackend({ ...rest, keyMode: Number.parseInt(keyMode, 8), random }));
  }
  if (kubernetesSecret !== undefined) {
    const connection = await apiConnection(kubernetesSecret, "svidStores.kubernetesSecret");
    const client = stack.use(new KubernetesClient({ connection, clock }));
    const namespaces = new Set(kubernetesSecret.namespaces);
    backends.push(new KubernetesSecretBackend({ client, trustDomain, namespaces }));
  }
  if (vault !== undefined) {
    const { address, caFile, tokenFile, ...rest } = vault;
    const connection = {
      server: address,
      token: { file: tokenFile },
      ...(caFile === undefined ? {} : { authorities: { file: caFile } }),
    };
    const client = stack.use(new KubernetesClient({ connection, clock }));
    backends.push(new VaultBackend({ ...rest, client, trustDomain }));
  }
  return backends;
}
