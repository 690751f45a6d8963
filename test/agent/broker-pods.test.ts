/** Pods that a broker refers to, as a kubelet lists them; what a real one says is in test/kubernetes. */
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import { messageType } from "../../src/rpc/protos.ts";
import { BrokerClient, process, scene, untilEnded } from "../support/broker-scene.ts";
import { until } from "../support/patience.ts";
import { refused } from "../support/refused.ts";
import { id } from "../support/running.ts";
import { folder, secureServer } from "../attestors/kubernetes-peers.ts";

const UID = "11111111-2222-3333-4444-555555555555";
const OTHER = "99999999-2222-3333-4444-555555555555";
const OBJECT = "spiffe.broker.KubernetesObjectReference";
const PODS = { plural: "pods", group: "core" };
const KEY = { namespace: "shop", name: "checkout-7c9f" };

function pod(fields: object): object {
  const value = messageType(OBJECT).encode(fields);
  return { reference: { reference: { type_url: `type.googleapis.com/${OBJECT}`, value } } };
}

function listed({
  uid = UID,
  name = KEY.name,
  phase = "Running",
  namespace = KEY.namespace,
  annotations = {},
} = {}): object {
  return {
    metadata: { uid, name, namespace, labels: { app: "checkout" }, annotations },
    spec: { serviceAccountName: "checkout", nodeName: "node-1" },
    status: {
      phase,
      containerStatuses: [
        { name: "c", containerID: `containerd://${"a".repeat(64)}`, image: "checkout:1" },
      ],
    },
  };
}

type K8sConfig = NonNullable<AgentConfig["workloadAttestors"]["k8s"]>;

/** A node with pods, and this process as a broker that may name them, over both transports. */
async function node(t: Test, pods = true, change: Partial<K8sConfig> = {}) {
  const held = { items: [listed()], status: 200 };
  const kubelet = createServer((_request, response) => {
    response.writeHead(held.status).end(JSON.stringify({ items: held.items }));
  });
  await new Promise<void>((resolve) => kubelet.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    kubelet.closeAllConnections();
    kubelet.close();
  });
  const made = await scene(
    t,
    [{ id: id("/broker"), pidOverTcp: false, pods }],
    {},
    {
      k8s: {
        kubelet: `http://127.0.0.1:${(kubelet.address() as AddressInfo).port}`,
        caFile: "",
        tokenFile: "",
        skipVerification: false,
        ...change,
      },
    },
  );
  const entryId = await made.domain.entry({
    path: "/checkout",
    selectors: ["k8s:ns:shop", "k8s:sa:checkout"],
  });
  return { ...made, held, podEntryId: entryId };
}

t.test("a pod by its uid, its key, or both, as long as it is there", async (t) => {
  const { local, remote, identity, held, domain, podEntryId } = await node(t);
  using client = new BrokerClient(local, identity);
  using far = new BrokerClient(remote, identity);
  for (const [name, fields] of [
    ["uid", { uid: UID }],
    ["uid in capitals", { uid: UID.toUpperCase() }],
    ["key", { key: KEY }],
    ["both", { key: KEY, uid: UID }],
  ] as const) {
    const request = pod({ type: PODS, ...fields });
    for (const each of [client, far]) {
      using watch = each.x509(request);
      const { svids } = await watch.next();
      t.same(
        svids.map(({ spiffe_id }) => spiffe_id),
        [id("/checkout")],
        name,
      );
    }
    const { svids } = await client.jwt({ ...request, audience: ["a"] });
    t.equal(svids[0]?.spiffe_id, id("/checkout"));
  }

  using byUid = client.x509(pod({ type: PODS, uid: UID }));
  using byKey = far.x509(pod({ type: PODS, key: KEY }));
  for (const watch of [byUid, byKey]) await watch.next();
  const missing = { kind: "not_found", reason: "WORKLOAD_NOT_FOUND" } as const;
  const ended = [byUid, byKey].map((watch, i) =>
    refused(t, untilEnded(watch), missing, i === 0 ? "the pod is gone" : "its name is another's"),
  );
  held.items = [listed({ uid: OTHER })];
  await Promise.all(ended);
  await refused(t, client.x509(pod({ type: PODS, key: KEY, uid: UID })).next(), missing, "pinned");
  using again = client.x509(pod({ type: PODS, key: KEY }));
  await again.next();

  const entitled = { kind: "denied", reason: "WORKLOAD_NOT_ENTITLED" } as const;
  const over = refused(t, untilEnded(again), entitled);
  await domain.deleteEntry(podEntryId);
  await over;
});

t.test("a pod that says of itself that it is another is not found in its place", async (t) => {
  // The kubelet names a static pod's file so; whoever makes a pod may write the same.
  const annotations = { "kubernetes.io/config.hash": UID };
  const imposter = listed({ uid: OTHER, name: "imposter", namespace: "evil", annotations });
  for (const items of [
    [listed(), imposter],
    [imposter, listed()],
  ]) {
    const { local, identity, held } = await node(t);
    held.items = items;
    using client = new BrokerClient(local, identity);
    for (const fields of [{ uid: UID }, { key: KEY, uid: UID }]) {
      const { svids } = await client.x509(pod({ type: PODS, ...fields })).next();
      t.same(
        svids.map(({ spiffe_id }) => spiffe_id),
        [id("/checkout")],
      );
    }
  }
});

t.test("pods that cannot be referred to, each with its reason", async (t) => {
  const { local, identity, held, child } = await node(t);
  using client = new BrokerClient(local, identity);
  const invalid = { kind: "invalid", reason: "WORKLOAD_REFERENCE_INVALID" };
  const missing = { kind: "not_found", reason: "WORKLOAD_NOT_FOUND" } as const;
  const cases: readonly (readonly [string, object, object])[] = [
    ["nothing", pod({}), invalid],
    ["no type", pod({ uid: UID }), invalid],
    ["no key and no uid", pod({ type: PODS }), invalid],
    ["another type", pod({ type: { plural: "deployments", group: "apps" }, key: KEY }), invalid],
    [
      "the core group as it is written elsewhere",
      pod({ type: { plural: "pods" }, uid: UID }),
      invalid,
    ],
    ["no uuid", pod({ type: PODS, uid: "checkout" }), invalid],
    ["no namespace", pod({ type: PODS, key: { name: KEY.name } }), invalid],
    ["no name", pod({ type: PODS, key: { namespace: "shop" } }), invalid],
    ["a path", pod({ type: PODS, key: { namespace: "shop", name: "../a" } }), invalid],
    ["an empty key beside a uid", pod({ type: PODS, key: {}, uid: UID }), invalid],
    ["a pod that is not here", pod({ type: PODS, uid: OTHER }), missing],
    ["a name that is not here", pod({ type: PODS, key: { ...KEY, name: "other" } }), missing],
    ["another namespace", pod({ type: PODS, key: { ...KEY, namespace: "bank" } }), missing],
    ["key and uid of two", pod({ type: PODS, key: KEY, uid: OTHER }), missing],
  ];
  held.items = [listed(), listed({ uid: OTHER.replace("9", "8"), name: "second" })];
  for (const [name, request, expected] of cases) {
    await refused(t, client.x509(request).next(), expected, name);
  }
  for (const phase of ["Succeeded", "Failed"]) {
    held.items = [listed({ uid: OTHER, name: phase.toLowerCase(), phase })];
    await refused(t, client.x509(pod({ type: PODS, uid: OTHER })).next(), missing, phase);
  }
  held.items = [listed({ uid: OTHER, name: "third" })];
  held.status = 500;
  const away = { kind: "unavailable", message: /kubelet/ } as const;
  await refused(t, client.x509(pod({ type: PODS, uid: OTHER })).next(), away);
  t.ok((await client.x509(process(child.pid)).next()).svids.length, "processes are as ever");
});

t.test("a broker that may not name pods", async (t) => {
  const { local, identity } = await node(t, false);
  using client = new BrokerClient(local, identity);
  await refused(t, client.x509(pod({ type: PODS, uid: UID })).next(), {
    kind: "denied",
    message: /may not name pods/,
  });
});

t.test("a pod by the labels of its namespace, which the API server knows", async (t) => {
  const held = { status: 500, tier: "gold" };
  const api = await secureServer(t, (request, response) => {
    const isShop = request.url === "/api/v1/namespaces/shop";
    const metadata = { name: "shop", labels: { tier: held.tier } };
    response.writeHead(isShop ? held.status : 404).end(JSON.stringify({ metadata }));
  });
  const { authorities, serverName, server } = api;
  if (authorities === undefined || !("text" in authorities)) throw new Error("no authorities");
  const kubeconfig = join(folder(t), "kubeconfig");
  const cluster = {
    server,
    "tls-server-name": serverName,
    "certificate-authority-data": Buffer.from(authorities.text).toString("base64"),
  };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      "current-context": "c",
      clusters: [{ name: "c", cluster }],
      users: [{ name: "c", user: { token: "t" } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
    }),
  );
  const access = { kubeconfig, apiServer: "", caFile: "", tokenFile: "" };
  const scene = await node(t, true, { namespaceLabels: access });
  const { local, identity, domain, podEntryId } = scene;
  await domain.deleteEntry(podEntryId);
  await domain.entry({ path: "/gold", selectors: ["k8s:ns:shop", "k8s:ns-label:tier:gold"] });
  using client = new BrokerClient(local, identity);
  const ask = async () => (await client.x509(pod({ type: PODS, uid: UID })).next()).svids;
  await refused(t, ask(), { kind: "unavailable", message: /not fully known yet; retry/ });
  held.status = 200;
  await until("the failure is no longer held", async () => {
    const svids = await ask().catch(() => []);
    return svids.length === 1 && svids[0]?.spiffe_id === id("/gold");
  });
});
