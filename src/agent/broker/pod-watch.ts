/** A pod that a broker refers to: found at the kubelet, and looked for as long as a call is about it. */
import type { FoundPod, K8sAttestor } from "../../attestors/workload/kubernetes/attest.ts";
import type { PodReference } from "../../attestors/workload/kubernetes/pod-search.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { errorFrom, isKind } from "../../base/errors.ts";
import { gone, invalid } from "./reference.ts";

export interface PodWatchOptions {
  /** The `k8s` attestor of now. */
  readonly pods: () => Pick<K8sAttestor, "findPod"> | undefined;
  readonly clock: Clock;
}

/** @throws invalid where the agent asks no kubelet; not_found; unavailable */
export async function findPod(
  reference: PodReference,
  { pods }: PodWatchOptions,
  signal: AbortSignal,
): Promise<FoundPod> {
  const attestor = pods();
  if (attestor === undefined) {
    throw invalid("the agent asks no kubelet for pods; it needs workloadAttestors.k8s");
  }
  try {
    return await attestor.findPod(reference, signal);
  } catch (thrown) {
    if (isKind(thrown, "not_found")) throw gone(errorFrom(thrown).message);
    throw thrown;
  }
}

/**
 * Resolves when the pod is there no more, or the reference means another one; a kubelet that does not say is asked again.
 * @throws the signal's reason
 */
export async function untilPodGone(
  reference: PodReference,
  uid: string,
  options: PodWatchOptions,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(options.clock, LOOK_MS, signal);
    try {
      const found = await findPod(reference, options, signal);
      if (found.uid !== uid) return;
    } catch (thrown) {
      signal.throwIfAborted();
      if (isKind(thrown, "not_found")) return;
    }
  }
}

/** Many calls about pods are one request at the kubelet. */
const LOOK_MS = 5000;
