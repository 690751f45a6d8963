/**
 * The `k8s` workload attestor: which pod a process is in. The kernel names the container, the kubelet of this node the
 * pod. Selectors as SPIRE's plugin of the same type writes them.
 */
import { orAborted } from "../../../base/abort.ts";
import { type Clock, sleep } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import { formatSelector, type Selector } from "../../../spiffe/selector.ts";
import type { AttestCall, WorkloadAttestor, WorkloadLook } from "../../contract.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ContainerLookup } from "../container/container-lookup.ts";
import type { ContainerRef } from "../container/container-of.ts";
import { NamespaceLabels } from "./namespace-labels.ts";
import { PodList } from "./pod-list.ts";
import type { Pod, PodContainer } from "./pods.ts";
import {
  K8S_NAMES,
  K8S_TYPE,
  NAMESPACE_LABEL,
  containerSelectors,
  podSelectors,
} from "./selectors.ts";

export interface K8sAttestorOptions {
  /** Of this node's kubelet. */
  readonly client: KubernetesClient;
  /** Of the cluster's API server, where the labels of pods' namespaces are wanted. */
  readonly apiServer?: KubernetesClient;
  readonly containers: ContainerLookup;
  readonly clock: Clock;
}

/** Whom a token says that it was made for. */
export interface PodClaim {
  readonly uid: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly serviceAccount: string | undefined;
  /** Newer tokens have it. */
  readonly nodeName: string | undefined;
}

/** A pod, by uid, by name or by both. */
export interface PodReference {
  readonly uid?: string;
  readonly key?: { readonly namespace: string; readonly name: string };
}

/** A pod of this node that was found by a reference. */
export interface FoundPod {
  readonly uid: string;
  /** Without those of one container. */
  readonly selectors: readonly Selector[];
  /** Others could not be found out; asking again may help. */
  readonly isIncomplete: boolean;
}

export interface K8sAttestor extends WorkloadAttestor {
  /**
   * The selectors of a pod of this node, without those of one container.
   * @throws denied when the node has no such pod, or has it no more; unavailable when the kubelet does not say
   */
  selectorsOfPod(
    claim: PodClaim,
    call: Pick<AttestCall, "signal" | "onGap">,
  ): Promise<readonly Selector[]>;
  /**
   * @throws not_found when the node has no such pod, or it has ended, or key and uid are not those of one; unavailable when
   * the kubelet does not say
   */
  findPod(reference: PodReference, signal: AbortSignal): Promise<FoundPod>;
}

export function k8sAttestor(options: K8sAttestorOptions): K8sAttestor {
  const { client, apiServer, containers, clock } = options;
  const pods = new PodList(client, clock);
  const namespaces = apiServer && new NamespaceLabels(apiServer, clock);
  const names = namespaces === undefined ? K8S_NAMES : [...K8S_NAMES, NAMESPACE_LABEL];
  const known = new LruMap<string, Known>(MAX_CONTAINERS);

  /** By container and never by PID. The same array as before while the pod is the same. */
  const remember = (
    containerId: string,
    found: PodContainer,
    { atMs, labels }: KnownLabels,
  ): Known => {
    const selectors = Object.freeze(containerSelectors(found, labels));
    const text = selectors.map(formatSelector).join("\n");
    const before = known.get(containerId);
    const next: Known =
      before?.text === text ? { ...before, atMs } : { text, selectors, uids: found.pod.uids, atMs };
    known.set(containerId, next);
    return next;
  };

  const recall = ({ containerId, podUid }: ContainerRef): readonly Selector[] | undefined => {
    const found = known.get(containerId);
    if (found === undefined || Math.abs(clock.nowMs() - found.atMs) > HOLDS_MS) return undefined;
    return podUid === undefined || found.uids.has(podUid) ? found.selectors : undefined;
  };

  /** What is missing is told, and costs no other selector. */
  const labelsOf = async (
    { namespace }: Pod,
    { signal, onGap }: Asking,
  ): Promise<KnownLabels | undefined> => {
    if (namespaces === undefined) return NO_LABELS;
    const answer = await orAborted(namespaces.of(namespace, HOLDS_MS), signal).catch(
      (thrown: unknown) => ({ error: errorFrom(thrown) }),
    );
    if ("labels" in answer) return answer;
    const reason = `the labels of namespace ${namespace} are unknown: ${answer.error.message}`;
    onGap({ names: [NAMESPACE_LABEL], reason, isTransient: true });
    return undefined;
  };

  const ask = async (
    { containerId, podUid }: ContainerRef,
    call: Asking,
  ): Promise<readonly Selector[]> => {
    const { signal } = call;
    const startMs = clock.nowMs();
    for (let maxAgeMs = HOLDS_MS; ; maxAgeMs = 0) {
      const { atMs, containers: listed } = await orAborted(pods.listing(maxAgeMs), signal);
      const found = listed.get(containerId);
      if (found !== undefined && (podUid === undefined || found.pod.uids.has(podUid))) {
        const known = await labelsOf(found.pod, call);
        // Without them the next one has to ask again.
        if (known === undefined) return containerSelectors(found);
        const both = { labels: known.labels, atMs: Math.min(atMs, known.atMs) };
        return remember(containerId, found, both).selectors;
      }
      if (maxAgeMs > 0 && atMs < startMs) continue; // from before the call: ask anew at once
      // A container of another engine on this node.
      if (podUid === undefined) return NOTHING;
      if (Math.abs(clock.nowMs() - startMs) >= PATIENCE_MS) {
        throw fail("unavailable", `the kubelet does not list container ${containerId} yet`);
      }
      await sleep(clock, RETRY_MS, signal);
    }
  };

  const find = async (
    pick: (listed: ReadonlyMap<string, Pod>) => Pod | undefined,
    signal: AbortSignal,
  ): Promise<Pod | undefined> => {
    const startMs = clock.nowMs();
    const listing = await orAborted(pods.listing(HOLDS_MS), signal);
    const found = pick(listing.pods);
    // One that is younger than the answer: asked anew at once.
    if (found !== undefined || listing.atMs >= startMs) return found;
    return pick((await orAborted(pods.listing(0), signal)).pods);
  };

  return {
    type: K8S_TYPE,
    names,
    async selectorsOfPod(claim, call) {
      const found = await find((listed) => listed.get(claim.uid), call.signal);
      const pod = checkedPod(found, claim);
      return podSelectors(pod, (await labelsOf(pod, call))?.labels);
    },
    async findPod(reference, signal) {
      const pod = await find((listed) => podOf(listed, reference), signal);
      if (pod === undefined) throw fail("not_found", "there is no such pod on this node");
      let isIncomplete = false;
      const onGap = (): void => void (isIncomplete = true);
      const known = await labelsOf(pod, { signal, onGap });
      return { uid: pod.uid, selectors: podSelectors(pod, known?.labels), isIncomplete };
    },
    lookNow(pid, moment) {
      const look = containers.look(pid, moment);
      if (look.unknown !== undefined) return undefined;
      if (look.container === undefined) return OF_THE_HOST;
      const selectors = recall(look.container);
      return selectors === undefined ? undefined : { selectors: () => selectors };
    },
    async attest({ pid }, call: AttestCall) {
      call.signal.throwIfAborted();
      const { container, unknown } = containers.look(pid);
      if (unknown !== undefined) {
        const reason = `its cgroups are those of no known container runtime: ${unknown}`;
        call.onGap({ names, reason, isTransient: false });
      }
      if (container === undefined) return NOTHING;
      return recall(container) ?? (await ask(container, call));
    },
  };
}

/** One that runs, or is about to. */
function podOf(listed: ReadonlyMap<string, Pod>, { uid, key }: PodReference): Pod | undefined {
  const isMeant = (pod: Pod): boolean =>
    (key === undefined || (pod.namespace === key.namespace && pod.name === key.name)) &&
    !hasEnded(pod);
  if (uid === undefined) return key === undefined ? undefined : [...listed.values()].find(isMeant);
  const pod = listed.get(uid);
  return pod !== undefined && isMeant(pod) ? pod : undefined;
}

function hasEnded({ phase }: Pod): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

function checkedPod(pod: Pod | undefined, claim: PodClaim): Pod {
  if (pod === undefined) throw fail("denied", "token is of a pod that is not on this node");
  if (hasEnded(pod)) {
    throw fail("denied", "token is of a pod that has ended");
  }
  const isSame =
    pod.namespace === claim.namespace &&
    pod.name === claim.name &&
    pod.serviceAccount === claim.serviceAccount &&
    (claim.nodeName === undefined || claim.nodeName === pod.nodeName);
  if (!isSame) throw fail("denied", "token says of its pod what the node does not");
  return pod;
}

type Asking = Pick<AttestCall, "signal" | "onGap">;

interface KnownLabels {
  readonly labels: ReadonlyMap<string, string>;
  readonly atMs: number;
}

interface Known {
  readonly text: string;
  readonly selectors: readonly Selector[];
  readonly uids: ReadonlySet<string>;
  readonly atMs: number;
}

const NO_LABELS: KnownLabels = { labels: new Map(), atMs: Number.POSITIVE_INFINITY };
const NOTHING: readonly Selector[] = Object.freeze([]);
const OF_THE_HOST: WorkloadLook = { selectors: () => NOTHING };
/** How long an answer counts: a label that is taken away goes on selecting for this long. */
const HOLDS_MS = 2000;
/** A kubelet lists a container a second or so after it started. */
const RETRY_MS = 250;
/** Less than the deadline of all attestors, so that the reason is said. */
const PATIENCE_MS = 4000;
const MAX_CONTAINERS = 1024;
