/** `k8s_psat` and `k8s` against a real API server, a real kubelet and real pods. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { k8sPsatAttestor } from "../../src/attestors/node/k8s-psat/agent.ts";
import { encodePayload } from "../../src/attestors/node/k8s-psat/payload.ts";
import { k8sPsatServer } from "../../src/attestors/node/k8s-psat/server.ts";
import type { NodeAttestorServer, WorkloadAttestor } from "../../src/attestors/contract.ts";
import { OidcIssuer } from "../../src/attestors/issuer/issuer.ts";
import { OidcIssuers } from "../../src/attestors/issuer/issuers.ts";
import { TokenReviews } from "../../src/attestors/workload/token/reviews.ts";
import { tokenAttestor } from "../../src/attestors/workload/token/attest.ts";
import { errorFrom } from "../../src/base/errors.ts";
import { KubernetesClient } from "../../src/attestors/kubernetes/client.ts";
import type { KubernetesConnection } from "../../src/attestors/kubernetes/connection.ts";
import { readKubeconfig } from "../../src/attestors/kubernetes/kubeconfig.ts";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { k8sAttestor } from "../../src/attestors/workload/kubernetes/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { formatSelector } from "../../src/spiffe/selector.ts";
import { workloadAttestorConformance } from "../attestors/workload-conformance.ts";
import { attestCall } from "../support/attest-call.ts";
import { refused } from "../support/refused.ts";
import { Domain, TRUST_DOMAIN } from "../support/running.ts";
import { TestCa } from "../support/test-ca.ts";
import { Cluster } from "./cluster/cluster.ts";
import {
  type StoredPod,
  namespace,
  pod,
  podToken,
  processOf,
  running,
  serviceAccount,
} from "./cluster/objects.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const clock = systemClock;

t.test("on a cluster", async (t) => {
  await using cluster = await Cluster.start({ nodes: 1 });
  const dir = mkdtempSync(join(tmpdir(), "assay-k8s-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  await cluster.apply(
    namespace("shop"),
    serviceAccount("shop", "agent"),
    serviceAccount("shop", "other"),
  );
  const labels = { app: "web", "example.org/empty": "" };
  await cluster.apply(
    pod({ namespace: "shop", name: "agent", node: 1, serviceAccount: "agent", labels }),
    pod({ namespace: "shop", name: "other", node: 1, serviceAccount: "other" }),
  );
  const agentPod = await running(cluster, "shop", "agent");
  const otherPod = await running(cluster, "shop", "other");
  const node = await cluster.get<{ metadata: { uid: string } }>("node", "node1");

  const api = await readKubeconfig(cluster.kubeconfig);
  const psat = (): NodeAttestorServer =>
    k8sPsatServer([
      {
        name: "demo",
        client: new KubernetesClient({ connection: api, clock }),
        serviceAccounts: new Set(["shop:agent"]),
        audiences: ["spire-server"],
        nodeLabels: ["kubernetes.io/hostname", "absent"],
        podLabels: ["app"],
      },
    ]);
  const tokenFor = (podName: string, audience = "spire-server"): Promise<string> =>
    podToken(cluster, { space: "shop", account: podName, podName, audience });
  const asked = () => Promise.reject(new Error("asked"));
  const admit = (token: string, name = "demo") =>
    psat().admit(encodePayload({ cluster: name, token }), asked, new AbortController().signal);

  await t.test("k8s_psat: an agent joins, is known by its selectors, and again", async (t) => {
    const demo = {
      kubeconfig: cluster.kubeconfig,
      apiServer: "",
      caFile: "/nonexistent",
      tokenFile: "/nonexistent",
      serviceAccounts: ["shop:agent"],
      audiences: ["spire-server"],
      allowedNodeLabels: ["kubernetes.io/hostname"],
      allowedPodLabels: ["app"],
    };
    await using domain = await Domain.start({
      nodeAttestors: { k8sPsat: { clusters: new Map([["demo", demo]]) } },
    });
    const tokenFile = join(dir, "token");
    writeFileSync(tokenFile, await tokenFor("agent"));
    const proof = {
      joinToken: undefined,
      attestor: { type: "k8s_psat" as const, cluster: "demo", tokenFile },
    };
    const agent = await domain.startAgent(proof);
    const path = `/spire/agent/k8s_psat/demo/${node.metadata.uid}`;
    t.equal(agent.spiffeId.toString(), `spiffe://${TRUST_DOMAIN}${path}`);
    const known = await domain.call<{
      selectors: { type: string; value: string }[];
      can_reattest: boolean;
    }>("agent.v1.Agent", "GetAgent", { id: { trust_domain: TRUST_DOMAIN, path } });
    t.equal(known.can_reattest, true);
    t.same(
      known.selectors.map(({ type, value }) => `${type}:${value}`),
      [
        `k8s_psat:agent_node_ip:${cluster.nodeAddress(1)}`,
        "k8s_psat:agent_node_label:kubernetes.io/hostname:node1",
        "k8s_psat:agent_node_name:node1",
        `k8s_psat:agent_node_uid:${node.metadata.uid}`,
        "k8s_psat:agent_ns:shop",
        "k8s_psat:agent_pod_label:app:web",
        "k8s_psat:agent_pod_name:agent",
        `k8s_psat:agent_pod_uid:${agentPod.metadata.uid}`,
        "k8s_psat:agent_sa:agent",
        "k8s_psat:cluster:demo",
      ],
    );
    await agent[Symbol.asyncDispose]();
    // The data folder is lost and the token is a new one: the same agent.
    writeFileSync(tokenFile, await tokenFor("agent"));
    const again = await domain.startAgent({ ...proof, dataDir: join(domain.dir, "other") });
    t.equal(again.spiffeId.path, path);
  });

  await t.test("k8s_psat: what the cluster does not vouch for is refused", async (t) => {
    const good = await tokenFor("agent");
    t.match(await admit(good), { canReattest: true });
    const create = ["create", "token", "agent", "-n", "shop"];
    const unbound = (await cluster.kubectl([...create, "--audience=spire-server"])).trim();
    // No audience was asked for: it is the API server's own.
    const own = (await cluster.kubectl(create)).trim();
    const [head = "", body = "", signature = ""] = good.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as object;
    const encode = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const none = `${encode({ alg: "none", typ: "JWT" })}.${body}.`;
    const longer = `${head}.${encode({ ...claims, exp: 4_000_000_000 })}.${signature}`;
    const cases: readonly (readonly [string, string, RegExp])[] = [
      ["another audience", await tokenFor("agent", "other"), /does not accept/],
      ["the API server's audience", own, /does not accept/],
      ["another service account", await tokenFor("other"), /shop:other is not one/],
      ["bound to no pod", unbound, /bound to no pod/],
      ["alg none", none, /does not accept/],
      ["changed claims", longer, /does not accept/],
      ["no token at all", "x", /does not accept/],
      ["1 KB of dots", ".".repeat(1024), /does not accept/],
    ];
    for (const [name, token, message] of cases) {
      await refused(t, admit(token), { kind: "denied", message }, name);
    }
    await refused(t, admit(good, "elsewhere"), { kind: "denied", message: /no cluster/ });
  });

  await t.test("k8s_psat: a pod that came after another of its name is another", async (t) => {
    const one = pod({ namespace: "shop", name: "twin", node: 1, serviceAccount: "agent" });
    await cluster.apply(one);
    await running(cluster, "shop", "twin");
    const audience = "spire-server";
    const params = { space: "shop", account: "agent", podName: "twin", audience };
    const token = await podToken(cluster, params);
    t.match(await admit(token), { canReattest: true });
    await cluster.kubectl(["delete", "pod", "-n", "shop", "twin", "--wait=true"]);
    // The API server's own cache still takes the token for some seconds.
    await refused(t, admit(token), { kind: "denied", message: /gone|does not accept/ });
    await cluster.apply(one);
    await running(cluster, "shop", "twin");
    await refused(t, admit(token), { kind: "denied", message: /gone|does not accept/ });
    await cluster.kubectl(["delete", "pod", "-n", "shop", "twin"]);
  });

  await t.test("k8s_psat: a token file that is not there is named", async (t) => {
    const missing = k8sPsatAttestor({ cluster: "demo", tokenFile: join(dir, "missing") });
    await refused(t, missing.prove(new AbortController().signal), {
      kind: "precondition",
      message: /missing cannot be read \(ENOENT\)/,
    });
  });

  const secure: KubernetesConnection = {
    server: `https://${cluster.nodeAddress(1)}:10250`,
    authorities: { file: cluster.pki("ca.crt") },
    clientCertificate: {
      cert: { file: cluster.pki("kubelet-client.crt") },
      key: { file: cluster.pki("kubelet-client.key") },
    },
  };
  const k8s = (connection = secure, apiServer?: KubernetesClient) =>
    k8sAttestor({
      client: new KubernetesClient({ connection, clock }),
      ...(apiServer === undefined ? {} : { apiServer }),
      containers: new ContainerLookup(),
      clock,
    });

  for (const apiServer of [undefined, new KubernetesClient({ connection: api, clock })]) {
    await workloadAttestorConformance(t, async () => ({
      attestor: k8s(secure, apiServer),
      subject: processOf(agentPod),
    }));
  }

  await t.test("k8s: a pod's selectors, over both of the kubelet's ports", async (t) => {
    const imageId = agentPod.status.containerStatuses?.[0]?.imageID ?? "";
    const expected = [
      "k8s:container-image:localhost/busybox:1",
      `k8s:container-image:${imageId}`,
      "k8s:container-name:main",
      "k8s:node-name:node1",
      "k8s:ns:shop",
      "k8s:pod-image-count:1",
      "k8s:pod-image:localhost/busybox:1",
      `k8s:pod-image:${imageId}`,
      "k8s:pod-init-image-count:0",
      "k8s:pod-label:app:web",
      "k8s:pod-label:example.org/empty:",
      "k8s:pod-name:agent",
      `k8s:pod-uid:${agentPod.metadata.uid}`,
      "k8s:sa:agent",
    ].sort();
    const plain = { server: `http://${cluster.nodeAddress(1)}:10255` };
    const byName = { ...secure, serverName: "node1" };
    for (const connection of [secure, plain, byName]) {
      const selectors = await k8s(connection).attest(processOf(agentPod), attestCall());
      t.same(selectors.map(formatSelector).sort(), expected, connection.server);
    }
    const other = await k8s().attest(processOf(otherPod), attestCall());
    t.ok(other.some(({ value }) => value === "sa:other"));
    t.notOk(other.some(({ value }) => value === "sa:agent"));
  });

  await t.test("k8s: owners, init containers, and a second container", async (t) => {
    const container = {
      image: "localhost/busybox:1",
      imagePullPolicy: "Never",
      command: ["sleep", "3600"],
    };
    const labels = { set: "set" };
    const spec = {
      terminationGracePeriodSeconds: 0,
      initContainers: [{ ...container, name: "first", command: ["true"] }],
      containers: [
        { ...container, name: "left" },
        { ...container, name: "right" },
      ],
    };
    await cluster.apply({
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: { namespace: "shop", name: "set" },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec },
      },
    });
    const ready = "--for=jsonpath={.status.readyReplicas}=1";
    await cluster.kubectl(["wait", "-n", "shop", "rs/set", ready, "--timeout=300s"]);
    const set = await cluster.get<{ metadata: { uid: string } }>("rs", "-n", "shop", "set");
    const list = await cluster.get<{ items: [StoredPod] }>("pods", "-n", "shop", "-l", "set=set");
    const [stored] = list.items;
    const values = (await k8s().attest(processOf(stored), attestCall())).map(({ value }) => value);
    for (const value of [
      "pod-owner:ReplicaSet:set",
      `pod-owner-uid:ReplicaSet:${set.metadata.uid}`,
      "pod-image-count:2",
      "pod-init-image-count:1",
      "pod-init-image:localhost/busybox:1",
      `container-name:${stored.status.containerStatuses?.[0]?.name}`,
      "sa:default",
    ]) {
      t.ok(values.includes(value), value);
    }
  });

  await t.test("k8s: a container that just started is found once it is listed", async (t) => {
    const attestor = k8s();
    await attestor.attest(processOf(agentPod), attestCall()); // a list from before
    await cluster.apply(pod({ namespace: "shop", name: "late", node: 1 }));
    const late = await running(cluster, "shop", "late");
    const selectors = await attestor.attest(processOf(late), attestCall());
    t.ok(selectors.some(({ value }) => value === "pod-name:late"));
  });

  await t.test(
    "token: a pod that no PID tells, by its token, for as long as it lives",
    async (t) => {
      const audience = `spiffe://${TRUST_DOMAIN}`;
      await cluster.apply(
        pod({ namespace: "shop", name: "box", node: 1, serviceAccount: "other" }),
      );
      const box = await running(cluster, "shop", "box");
      const params = { space: "shop", account: "other", podName: "box", audience };
      const token = await podToken(cluster, params);
      const { issuer } = JSON.parse(
        await cluster.kubectl(["get", "--raw", "/.well-known/openid-configuration"]),
      ) as { issuer: string };
      const jwksFile = join(dir, "jwks.json");
      writeFileSync(jwksFile, await cluster.kubectl(["get", "--raw", "/openid/v1/jwks"]));
      await using issuers = new OidcIssuers([
        OidcIssuer.of({ alias: "kube", issuerUrl: issuer, audiences: [audience], jwksFile, clock }),
      ]);
      const options = {
        issuers,
        requiredClaims: new Map([["kube", new Map<string, readonly string[]>()]]),
        aliases: ["kube"],
        containers: new ContainerLookup(),
        clock,
      };
      const client = new KubernetesClient({ connection: api, clock });
      const byReview = new TokenReviews({ client, audiences: [audience], clock });
      const byPods = () =>
        tokenAttestor({ ...options, pods: k8s(), podIssuers: new Set(["kube"]) });
      const reviewed = () => tokenAttestor({ ...options, reviews: new Map([["kube", byReview]]) });
      const show = async (attestor: WorkloadAttestor): Promise<string[]> => {
        const connection = { alive: () => true };
        const presented = { token, connection, process: () => "", onEnd: () => undefined };
        const nobody = { pid: 0, uid: 0, gid: 0, groups: [] };
        const found = await attestor.attest(nobody, { ...attestCall(), token: presented });
        return found.map(formatSelector);
      };
      const own = await show(byPods());
      for (const selector of [
        "token:kube:kubernetes.io/pod/name:box",
        "k8s:ns:shop",
        "k8s:sa:other",
        "k8s:node-name:node1",
        `k8s:pod-uid:${box.metadata.uid}`,
        "k8s:pod-image:localhost/busybox:1",
      ]) {
        t.ok(own.includes(selector), selector);
      }
      t.notOk(own.some((selector) => selector.startsWith("k8s:container")));
      t.ok((await show(reviewed())).includes("token:kube:kubernetes.io/pod/name:box"));

      await cluster.kubectl(["delete", "pod", "-n", "shop", "box", "--wait=true"]);
      const gone = /a pod that is not on this node|a pod that has ended/;
      t.match(await refusal(() => show(byPods())), gone, "its signature is as good as before");
      // The API server's cache and ours take it for some seconds.
      t.match(await refusal(() => show(reviewed())), /does not accept the token/);
    },
  );

  await t.test("k8s: a kubelet that does not know us, or that we do not know", async (t) => {
    const subject = processOf(agentPod);
    const { clientCertificate: _, ...anonymous } = secure;
    const otherCa = { text: (await TestCa.create()).pem };
    const powerless = { text: await tokenFor("other", "https://kubernetes.default.svc") };
    const cases: readonly (readonly [string, KubernetesConnection, RegExp])[] = [
      ["no credentials", anonymous, /status 401; give the agent a token or a certificate/],
      [
        "a service account without the right",
        { ...anonymous, token: powerless },
        /status 403.*; the right to get nodes\/pods is missing/,
      ],
      ["another authority", { ...secure, authorities: otherCa }, /certificate is not accepted/],
      ["another name", { ...secure, serverName: "node2" }, /certificate is not accepted/],
      [
        "nobody there",
        { ...secure, server: `https://${cluster.nodeAddress(1)}:1` },
        /ECONNREFUSED/,
      ],
    ];
    for (const [name, connection, message] of cases) {
      await refused(t, k8s(connection).attest(subject, attestCall()), { message }, name);
    }
    const unverified = { ...secure, authorities: otherCa, isUnverified: true as const };
    t.ok((await k8s(unverified).attest(subject, attestCall())).length > 0);
    // A process of the host needs no kubelet.
    const host = { pid: process.pid, uid: 0, gid: 0, groups: [] };
    t.same(await k8s({ server: "https://10.200.1.11:1" }).attest(host, attestCall()), []);
  });
});

/** What is said once it is refused. */
async function refusal(attempt: () => Promise<unknown>): Promise<string> {
  for (const late = performance.now() + PATIENCE_MS; performance.now() < late; ) {
    try {
      await attempt();
    } catch (thrown) {
      return errorFrom(thrown).message;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return "it was never refused";
}
