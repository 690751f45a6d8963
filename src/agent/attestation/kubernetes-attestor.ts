import { apiConnection } from "../../attestors/kubernetes/api-connection.ts";
import { KubernetesClient } from "../../attestors/kubernetes/client.ts";
import type { KubernetesConnection } from "../../attestors/kubernetes/connection.ts";
import type { ContainerLookup } from "../../attestors/workload/container/container-lookup.ts";
import { type K8sAttestor, k8sAttestor } from "../../attestors/workload/kubernetes/attest.ts";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";
import type { Logger } from "../../observe/logger.ts";

type KubeletSettings = NonNullable<AgentConfig["workloadAttestors"]["k8s"]>;

interface KubernetesAttestorParts {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly containers: ContainerLookup;
  /** Takes the connections to kubelet and API server. */
  readonly stack: Pick<AsyncDisposableStack, "use">;
}

/**
 * The `k8s` attestor as configured.
 * @throws invalid when half of a client certificate is given; as `apiConnection` where namespaces' labels are wanted
 */
export async function kubernetesAttestor(
  settings: KubeletSettings,
  { logger, clock, containers, stack }: KubernetesAttestorParts,
): Promise<K8sAttestor> {
  if (settings.skipVerification) {
    logger.warn("the kubelet's certificate is not verified: whoever answers there names the pods", {
      kubelet: settings.kubelet,
    });
  }
  const client = stack.use(
    new KubernetesClient({
      connection: connectionTo(settings),
      clock,
      deadlineMs: KUBELET_DEADLINE_MS,
      maxAnswerBytes: MAX_PODS_BYTES,
    }),
  );
  const { namespaceLabels } = settings;
  if (namespaceLabels === undefined) return k8sAttestor({ client, containers, clock });
  const apiServer = stack.use(
    new KubernetesClient({
      connection: await apiConnection(namespaceLabels, "workloadAttestors.k8s.namespaceLabels"),
      clock,
      deadlineMs: API_DEADLINE_MS,
      maxAnswerBytes: MAX_NAMESPACE_BYTES,
    }),
  );
  return k8sAttestor({ client, apiServer, containers, clock });
}

function connectionTo(settings: KubeletSettings): KubernetesConnection {
  const { kubelet: server, caFile, serverName, tokenFile, certFile, keyFile } = settings;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw fail(
      "invalid",
      "workloadAttestors.k8s: certFile and keyFile are given together or not at all",
    );
  }
  // The read-only port asks for nothing, and nothing secret goes over it.
  if (server.startsWith("http:")) return { server };
  return {
    server,
    ...(settings.skipVerification ? { isUnverified: true } : { authorities: { file: caFile } }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(certFile === undefined || keyFile === undefined
      ? { token: { file: tokenFile } }
      : { clientCertificate: { cert: { file: certFile }, key: { file: keyFile } } }),
  };
}

/** Less than the deadline of all attestors, so that the reason is said. */
const KUBELET_DEADLINE_MS = 4000;
/** Every caller in a pod waits for it, while the API server is silent. */
const API_DEADLINE_MS = 2000;
/** More than etcd stores of one object. */
const MAX_NAMESPACE_BYTES = 2 * 1024 * 1024;
/** Of a node with some hundreds of pods. */
const MAX_PODS_BYTES = 16 * 1024 * 1024;
