/** Settings of what asks Kubernetes: node attestation by projected token, and the pods of the agent's own node. */
import type { PathContext } from "../paths.ts";
import { flag, list, map, section, text } from "../settings/shape.ts";

/** How the server reaches a cluster's API server. */
export const API_ACCESS = {
  kubeconfig: {
    shape: text(),
    help: "how to reach the cluster, where the server is no pod of it",
  },
  context: { shape: text({ maxLength: 256 }), help: "the context of that file; its current one" },
  apiServer: {
    shape: text({ pattern: "^https://[^\\s/]+$", rule: "is not written https://HOST:PORT" }),
    help: "the API server, where there is no kubeconfig; that of the server's own pod",
    default: apiServerOfPod,
  },
  caFile: {
    shape: text(),
    help: "authorities (PEM) of that API server; those that every pod has",
    default: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
  },
  tokenFile: {
    shape: text(),
    help: "token for that API server, read again at each request; that of the pod",
    default: "/var/run/secrets/kubernetes.io/serviceaccount/token",
  },
} as const;

/** How an agent reaches the API server of its node's cluster. */
export const AGENT_API_ACCESS = {
  kubeconfig: {
    ...API_ACCESS.kubeconfig,
    help: "how to reach the cluster, where the agent is no pod of it",
  },
  context: API_ACCESS.context,
  apiServer: {
    ...API_ACCESS.apiServer,
    help: "the API server to ask, where there is no kubeconfig; that of the agent's own pod",
  },
  caFile: API_ACCESS.caFile,
  tokenFile: API_ACCESS.tokenFile,
} as const;

/** A segment of its agents' SPIFFE IDs (SPIFFE-ID §2.2). */
export const CLUSTER_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$";

/** `nodeAttestors.k8sPsat.clusters.NAME` of a server: a cluster whose agents attest with projected tokens. */
const PSAT_CLUSTER = section({
  serviceAccounts: {
    shape: list(text({ pattern: "^[^:]+:[^:]+$", rule: "is not written NAMESPACE:NAME" }), {
      least: 1,
      most: 64,
    }),
    help: "those that agents run as, NAMESPACE:NAME",
    required: true,
  },
  audiences: {
    shape: list(text({ maxLength: 256 }), { least: 1, most: 16 }),
    help: "the token must be meant for one of them",
    default: ["spire-server"],
  },
  ...API_ACCESS,
  allowedNodeLabels: {
    shape: list(text({ maxLength: 512 }), { most: 256 }),
    help: "keys of node labels that become selectors",
    default: [],
  },
  allowedPodLabels: {
    shape: list(text({ maxLength: 512 }), { most: 256 }),
    help: "keys of labels of agents' pods that become selectors",
    default: [],
  },
});

export const K8S_PSAT_SERVER = section({
  clusters: {
    shape: map(PSAT_CLUSTER, { keyPattern: CLUSTER_NAME, most: 64 }),
    help: "clusters by the name that their agents give",
    required: true,
  },
});

export const K8S_PSAT_AGENT = section({
  cluster: {
    shape: text({ pattern: CLUSTER_NAME, rule: "is no name of a cluster" }),
    help: "the name that the server knows this agent's cluster by",
    required: true,
  },
  tokenFile: {
    shape: text(),
    help: "projected service account token with the server's audience, read at each attestation",
    default: "/var/run/secrets/tokens/spire-agent",
  },
});

export const K8S_WORKLOADS = section({
  kubelet: {
    shape: text({
      pattern: "^https?://[^\\s/]+$",
      rule: "is not written https://HOST:10250, or http://HOST:10255 for the read-only port",
    }),
    help: "this node's kubelet; HOST is $ASSAY_NODE_IP when it is not given",
    default: kubeletOfNode,
  },
  caFile: {
    shape: text(),
    help: "authorities (PEM) of the kubelet's certificate; those that every pod has",
    default: "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
  },
  serverName: {
    shape: text({ maxLength: 256 }),
    help: "the name in the kubelet's certificate, where it is not the address's",
  },
  skipVerification: {
    shape: flag(),
    help: "believe whatever answers as the kubelet; for kubelets whose certificates nobody signed",
    default: false,
  },
  tokenFile: {
    shape: text(),
    help: "token for the kubelet, read again at each request; that of the pod",
    default: "/var/run/secrets/kubernetes.io/serviceaccount/token",
  },
  certFile: { shape: text(), help: "client certificate (PEM) for the kubelet, not the token" },
  keyFile: { shape: text(), help: "its private key (PEM)" },
  namespaceLabels: {
    shape: section({
      ...AGENT_API_ACCESS,
      tokenFile: {
        ...AGENT_API_ACCESS.tokenFile,
        help: "token for that API server, which needs the right to get namespaces; that of the pod",
      },
    }),
    help: "the API server is asked for the labels of pods' namespaces (k8s:ns-label)",
  },
});

/** The kubelet gives these variables to every pod. */
function apiServerOfPod({ env }: PathContext): string {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  if (host === "") return "https://kubernetes.default.svc";
  return `https://${bracketed(host)}:${env["KUBERNETES_SERVICE_PORT"] ?? "443"}`;
}

/** A pod's own address is not its node's: the pod's specification passes the node's on (`status.hostIP`). */
function kubeletOfNode({ env }: PathContext): string {
  const host = env["ASSAY_NODE_IP"] ?? "";
  return `https://${host === "" ? "127.0.0.1" : bracketed(host)}:10250`;
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
