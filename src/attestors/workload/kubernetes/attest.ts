/**
 * The `k8s` workload attestor: which pod a process is in. The kernel names the container, the kubelet of this node the
 * pod. Selectors as SPIRE's plugin of the same type writes them.
 */
import { orAborted } from "../../../base/abort.ts";
import type { Clock } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import type { Selector } from "../../../spiffe/selector.ts";
import type { AttestCall, WorkloadAttestor, WorkloadLook } from "../../contract.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ContainerLookup } from "../container/container-lookup.ts";
import type { ContainerRef } from "../container/container-of.ts";
import { KnownContainers, type KnownLabels } from "./known-containers.ts";
import { NamespaceLabels } from "./namespace-labels.ts";
import { HOLDS_MS, PodList } from "./pod-list.ts";
import { type PodClaim, type PodReference, claimedPod, referredPod } from "./pod-search.ts";
import type { Pod } from "./pods.ts";
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
  const known = new KnownContainers(clock);
  const namespaces = apiServer && new NamespaceLabels(apiServer, clock);
  const names = namespaces === undefined ? K8S_NAMES : [...K8S_NAMES, NAMESPACE_LABEL];

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

  const ask = async (container: ContainerRef, call: Asking): Promise<readonly Selector[]> => {
    const listed = await pods.findContainer(container, call.signal);
    if (listed === undefined) return NOTHING;
    const { found, atMs } = listed;
    const ofNamespace = await labelsOf(found.pod, call);
    // Without them the next one has to ask again.
    if (ofNamespace === undefined) return containerSelectors(found);
    return known.remember(container.containerId, found, {
      labels: ofNamespace.labels,
      atMs: Math.min(atMs, ofNamespace.atMs),
    });
  };

  return {
    type: K8S_TYPE,
    names,
    async selectorsOfPod(claim, call) {
      const pod = claimedPod(await pods.find((all) => all.get(claim.uid), call.signal), claim);
      return podSelectors(pod, (await labelsOf(pod, call))?.labels);
    },
    async findPod(reference, signal) {
      const pod = await pods.find((all) => referredPod(all, reference), signal);
      if (pod === undefined) throw fail("not_found", "there is no such pod on this node");
      let isIncomplete = false;
      const onGap = (): void => void (isIncomplete = true);
      const ofNamespace = await labelsOf(pod, { signal, onGap });
      return { uid: pod.uid, selectors: podSelectors(pod, ofNamespace?.labels), isIncomplete };
    },
    lookNow(pid, moment) {
      const look = containers.look(pid, moment);
      if (look.unknown !== undefined) return undefined;
      if (look.container === undefined) return OF_THE_HOST;
      const selectors = known.recall(look.container);
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
      return known.recall(container) ?? (await ask(container, call));
    },
  };
}

type Asking = Pick<AttestCall, "signal" | "onGap">;

const NO_LABELS: KnownLabels = { labels: new Map(), atMs: Number.POSITIVE_INFINITY };
const NOTHING: readonly Selector[] = Object.freeze([]);
const OF_THE_HOST: WorkloadLook = { selectors: () => NOTHING };
