/** Every right that deploy/kubernetes gives is needed: without one, the thing that it is for fails and says so. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import t from "tap";
import { parseAllDocuments } from "yaml";
import { WorkloadAttestors } from "../../src/agent/attestation/workload-attestors.ts";
import type { SelectorGap } from "../../src/attestors/contract.ts";
import { encodePayload } from "../../src/attestors/node/k8s-psat/payload.ts";
import { k8sPsatServer } from "../../src/attestors/node/k8s-psat/server.ts";
import { KubernetesClient } from "../../src/attestors/kubernetes/client.ts";
import type { Credential } from "../../src/attestors/kubernetes/connection.ts";
import { readKubeconfig } from "../../src/attestors/kubernetes/kubeconfig.ts";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { k8sAttestor } from "../../src/attestors/workload/kubernetes/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { errorFrom } from "../../src/base/errors.ts";
import { AGENT_SETTINGS } from "../../src/config/agent/agent-settings.ts";
import { buildAgentConfig } from "../../src/config/agent/build-agent.ts";
import { Settings } from "../../src/config/settings/source.ts";
import { ConfigMapPublisher } from "../../src/server/bundles/config-map-publisher.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { formatSelector } from "../../src/spiffe/selector.ts";
import { attestCall } from "../support/attest-call.ts";
import { TestCa } from "../support/test-ca.ts";
import { Cluster } from "./cluster/cluster.ts";
import { namespace, pod, podToken, processOf, running } from "./cluster/objects.ts";
import { PATIENCE_MS } from "../support/patience.ts";

interface Rule {
  readonly resources: readonly [string];
  readonly verbs: readonly [string];
}

interface Stored {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules?: readonly Rule[];
}

const FOLDER = join(import.meta.dirname, "../../deploy/kubernetes");
const RBAC = new Set([
  "ServiceAccount",
  "Role",
  "ClusterRole",
  "RoleBinding",
  "ClusterRoleBinding",
]);

function deployed(file: string): Stored[] {
  return parseAllDocuments(readFileSync(join(FOLDER, file), "utf8")).map(
    (document) => document.toJS() as Stored,
  );
}

/** Rights spread through the API server within moments; the kubelet remembers a refusal for half a minute. */
async function becomes(attempt: () => Promise<string>, wanted: RegExp): Promise<string> {
  let said = "";
  for (const late = performance.now() + PATIENCE_MS; performance.now() < late; ) {
    said = await attempt();
    if (wanted.test(said)) return said;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return said;
}

function outcome(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (thrown: unknown) => errorFrom(thrown).message,
  );
}

t.test("the rights of server and agent", async (t) => {
  await using cluster = await Cluster.start({ nodes: 1 });
  const objects = [
    "server.yaml",
    "agent.yaml",
    "token-review/rbac.yaml",
    "namespace-labels/rbac.yaml",
  ].flatMap(deployed);
  const inNamespace = (object: Stored): object =>
    object.kind.startsWith("Cluster")
      ? object
      : { ...object, metadata: { ...object.metadata, namespace: "assay" } };
  await cluster.apply(namespace("assay"));
  const needed = objects.filter(
    ({ kind, metadata }) => RBAC.has(kind) || metadata.name === "assay-bundle",
  );
  await cluster.apply(...needed.map(inNamespace));
  const account = "assay-agent";
  await cluster.apply(pod({ namespace: "assay", name: "agent", node: 1, serviceAccount: account }));
  const agentPod = await running(cluster, "assay", "agent");
  const params = { space: "assay", account, podName: "agent" };
  const proof = await podToken(cluster, { ...params, audience: "spire-server" });

  const { server, authorities } = await readKubeconfig(cluster.kubeconfig);
  const tokenOf = async (name: string): Promise<{ text: string }> => ({
    text: (await cluster.kubectl(["create", "token", name, "-n", "assay"])).trim(),
  });
  const client = (address: string, token: { text: string }): KubernetesClient =>
    new KubernetesClient({
      connection: { server: address, token, ...(authorities && { authorities }) },
      clock: systemClock,
    });
  const api = client(server, await tokenOf("assay-server"));
  const psat = k8sPsatServer([
    {
      name: "demo",
      client: api,
      serviceAccounts: new Set(["assay:assay-agent"]),
      audiences: ["spire-server"],
      nodeLabels: [],
      podLabels: [],
    },
  ]);
  const never = new AbortController().signal;
  const attestNode = () =>
    outcome(
      psat.admit(
        encodePayload({ cluster: "demo", token: proof }),
        () => Promise.reject(new Error("it challenged")),
        never,
      ),
    );
  const bundle = {
    trustDomain: "example.org",
    x509Authorities: [{ der: (await TestCa.create()).der, tainted: false }],
    jwtAuthorities: [],
    refreshHint: 0,
    sequence: 1,
  };
  const publisher = new ConfigMapPublisher({
    client: api,
    namespace: "assay",
    name: "assay-bundle",
    key: "bundle.pem",
    format: "pem",
  });
  const publish = () => outcome(publisher.publish(bundle, never));
  const kubelet = `https://${cluster.nodeAddress(1)}:10250`;
  const agentToken = await tokenOf(account);
  const attestWorkload = () =>
    outcome(
      k8sAttestor({
        client: client(kubelet, agentToken),
        containers: new ContainerLookup(),
        clock: systemClock,
      }).attest(processOf(agentPod), attestCall()),
    );

  const kubeconfig = join(mkdtempSync(join(tmpdir(), "assay-rights-")), "agent.json");
  t.teardown(() => rmSync(dirname(kubeconfig), { recursive: true }));
  writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(server, authorities, agentToken)));
  const tokenFile = join(dirname(kubeconfig), "token");
  writeFileSync(tokenFile, agentToken.text);
  const k8s = {
    kubelet,
    caFile: cluster.pki("ca.crt"),
    tokenFile,
    namespaceLabels: { kubeconfig, context: "agent" },
  };
  await using attestors = await agentAttestors(cluster, kubeconfig, k8s);
  const presented = await podToken(cluster, { ...params, audience: "spiffe://example.org" });
  const reviewToken = () => {
    const [attestor] = attestors.current.filter(({ type }) => type === "token");
    const connection = { alive: () => true };
    const token = { token: presented, connection, process: () => "", onEnd: () => undefined };
    const facts = { pid: 0, uid: 0, gid: 0, groups: [] };
    if (attestor === undefined) throw new Error("tokens are not looked at");
    return outcome(attestor.attest(facts, { ...attestCall(), token }));
  };

  await cluster.kubectl(["label", "namespace", "assay", "example.org/tier=gold"]);
  const attestLabels = async (): Promise<string> => {
    const [attestor] = attestors.current.filter(({ type }) => type === "k8s");
    if (attestor === undefined) throw new Error("pods are not looked at");
    const gaps: SelectorGap[] = [];
    const found = await attestor.attest(processOf(agentPod), attestCall(undefined, gaps));
    const texts = found.map(formatSelector);
    if (!texts.includes("k8s:sa:assay-agent")) return "the pod's own selectors are missing";
    const labels = texts.filter((text) => text.startsWith("k8s:ns-label:")).sort();
    if (gaps.length > 0) return [...labels, ...gaps.map(({ reason }) => reason)].join();
    const wanted =
      "k8s:ns-label:example.org/tier:gold k8s:ns-label:kubernetes.io/metadata.name:assay";
    return labels.join(" ") === wanted ? "done" : labels.join(" ");
  };

  const uses: Readonly<Record<string, () => Promise<string>>> = {
    "assay-server: create tokenreviews": attestNode,
    "assay-agent-token-review: create tokenreviews": reviewToken,
    "get namespaces": attestLabels,
    "get nodes": attestNode,
    "get pods": attestNode,
    "patch configmaps": publish,
    "get nodes/pods": attestWorkload,
  };

  for (const role of objects.filter(({ kind }) => kind === "Role" || kind === "ClusterRole")) {
    for (const rule of role.rules ?? []) {
      t.equal(rule.resources.length * rule.verbs.length, 1, "one right a rule");
      const right = `${rule.verbs[0]} ${rule.resources[0]}`;
      await t.test(`${role.metadata.name} needs to ${right}`, async (t) => {
        const use = uses[right] ?? uses[`${role.metadata.name}: ${right}`];
        if (use === undefined) throw new Error(`no test says what ${right} is for`);
        const others = { ...role, rules: (role.rules ?? []).filter((other) => other !== rule) };
        await cluster.apply(inNamespace(others));
        t.match(await becomes(use, /status 403/), /status 403.*right to .* is missing/);
        await cluster.apply(inNamespace(role));
        t.equal(await becomes(use, /^done$/), "done");
      });
    }
  }

  await t.test("the bundle is in the ConfigMap, and other keys are left alone", async (t) => {
    const patch = ["patch", "configmap", "-n", "assay", "assay-bundle", "--type=merge"];
    await cluster.kubectl([...patch, "-p", '{"data":{"mine":"kept"}}']);
    t.equal(await publish(), "done");
    const { data } = await cluster.get<{ data: Record<string, string> }>(
      "configmap",
      "-n",
      "assay",
      "assay-bundle",
    );
    t.match(data, { mine: "kept", "bundle.pem": /^-----BEGIN CERTIFICATE-----/ });
    const elsewhere = new ConfigMapPublisher({
      client: api,
      namespace: "assay",
      name: "another",
      key: "bundle.pem",
      format: "pem",
    });
    t.match(await outcome(elsewhere.publish(bundle, never)), /right to patch it is missing/);
  });
});

/** Of the agent's account. */
function kubeconfigOf(
  server: string,
  authorities: Credential | undefined,
  { text: token }: { text: string },
): object {
  if (authorities === undefined || !("text" in authorities)) throw new Error("no authorities");
  const data = Buffer.from(authorities.text).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "demo", cluster: { server, "certificate-authority-data": data } }],
    users: [{ name: "agent", user: { token } }],
    contexts: [{ name: "agent", context: { cluster: "demo", user: "agent" } }],
  };
}

/** An agent's attestors, which ask that cluster about tokens and namespaces. */
async function agentAttestors(
  cluster: Cluster,
  kubeconfig: string,
  k8s: object,
): Promise<WorkloadAttestors> {
  const discovery = await cluster.kubectl(["get", "--raw", "/.well-known/openid-configuration"]);
  const { issuer } = JSON.parse(discovery) as { issuer: string };
  const jwksFile = join(dirname(kubeconfig), "jwks.json");
  writeFileSync(jwksFile, await cluster.kubectl(["get", "--raw", "/openid/v1/jwks"]));
  const root = {
    trustDomain: "example.org",
    server: "127.0.0.1:8081",
    insecureBootstrap: true,
    workloadAttestors: {
      k8s,
      token: {
        oneTime: false,
        issuers: [
          { alias: "kube", url: issuer, jwksFile, review: { kubeconfig, context: "agent" } },
        ],
      },
    },
  };
  const context = { uid: 0, env: {} };
  const settings = new Settings({
    table: AGENT_SETTINGS,
    given: () => undefined,
    fromEnv: () => undefined,
    file: { name: "agent.yaml", root },
    context,
  });
  return await WorkloadAttestors.open(buildAgentConfig(settings, context), {
    logger: silentLogger,
    clock: systemClock,
    spendToken: () => Promise.reject(new Error("nobody shows one")),
  });
}
