/** The pod that a bound service account token was made for (Kubernetes, "Bound service account tokens"). */
import { fail } from "../../../base/errors.ts";
import { isObject } from "../../../base/is-object.ts";
import { claimText } from "../../issuer/claim-selectors.ts";
import type { VerifiedToken } from "../../issuer/issuer.ts";
import type { PodClaim } from "../kubernetes/pod-search.ts";

/**
 * Undefined for a token that names no pod.
 * @throws denied for a pod that cannot be told from others: it must not pass for a token that names none
 */
export function podClaimOf(claims: VerifiedToken["claims"]): PodClaim | undefined {
  const { "kubernetes.io": kubernetes } = claims as { "kubernetes.io"?: unknown };
  const claim = (name: string): string | undefined => claimText(claims, `kubernetes.io/${name}`);
  const uid = claim("pod/uid");
  if (uid !== undefined) {
    return {
      uid,
      namespace: claim("namespace"),
      name: claim("pod/name"),
      serviceAccount: claim("serviceaccount/name"),
      nodeName: claim("node/name"),
    };
  }
  if (isObject(kubernetes) && "pod" in kubernetes) {
    throw fail("denied", "token names a pod without its uid");
  }
  return undefined;
}
