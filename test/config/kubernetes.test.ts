/** Settings of what asks Kubernetes, and the files of deploy/kubernetes. */
import { readFileSync } from "node:fs";
import t from "tap";
import { parse } from "yaml";
import { AGENT_SETTINGS } from "../../src/config/agent/agent-settings.ts";
import { buildAgentConfig } from "../../src/config/agent/build-agent.ts";
import type { PathContext } from "../../src/config/paths.ts";
import { USER, fileSettings, serverConfigOf } from "../support/file-settings.ts";

type Texts = Readonly<Record<string, string>>;
type Root = Readonly<Record<string, unknown>>;

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

function contextOf(env: Texts): PathContext {
  return { ...USER, env: { ...USER.env, ...env } };
}

function server(root: Root, env: Texts = {}) {
  return serverConfigOf(root, { context: contextOf(env) });
}

function agent(root: Root, env: Texts = {}, given: Texts = {}) {
  const context = contextOf(env);
  const settings = fileSettings(
    AGENT_SETTINGS,
    { server: "server:8081", ...root },
    { context, given },
  );
  return buildAgentConfig(settings, context);
}

t.test("k8s_psat on the server: a pod's API server, or a kubeconfig", async (t) => {
  const clusters = {
    demo: { serviceAccounts: ["assay:agent"] },
    "far.example": {
      serviceAccounts: ["a:b", "c:d"],
      audiences: ["assay"],
      kubeconfig: "/etc/far",
      context: "x",
      allowedNodeLabels: ["zone"],
    },
  };
  const root = { nodeAttestors: { k8sPsat: { clusters } } };
  const inPod = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
  const shared = {
    caFile: `${ACCOUNT}/ca.crt`,
    tokenFile: `${ACCOUNT}/token`,
    allowedPodLabels: [],
  };
  t.same(server(root, inPod).nodeAttestors.k8sPsat?.clusters.get("demo"), {
    ...shared,
    serviceAccounts: ["assay:agent"],
    audiences: ["spire-server"],
    apiServer: "https://[fd00::1]:6443",
    allowedNodeLabels: [],
  });
  t.match(server(root).nodeAttestors.k8sPsat?.clusters.get("far.example"), {
    ...clusters["far.example"],
    ...shared,
    apiServer: "https://kubernetes.default.svc",
  });
  for (const [change, message] of [
    [{ clusters: { demo: {} } }, /serviceAccounts.*is missing/],
    [{ clusters: { demo: { serviceAccounts: [] } } }, /serviceAccounts/],
    [{ clusters: { demo: { serviceAccounts: ["agent"] } } }, /not written NAMESPACE:NAME/],
    [{ clusters: { demo: { serviceAccounts: ["a:b"], audiences: [] } } }, /audiences/],
    [{ clusters: { "a/b": { serviceAccounts: ["a:b"] } } }, /a\/b/],
    [{ clusters: { "..": { serviceAccounts: ["a:b"] } } }, /\.\./],
    [
      { clusters: { demo: { serviceAccounts: ["a:b"], apiServer: "http://x" } } },
      /not written https:\/\/HOST:PORT/,
    ],
    [{}, /clusters.*is missing/],
  ] as const) {
    t.throws(() => server({ nodeAttestors: { k8sPsat: change } }), { message });
  }
});

t.test("k8s_psat on the agent", async (t) => {
  const nodeAttestors = { k8sPsat: { cluster: "demo" } };
  t.same(agent({ attestor: "k8s_psat", nodeAttestors }).attestor, {
    type: "k8s_psat",
    cluster: "demo",
    tokenFile: "/var/run/secrets/tokens/spire-agent",
  });
  t.equal(agent({ nodeAttestors }).attestor, undefined, "it is not the one that was chosen");
  t.throws(() => agent({ attestor: "k8s_psat" }), {
    message: /k8s_psat needs nodeAttestors\.k8sPsat\.cluster/,
  });
  t.throws(() => agent({ attestor: "k8s_psat", nodeAttestors }, {}, { "join-token": "t" }), {
    message: /a join token has no meaning with attestor k8s_psat/,
  });
  t.throws(() => agent({ nodeAttestors: { k8sPsat: { cluster: "a b" } } }), {
    message: /is no name of a cluster/,
  });
});

t.test("k8s: the kubelet is the node's own unless it is named", async (t) => {
  const kubelet = (k8s: unknown, env: Texts = {}) =>
    agent({ workloadAttestors: { k8s } }, env).workloadAttestors.k8s;
  t.same(kubelet(null, { ASSAY_NODE_IP: "10.0.0.7" }), {
    kubelet: "https://10.0.0.7:10250",
    caFile: `${ACCOUNT}/ca.crt`,
    tokenFile: `${ACCOUNT}/token`,
    skipVerification: false,
  });
  t.equal(kubelet({}, { ASSAY_NODE_IP: "fd00::7" })?.kubelet, "https://[fd00::7]:10250");
  t.equal(kubelet({})?.kubelet, "https://127.0.0.1:10250");
  t.equal(kubelet({ kubelet: "http://127.0.0.1:10255" })?.kubelet, "http://127.0.0.1:10255");
  const inPod = { KUBERNETES_SERVICE_HOST: "10.96.0.1" };
  t.same(kubelet({ namespaceLabels: null }, inPod)?.namespaceLabels, {
    apiServer: "https://10.96.0.1:443",
    caFile: `${ACCOUNT}/ca.crt`,
    tokenFile: `${ACCOUNT}/token`,
  });
  const kubeconfig = "/etc/kube";
  t.match(kubelet({ namespaceLabels: { kubeconfig } })?.namespaceLabels, { kubeconfig });
  t.throws(() => kubelet({ namespaceLabels: { apiServer: "http://x" } }), {
    message: /namespaceLabels\.apiServer.*not written https/,
  });
  t.throws(() => kubelet({ kubelet: "127.0.0.1:10250" }), { message: /not written https/ });
  t.throws(() => kubelet({ kubelet: "https://h/pods" }), { message: /not written https/ });
});

t.test("deploy/kubernetes: its files are valid, and fit together", async (t) => {
  const read = (name: string): Root =>
    parse(readFileSync(`deploy/kubernetes/${name}.config.yaml`, "utf8")) as Root;
  const one = server(read("server"), { KUBERNETES_SERVICE_HOST: "10.96.0.1" });
  // The bundle is there once the server has written it.
  const { trustBundle: _, ...root } = read("agent");
  const other = agent(root);
  t.equal(one.trustDomain, other.trustDomain);
  t.match(other.attestor, { type: "k8s_psat" });
  const { attestor } = other;
  const cluster = attestor?.type === "k8s_psat" ? attestor.cluster : "";
  const accounts = one.nodeAttestors.k8sPsat?.clusters.get(cluster)?.serviceAccounts;
  t.same(accounts, ["assay:assay-agent"]);
  t.equal(other.adminSocket, undefined, "nothing beside the Workload API");
});
