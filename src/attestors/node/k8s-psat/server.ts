import { errorFrom, fail } from "../../../base/errors.ts";
import type { NodeAdmission, NodeAttestorServer } from "../../contract.ts";
import { fieldsOf, findNode, reviewToken, textOf } from "../../kubernetes/api.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { podOfSubject, uidOf } from "../../kubernetes/token-pod.ts";
import { K8S_PSAT_TYPE, parsePayload } from "./payload.ts";
import { nodeSelectors } from "./selectors.ts";

export interface PsatCluster {
  /** The name that its agents give; a segment of their IDs. */
  readonly name: string;
  readonly client: KubernetesClient;
  /** Those that agents run as, `NAMESPACE:NAME`. */
  readonly serviceAccounts: ReadonlySet<string>;
  /** The token must be meant for one of them. */
  readonly audiences: readonly string[];
  /** Label keys that become selectors. */
  readonly nodeLabels: readonly string[];
  readonly podLabels: readonly string[];
}

/**
 * The server's half of `k8s_psat`: the cluster says which pod a token was made for, and on which node that pod runs.
 * The agent is called after the node, so that its next pod is the same agent.
 */
export function k8sPsatServer(clusters: readonly PsatCluster[]): NodeAttestorServer {
  const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  return {
    type: K8S_PSAT_TYPE,
    async admit(payload, _challenge, signal) {
      const { cluster: name, token } = parsePayload(payload);
      const cluster = byName.get(name);
      if (cluster === undefined) {
        throw fail("denied", `k8s_psat: there is no cluster '${name.slice(0, 64)}' here`);
      }
      try {
        return await admitToken(cluster, token, signal);
      } catch (thrown) {
        const { kind, message, withheld } = errorFrom(thrown);
        const subject = `k8s_psat: cluster ${name}`;
        throw fail(kind, `${subject}: ${message}`, {
          cause: thrown,
          ...(withheld === undefined ? {} : { withheld: `${subject}: ${withheld}` }),
        });
      }
    },
  };
}

async function admitToken(
  cluster: PsatCluster,
  token: string,
  signal: AbortSignal,
): Promise<NodeAdmission> {
  const { client, serviceAccounts, audiences } = cluster;
  const subject = await reviewToken(client, token, audiences, signal);
  const account = `${subject.namespace}:${subject.serviceAccount}`;
  if (!serviceAccounts.has(account)) {
    throw fail("denied", `service account ${account} is not one that agents run as`);
  }
  const { name: podName, uid: podUid, pod } = await podOfSubject(client, subject, signal);
  const nodeName = textOf(fieldsOf(pod["spec"])["nodeName"]);
  if (nodeName === undefined) throw fail("denied", `pod ${podName} runs on no node`);
  const node = await findNode(client, nodeName, signal);
  const nodeUid = uidOf(node);
  if (node === undefined || nodeUid === undefined) {
    throw fail("denied", `there is no node ${nodeName}`);
  }
  // Tokens of Kubernetes 1.29 and later name their node.
  if (
    (subject.nodeName !== undefined && subject.nodeName !== nodeName) ||
    (subject.nodeUid !== undefined && subject.nodeUid !== nodeUid)
  ) {
    throw fail("denied", `the token was made for another node than ${nodeName}`);
  }
  return {
    agentPath: `/spire/agent/${K8S_PSAT_TYPE}/${cluster.name}/${nodeUid}`,
    selectors: nodeSelectors({ cluster, subject, podName, podUid, pod, nodeName, nodeUid, node }),
    canReattest: true,
  };
}
