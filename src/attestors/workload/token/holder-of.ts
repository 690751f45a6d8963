/** Who holds a token: whom it is bound to, and whose share of the places it takes. */
import { fail } from "../../../base/errors.ts";
import type { PresentedToken, ProcessFacts } from "../../contract.ts";
import type { ContainerRef } from "../container/container-of.ts";
import type { TokenHolder } from "./holders.ts";

/** `ContainerLookup`. */
export interface Containers {
  read(pid: number): ContainerRef | undefined;
}

/**
 * @param podUid of the pod that the token names, if it names one
 * @throws denied when the process is not in that pod
 */
export function holderOf(
  process: ProcessFacts,
  { presented, podUid }: { presented: PresentedToken; podUid: string | undefined },
  containers: Containers,
): TokenHolder {
  if (process.pid === 0) {
    const { connection } = presented;
    return { connection, uid: process.uid, mayFollow: podUid !== undefined };
  }
  // A token that names no pod says nothing against the process, which had to have it.
  if (podUid === undefined) return { name: `process ${presented.process()}` };
  const container = containers.read(process.pid);
  if (container?.podUid !== podUid) {
    throw fail(
      "denied",
      container?.podUid === undefined
        ? "token is a pod's, and the calling process is in no pod"
        : "token is of another pod than the calling process",
    );
  }
  return { name: `pod ${podUid}` };
}

/** A user, or a container or pod of the system: root in one has no part of root's places in another. */
export function shareOf(
  { pid, uid }: ProcessFacts,
  podUid: string | undefined,
  containers: Containers,
): string {
  if (podUid !== undefined) return `pod ${podUid}`;
  if (pid === 0) return `user ${uid} elsewhere`;
  try {
    const container = containers.read(pid);
    if (container !== undefined) {
      const { podUid: ownPod, containerId } = container;
      return ownPod === undefined ? `container ${containerId}` : `pod ${ownPod}`;
    }
  } catch {
    // Its cgroups contradict each other: it counts as its user's.
  }
  return `user ${uid}`;
}
