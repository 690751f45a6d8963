/** Pods that prove themselves by a projected token: what the API server knows of them goes into their certificates. */
import { isIP } from "node:net";
import { type Fields, fieldsOf, reviewToken, textOf } from "../../../attestors/kubernetes/api.ts";
import type { KubernetesClient } from "../../../attestors/kubernetes/client.ts";
import { podOfSubject } from "../../../attestors/kubernetes/token-pod.ts";
import { podOf } from "../../../attestors/workload/kubernetes/pods.ts";
import { podSelectors } from "../../../attestors/workload/kubernetes/selectors.ts";
import { fail } from "../../../base/errors.ts";
import { Networks, canonicalAddress } from "../../../base/networks.ts";
import type { PodClusterConfig } from "../../../config/server/certificates-front-end.ts";
import { checkDnsName } from "../../../spiffe/dns-name.ts";
import type { Selector } from "../../../spiffe/selector.ts";

export interface ReviewedPod {
  readonly namespace: string;
  readonly name: string;
  readonly pod: Fields;
}

/** @throws denied when the cluster does not vouch for the token, or its pod is gone; unavailable when it cannot say */
export async function reviewedPod(
  client: KubernetesClient,
  { audiences }: PodClusterConfig,
  token: string,
  signal: AbortSignal,
): Promise<ReviewedPod> {
  const subject = await reviewToken(client, token, audiences, signal);
  const { name, pod } = await podOfSubject(client, subject, signal);
  return { namespace: subject.namespace, name, pod };
}

export interface PodFacts {
  /** As the agents' attestor `k8s` has them, without those of a container. */
  readonly selectors: readonly Selector[];
  readonly dnsNames: readonly string[];
  /** Canonical, at least one. */
  readonly ipAddresses: readonly string[];
}

/**
 * @throws denied when the pod shares its node's address and that is not allowed; unavailable when it has none yet
 */
export function factsOfPod(
  { namespace, name, pod }: ReviewedPod,
  config: PodClusterConfig,
): PodFacts {
  const known = podOf(pod);
  if (known === undefined) throw fail("unavailable", "the cluster's answer is no pod");
  if (fieldsOf(pod["spec"])["hostNetwork"] === true && !config.hostNetwork) {
    throw fail(
      "denied",
      `pod ${namespace}/${name} has its node's address; the cluster's hostNetwork: true allows that`,
    );
  }
  const ipAddresses = addressesOf(pod);
  // The kubelet tells the API server a moment after the pod's first container may have begun.
  if (ipAddresses.length === 0) {
    throw fail("unavailable", `pod ${namespace}/${name} has no address yet`);
  }
  const dnsNames = dnsNamesOf(pod, { ...config, namespace, podName: name, ipAddresses });
  return { selectors: podSelectors(known), dnsNames, ipAddresses };
}

function addressesOf(pod: Fields): string[] {
  const { podIP, podIPs } = fieldsOf(pod["status"]);
  const listed = Array.isArray(podIPs) ? podIPs.map((item) => textOf(fieldsOf(item)["ip"])) : [];
  const texts = [textOf(podIP), ...listed].filter((text) => text !== undefined);
  const addresses = [...new Set(texts.map(canonicalAddress))];
  const stray = addresses.find((address) => NOBODYS.has(address));
  if (stray !== undefined) throw fail("denied", `${stray} is no pod's own address`);
  return addresses.slice(0, MAX_ADDRESSES);
}

interface NameParams extends PodClusterConfig {
  readonly namespace: string;
  readonly podName: string;
  readonly ipAddresses: readonly string[];
}

/** As Kubernetes' DNS has them (DNS specification of Kubernetes §2.3, §2.4; "DNS for Services and Pods"). */
function dnsNamesOf(pod: Fields, params: NameParams): string[] {
  const { names, namespace, podName, clusterDomain, ipAddresses } = params;
  const spec = fieldsOf(pod["spec"]);
  const hostname = textOf(spec["hostname"]) ?? podName;
  const subdomain = textOf(spec["subdomain"]);
  const made = {
    address: ipAddresses.map((address) => `${dashed(address)}.${namespace}.pod.${clusterDomain}`),
    subdomain:
      subdomain === undefined ? [] : [`${hostname}.${subdomain}.${namespace}.svc.${clusterDomain}`],
    hostname: [hostname],
  };
  return names.flatMap((kind) => made[kind]).filter(isDnsName);
}

/** CoreDNS reads both forms; a label neither begins nor ends with a hyphen. */
function dashed(address: string): string {
  if (isIP(address) === 4) return address.replaceAll(".", "-");
  const [head = "", tail] = address.split("::");
  const groups = (text = ""): string[] => (text === "" ? [] : text.split(":"));
  const zeros = 8 - groups(head).length - groups(tail).length;
  const filled = tail === undefined ? [] : Array.from({ length: zeros }, () => "0");
  return [...groups(head), ...filled, ...groups(tail)].join("-");
}

/** A pod's name may be longer than a label. */
function isDnsName(name: string): boolean {
  try {
    checkDnsName(name);
    return true;
  } catch {
    return false;
  }
}

const MAX_ADDRESSES = 8;
/** This host, links, and groups: what no network gives to one pod. */
const NOBODYS = Networks.parse([
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/127",
  "fe80::/10",
  "ff00::/8",
]);
