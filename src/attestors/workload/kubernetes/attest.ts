/**
 * The `k8s` workload attestor: which pod a process is in. The kernel names the container, the kubelet of this node the
 * pod. Selectors as SPIRE's plugin of the same type writes them.
 */
import { orAborted } from "../../../base/abort.ts";
import { type Clock, sleep } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import { formatSelector, type Selector } from "../../../spiffe/selector.ts";
import type { AttestCall, WorkloadAttestor } from "../../contract.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ContainerLook, ContainerLookup } from "../container/container-lookup.ts";
import type { ContainerRef } from "../container/container-of.ts";
import { PodList } from "./pod-list.ts";
import type { PodContainer } from "./pods.ts";
import { K8S_NAMES, K8S_TYPE, podSelectors } from "./selectors.ts";

export interface K8sAttestorOptions {
  /** Of this node's kubelet. */
  readonly client: KubernetesClient;
  readonly containers: ContainerLookup;
  readonly clock: Clock;
}

export function k8sAttestor({ client, containers, clock }: K8sAttestorOptions): WorkloadAttestor {
  const pods = new PodList(client, clock);
  const known = new LruMap<string, Known>(MAX_CONTAINERS);

  /** By container and never by PID. The same array as before while the pod is the same. */
  const remember = (containerId: string, found: PodContainer, atMs: number): Known => {
    const selectors = Object.freeze(podSelectors(found));
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

  const ask = async (
    { containerId, podUid }: ContainerRef,
    signal: AbortSignal,
  ): Promise<readonly Selector[]> => {
    const startMs = clock.nowMs();
    for (let maxAgeMs = HOLDS_MS; ; maxAgeMs = 0) {
      const { atMs, containers: listed } = await orAborted(pods.listing(maxAgeMs), signal);
      const found = listed.get(containerId);
      if (found !== undefined && (podUid === undefined || found.pod.uids.has(podUid))) {
        return remember(containerId, found, atMs).selectors;
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

  return {
    type: K8S_TYPE,
    names: K8S_NAMES,
    lookNow(pid) {
      const look = containers.look(pid);
      const selectors = selectorsAtOnce(look, recall);
      if (selectors === undefined) return undefined;
      return { isStill: () => containers.look(pid) === look, selectors: () => selectors };
    },
    async attest({ pid }, { signal, onGap }: AttestCall) {
      signal.throwIfAborted();
      const { container, unknown } = containers.look(pid);
      if (unknown !== undefined) {
        const reason = `its cgroups are those of no known container runtime: ${unknown}`;
        onGap({ names: K8S_NAMES, reason, isTransient: false });
      }
      if (container === undefined) return NOTHING;
      return recall(container) ?? (await ask(container, signal));
    },
  };
}

function selectorsAtOnce(
  { container, unknown }: ContainerLook,
  recall: (container: ContainerRef) => readonly Selector[] | undefined,
): readonly Selector[] | undefined {
  if (unknown !== undefined) return undefined;
  return container === undefined ? NOTHING : recall(container);
}

/** Others may wait for the same answer: one who gives up leaves it to them. */
interface Known {
  readonly text: string;
  readonly selectors: readonly Selector[];
  readonly uids: ReadonlySet<string>;
  readonly atMs: number;
}

const NOTHING: readonly Selector[] = Object.freeze([]);
/** How long an answer counts: a label that is taken away goes on selecting for this long. */
const HOLDS_MS = 2000;
/** A kubelet lists a container a second or so after it started. */
const RETRY_MS = 250;
/** Less than the deadline of all attestors, so that the reason is said. */
const PATIENCE_MS = 4000;
const MAX_CONTAINERS = 1024;
