/** What an API server is asked: whose a token is, and what it knows about a pod, a node and a namespace. */
import { fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import { type KubernetesAnswer, type KubernetesClient, refusalOf } from "./client.ts";

/** Whom a service account token speaks for (authentication.k8s.io/v1 TokenReview). */
export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Absent for tokens that are bound to no pod. */
  readonly podName?: string;
  readonly podUid?: string;
  readonly nodeName?: string;
  readonly nodeUid?: string;
}

/** A pod, node or namespace as stored, or one of its parts. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * @param audiences the token must be meant for one of them
 * @throws denied when the cluster does not accept the token, or it is nobody's service account; unavailable when the
 * cluster cannot say
 */
export async function reviewToken(
  client: KubernetesClient,
  token: string,
  audiences: readonly string[],
  signal: AbortSignal,
): Promise<TokenSubject> {
  const answer = await client.ask({
    signal,
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenReview",
      spec: { token, audiences },
    },
  });
  if (answer.status !== 201) throw unanswered(client, "create tokenreviews", answer);
  const status = fieldsOf(answer.body["status"]);
  if (status["authenticated"] !== true) {
    const why = textOf(status["error"]) ?? "it is not authenticated";
    const refused = "the cluster does not accept the token";
    throw fail("denied", refused, { withheld: `${refused}: ${clip(why)}` });
  }
  // An API server that knows nothing of audiences returns none, and has checked none.
  if (!textsOf(status["audiences"]).some((audience) => audiences.includes(audience))) {
    throw fail("denied", `the token is not meant for ${audiences.join(" or ")}`);
  }
  const user = fieldsOf(status["user"]);
  const name = textOf(user["username"]) ?? "";
  const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? [];
  if (namespace === undefined || serviceAccount === undefined) {
    throw fail("denied", "the token is no service account's");
  }
  const extra = fieldsOf(user["extra"]);
  const member = <K extends string>(key: K, claim: string): { [P in K]?: string } => {
    const [value] = textsOf(extra[`authentication.kubernetes.io/${claim}`]);
    return value === undefined ? {} : ({ [key]: value } as { [P in K]: string }); // one known key
  };
  return {
    namespace,
    serviceAccount,
    ...member("podName", "pod-name"),
    ...member("podUid", "pod-uid"),
    ...member("nodeName", "node-name"),
    ...member("nodeUid", "node-uid"),
  };
}

/** @throws unavailable when the cluster cannot say */
export function findPod(
  client: KubernetesClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<Fields | undefined> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
  return find(client, { right: "get pods", path, signal });
}

/** @throws unavailable when the cluster cannot say */
export function findNode(
  client: KubernetesClient,
  name: string,
  signal: AbortSignal,
): Promise<Fields | undefined> {
  const path = `/api/v1/nodes/${encodeURIComponent(name)}`;
  return find(client, { right: "get nodes", path, signal });
}

/** For as long as the client waits. @throws unavailable when the cluster cannot say; as `KubernetesClient.ask` */
export function findNamespace(client: KubernetesClient, name: string): Promise<Fields | undefined> {
  const path = `/api/v1/namespaces/${encodeURIComponent(name)}`;
  return find(client, { right: "get namespaces", path });
}

interface FindParams {
  /** As RBAC calls it. */
  readonly right: string;
  readonly path: string;
  readonly signal?: AbortSignal;
}

async function find(
  client: KubernetesClient,
  { right, ...request }: FindParams,
): Promise<Fields | undefined> {
  const answer = await client.ask({ method: "GET", ...request });
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw unanswered(client, right, answer);
  return answer.body;
}

/** The caller may ask again: an operator has to grant the right, or the API server to come back. */
function unanswered(client: KubernetesClient, right: string, answer: KubernetesAnswer): Error {
  const step =
    answer.status === 401 || answer.status === 403 ? `; the right to ${right} is missing` : "";
  return fail("unavailable", `${client.server}: ${refusalOf(answer)}${step}`);
}

/** The member objects, texts and text maps of what was read; empty where there is something else. */
export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {};
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

export function textMapOf(value: unknown): ReadonlyMap<string, string> {
  const pairs = Object.entries(fieldsOf(value));
  return new Map(pairs.filter((pair): pair is [string, string] => typeof pair[1] === "string"));
}

function clip(text: string): string {
  return text.slice(0, 300).replaceAll(/\p{Cc}/gu, " ");
}
