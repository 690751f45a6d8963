import { MAX_SELECTOR_VALUE, type Selector, checkSelector } from "../../../spiffe/selector.ts";
import type { ContainerStatus, Pod, PodContainer } from "./pods.ts";

export const K8S_TYPE = "k8s";

/** Of SPIRE's plugin of the same type. */
export const K8S_NAMES = [
  "ns",
  "sa",
  "node-name",
  "pod-name",
  "pod-uid",
  "pod-label",
  "pod-owner",
  "pod-owner-uid",
  "pod-image",
  "pod-image-count",
  "pod-init-image",
  "pod-init-image-count",
  "container-name",
  "container-image",
] as const;

/** Found out where it is asked for alone: it is the API server that knows namespaces. */
export const NAMESPACE_LABEL = "ns-label";

/** Keys and values. */
type Labels = ReadonlyMap<string, string>;

/**
 * What an entry can say about a container and its pod. Values that are too long to be selectors are left out.
 * @param ofNamespace labels of the pod's namespace, where they are known
 */
export function containerSelectors(
  { pod, container }: PodContainer,
  ofNamespace?: Labels,
): Selector[] {
  return selectorsOf([
    ...valuesOf(pod, ofNamespace),
    `container-name:${container.name}`,
    ...imagesOf([container]).map((image) => `container-image:${image}`),
  ]);
}

/** What an entry can say about a pod, whichever of its containers it is. */
export function podSelectors(pod: Pod, ofNamespace?: Labels): Selector[] {
  return selectorsOf(valuesOf(pod, ofNamespace));
}

function selectorsOf(values: readonly string[]): Selector[] {
  return values
    .filter((value) => value.length <= MAX_SELECTOR_VALUE)
    .map((value) => checkSelector({ type: K8S_TYPE, value }));
}

function valuesOf(pod: Pod, ofNamespace: Labels = NO_LABELS): string[] {
  return [
    `ns:${pod.namespace}`,
    ...[...ofNamespace].map(([key, value]) => `${NAMESPACE_LABEL}:${key}:${value}`),
    ...(pod.serviceAccount === undefined ? [] : [`sa:${pod.serviceAccount}`]),
    ...(pod.nodeName === undefined ? [] : [`node-name:${pod.nodeName}`]),
    `pod-name:${pod.name}`,
    `pod-uid:${pod.uid}`,
    ...[...pod.labels].map(([key, value]) => `pod-label:${key}:${value}`),
    ...pod.owners.map(({ kind, name }) => `pod-owner:${kind}:${name}`),
    ...pod.owners.map(({ kind, uid }) => `pod-owner-uid:${kind}:${uid}`),
    ...imagesOf(pod.containers).map((image) => `pod-image:${image}`),
    `pod-image-count:${pod.containers.length}`,
    ...imagesOf(pod.initContainers).map((image) => `pod-init-image:${image}`),
    `pod-init-image-count:${pod.initContainers.length}`,
  ];
}

/**
 * An image's names: the one it goes by on this node, and its digest. Where several tags lead to one image the runtime
 * reports whichever it likes, so that only the digest is the same on every node.
 */
function imagesOf(statuses: readonly ContainerStatus[]): string[] {
  const names = statuses.flatMap(({ image, imageId }) => [
    image,
    imageId,
    imageId?.replace(/^[a-z0-9-]+:\/\//, ""), // Docker's shim put `docker-pullable://` before it
  ]);
  return [...new Set(names.filter((name) => name !== undefined))];
}

const NO_LABELS: Labels = new Map();
