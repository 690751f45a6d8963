/** Where an agent's cluster says that a pod runs: the clusters of `nodeAttestors.k8sPsat`. */
import { fieldsOf, findNode, findPod, textMapOf, textOf } from "../../attestors/kubernetes/api.ts";
import { K8S_PSAT_TYPE } from "../../attestors/node/k8s-psat/payload.ts";
import type { PsatCluster } from "../../attestors/node/k8s-psat/server.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { NodeReader, NodeRecord } from "../datastore/contract.ts";
import type { MemberPod, PodCheck, PodFacts } from "../entries/family.ts";

type Cluster = Pick<PsatCluster, "name" | "client">;
type ClusterOf = (name: string) => Cluster | undefined;

export class ClusterPods implements PodCheck {
  readonly #clusterOf: ClusterOf;
  readonly #nodes: Pick<NodeReader, "get">;

  constructor(clusterOf: ClusterOf, nodes: Pick<NodeReader, "get">) {
    this.#clusterOf = clusterOf;
    this.#nodes = nodes;
  }

  async lookUp(agentId: string, pod: MemberPod, signal: AbortSignal): Promise<PodFacts> {
    const node = await this.#nodes.get(agentId);
    const attested = node?.attestationType === K8S_PSAT_TYPE ? node : undefined;
    const cluster = this.#clusterOf(selectorOf(attested, "cluster") ?? "");
    const nodeName = selectorOf(attested, "agent_node_name");
    const nodeUid = selectorOf(attested, "agent_node_uid");
    if (cluster === undefined || nodeName === undefined || nodeUid === undefined) {
      throw fail(
        "denied",
        "the agent was attested by no cluster that the server knows (k8s_psat); its pods cannot be checked",
      );
    }
    for (const [name, value] of Object.entries(pod)) {
      if (!POD_PART.test(value)) throw fail("invalid", `pod.${name} is no name of Kubernetes`);
    }
    try {
      return await podOn(cluster, { name: nodeName, uid: nodeUid }, pod, signal);
    } catch (thrown) {
      const { kind, message } = errorFrom(thrown);
      throw fail(kind, `cluster ${cluster.name}: ${message}`, { cause: thrown });
    }
  }
}

/** A node or pod of the same name that came later is another one. */
async function podOn(
  { client }: Cluster,
  node: { readonly name: string; readonly uid: string },
  pod: MemberPod,
  signal: AbortSignal,
): Promise<PodFacts> {
  const [foundPod, foundNode] = await Promise.all([
    findPod(client, pod, signal),
    findNode(client, node.name, signal),
  ]);
  if (textOf(fieldsOf(foundNode?.["metadata"])["uid"]) !== node.uid) {
    throw fail("denied", `the agent's node ${node.name} is gone`);
  }
  const metadata = fieldsOf(foundPod?.["metadata"]);
  const spec = fieldsOf(foundPod?.["spec"]);
  const where = `pod ${pod.namespace}/${pod.name} with the uid ${pod.uid}`;
  if (metadata["uid"] !== pod.uid) throw fail("denied", `there is no ${where}`);
  if (spec["nodeName"] !== node.name) throw fail("denied", `${where} is not on the agent's node`);
  const phase = fieldsOf(foundPod?.["status"])["phase"];
  if (phase === "Succeeded" || phase === "Failed") throw fail("denied", `${where} has ended`);
  return {
    ...pod,
    serviceAccount: textOf(spec["serviceAccountName"]) ?? "",
    labels: textMapOf(metadata["labels"]),
  };
}

function selectorOf(node: NodeRecord | undefined, name: string): string | undefined {
  const start = `${name}:`;
  return node?.selectors
    .find(({ type, value }) => type === K8S_PSAT_TYPE && value.startsWith(start))
    ?.value.slice(start.length);
}

/** What Kubernetes has for names and uids of pods, and no dot segment. */
const POD_PART = /^[a-z0-9A-Z](?:[a-z0-9A-Z.-]{0,251}[a-z0-9A-Z])?$/;
