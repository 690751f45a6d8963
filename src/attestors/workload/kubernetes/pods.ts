/** The pods of one node as its kubelet lists them (`/pods`, a v1 PodList), by container. */
import { fail } from "../../../base/errors.ts";
import { type Fields, fieldsOf, textMapOf, textOf } from "../../kubernetes/api.ts";

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /**
   * A static pod has two: the one that its cgroup has, and the one that the API server knows it by. The first is an
   * annotation's word, good only for a container that is the pod's by its id.
   */
  readonly uids: ReadonlySet<string>;
  readonly serviceAccount?: string;
  readonly nodeName?: string;
  /** `Running`, `Succeeded`, `Failed` and others. */
  readonly phase?: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly owners: readonly PodOwner[];
  readonly containers: readonly ContainerStatus[];
  readonly initContainers: readonly ContainerStatus[];
}

export interface PodOwner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface ContainerStatus {
  readonly name: string;
  /** Without the runtime's name; absent while there is none. */
  readonly containerId?: string;
  /** As the kubelet reports it: usually a tag, and for one image not on every node the same. */
  readonly image?: string;
  /** Usually `REPOSITORY@sha256:DIGEST`. */
  readonly imageId?: string;
}

export interface PodContainer {
  readonly pod: Pod;
  readonly container: ContainerStatus;
}

export interface NodePods {
  readonly containers: ReadonlyMap<string, PodContainer>;
  /** By uid. Not by what a pod's annotation says of it: whoever makes a pod may write another's uid there. */
  readonly pods: ReadonlyMap<string, Pod>;
}

/** @throws unavailable when it is no list of pods */
export function readPodList(list: Fields): NodePods {
  const items = list["items"];
  if (!Array.isArray(items)) throw fail("unavailable", "the kubelet's answer is no list of pods");
  const containers = new Map<string, PodContainer>();
  const pods = new Map<string, Pod>();
  for (const item of items as readonly unknown[]) {
    const read = readPod(fieldsOf(item));
    if (read === undefined) continue;
    pods.set(read.pod.uid, read.pod);
    for (const container of read.all) {
      const { containerId } = container;
      if (containerId !== undefined) containers.set(containerId, { pod: read.pod, container });
    }
  }
  return { containers, pods };
}

/** One pod as the API server has it. @returns undefined when it lacks name, namespace or uid */
export function podOf(item: Fields): Pod | undefined {
  return readPod(item)?.pod;
}

function readPod(
  item: Fields,
): { readonly pod: Pod; readonly all: readonly ContainerStatus[] } | undefined {
  const metadata = fieldsOf(item["metadata"]);
  const spec = fieldsOf(item["spec"]);
  const status = fieldsOf(item["status"]);
  const uid = textOf(metadata["uid"]);
  const name = textOf(metadata["name"]);
  const namespace = textOf(metadata["namespace"]);
  if (uid === undefined || name === undefined || namespace === undefined) return undefined;
  const hash = textMapOf(metadata["annotations"]).get(STATIC_POD_HASH);
  const serviceAccount = textOf(spec["serviceAccountName"]);
  const nodeName = textOf(spec["nodeName"]);
  const phase = textOf(status["phase"]);
  const containers = statusesOf(status["containerStatuses"]);
  const initContainers = statusesOf(status["initContainerStatuses"]);
  const pod: Pod = {
    namespace,
    name,
    uid,
    uids: new Set(hash === undefined ? [uid] : [uid, hash]),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(phase === undefined ? {} : { phase }),
    labels: textMapOf(metadata["labels"]),
    owners: objectsOf(metadata["ownerReferences"]).flatMap(ownerOf),
    containers,
    initContainers,
  };
  const ephemeral = statusesOf(status["ephemeralContainerStatuses"]);
  return { pod, all: [...containers, ...initContainers, ...ephemeral] };
}

function ownerOf(owner: Fields): PodOwner[] {
  const kind = textOf(owner["kind"]);
  const name = textOf(owner["name"]);
  const uid = textOf(owner["uid"]);
  return kind === undefined || name === undefined || uid === undefined ? [] : [{ kind, name, uid }];
}

function statusesOf(value: unknown): ContainerStatus[] {
  return objectsOf(value).flatMap((status) => {
    const name = textOf(status["name"]);
    if (name === undefined) return [];
    const given = textOf(status["containerID"]) ?? "";
    const containerId = /^[a-z0-9.+-]+:\/\/([0-9a-f]{64})$/.exec(given)?.[1];
    const image = textOf(status["image"]);
    const imageId = textOf(status["imageID"]);
    return [
      {
        name,
        ...(containerId === undefined ? {} : { containerId }),
        ...(image === undefined ? {} : { image }),
        ...(imageId === undefined ? {} : { imageId }),
      },
    ];
  });
}

function objectsOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

const STATIC_POD_HASH = "kubernetes.io/config.hash";
