import { type Selector, checkSelector } from "../../../spiffe/selector.ts";
import {
  type Fields,
  type TokenSubject,
  fieldsOf,
  textMapOf,
  textOf,
} from "../../kubernetes/api.ts";
import { K8S_PSAT_TYPE } from "./payload.ts";

export interface NodeSelectorsParams {
  readonly cluster: {
    readonly name: string;
    readonly nodeLabels: readonly string[];
    readonly podLabels: readonly string[];
  };
  readonly subject: TokenSubject;
  readonly podName: string;
  readonly podUid: string;
  readonly pod: Fields;
  readonly nodeName: string;
  readonly nodeUid: string;
  readonly node: Fields;
}

/** SPIRE's selectors of a node that attested with a projected token. Labels: those that the operator allows. */
export function nodeSelectors(params: NodeSelectorsParams): Selector[] {
  const { cluster, subject, pod, node } = params;
  const nodeIp = textOf(fieldsOf(pod["status"])["hostIP"]);
  return [
    `cluster:${cluster.name}`,
    `agent_ns:${subject.namespace}`,
    `agent_sa:${subject.serviceAccount}`,
    `agent_pod_name:${params.podName}`,
    `agent_pod_uid:${params.podUid}`,
    ...(nodeIp === undefined ? [] : [`agent_node_ip:${nodeIp}`]),
    `agent_node_name:${params.nodeName}`,
    `agent_node_uid:${params.nodeUid}`,
    ...labels("agent_node_label", node, cluster.nodeLabels),
    ...labels("agent_pod_label", pod, cluster.podLabels),
  ].map((value) => checkSelector({ type: K8S_PSAT_TYPE, value }));
}

function labels(name: string, object: Fields, allowed: readonly string[]): string[] {
  const all = textMapOf(fieldsOf(object["metadata"])["labels"]);
  return allowed.flatMap((key) => {
    const value = all.get(key);
    return value === undefined ? [] : [`${name}:${key}:${value}`];
  });
}
