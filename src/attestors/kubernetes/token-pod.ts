/** The pod that a projected token was made for, as the cluster has it now. */
import { fail } from "../../base/errors.ts";
import { type Fields, type TokenSubject, fieldsOf, findPod, textOf } from "./api.ts";
import type { KubernetesClient } from "./client.ts";

export interface TokenPod {
  readonly name: string;
  readonly uid: string;
  readonly pod: Fields;
}

/**
 * A pod of the same name that came later is another one.
 * @throws denied when the token is bound to no pod, or its pod is gone, has ended or is not the token's; unavailable
 * when the cluster cannot say
 */
export async function podOfSubject(
  client: KubernetesClient,
  subject: TokenSubject,
  signal: AbortSignal,
): Promise<TokenPod> {
  const { podName: name, podUid: uid, namespace } = subject;
  if (name === undefined || uid === undefined) {
    throw fail("denied", "the token is bound to no pod; use a projected one");
  }
  const pod = await findPod(client, { namespace, name }, signal);
  if (pod === undefined || uidOf(pod) !== uid) {
    throw fail("denied", "the pod that the token was made for is gone");
  }
  if (fieldsOf(pod["spec"])["serviceAccountName"] !== subject.serviceAccount) {
    throw fail("denied", "the pod runs as another service account than the token's");
  }
  const phase = fieldsOf(pod["status"])["phase"];
  if (phase === "Succeeded" || phase === "Failed") {
    throw fail("denied", "the pod that the token was made for has ended");
  }
  return { name, uid, pod };
}

/** Becomes a segment of a SPIFFE ID; what Kubernetes makes always fits. */
export function uidOf(object: Fields | undefined): string | undefined {
  const uid = textOf(fieldsOf(object?.["metadata"])["uid"]);
  return uid !== undefined && /^[a-zA-Z0-9-]{1,128}$/.test(uid) ? uid : undefined;
}
