/** Which pod of a node is meant: by a token that was made for it, or by whoever names it. */
import { fail } from "../../../base/errors.ts";
import type { Pod } from "./pods.ts";

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

type NodePodsByUid = ReadonlyMap<string, Pod>;

/** One that runs, or is about to. */
export function referredPod(pods: NodePodsByUid, { uid, key }: PodReference): Pod | undefined {
  const isMeant = (pod: Pod): boolean =>
    (key === undefined || (pod.namespace === key.namespace && pod.name === key.name)) &&
    !hasEnded(pod);
  if (uid === undefined) return key === undefined ? undefined : [...pods.values()].find(isMeant);
  const pod = pods.get(uid);
  return pod !== undefined && isMeant(pod) ? pod : undefined;
}

/** @param pod the one with the claim's uid, if the node has it. @throws denied unless it is the claim's, and has not ended */
export function claimedPod(pod: Pod | undefined, claim: PodClaim): Pod {
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

function hasEnded({ phase }: Pod): boolean {
  return phase === "Succeeded" || phase === "Failed";
}
