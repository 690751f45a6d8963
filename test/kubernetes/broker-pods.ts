/** This process as a broker of the cluster's agents: pods as it refers to them, each looked up at its node's real kubelet. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { messageType } from "../../src/rpc/protos.ts";
import { BrokerClient, type Identity, untilEnded } from "../support/broker-scene.ts";
import { refused } from "../support/refused.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { Deployment } from "./cluster/deployment.ts";
import { type StoredPod, pod, running, serviceAccount } from "./cluster/objects.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const OBJECT = "spiffe.broker.KubernetesObjectReference";
const BROKER = "spiffe://example.org/broker";
const WEB = "spiffe://example.org/ns/shop/sa/web";
const PORT = 8082;
const MISSING = { kind: "not_found", reason: "WORKLOAD_NOT_FOUND" } as const;

/** What is added to an agent's file. */
const SECTION = `
experimental: [broker-api]
broker:
  listen: 0.0.0.0:${PORT}
  brokers:
    - { id: "${BROKER}", pods: true }
`;

export async function brokerPods(
  t: Test,
  { cluster, deployment }: { readonly cluster: Cluster; readonly deployment: Deployment },
): Promise<void> {
  const agents = await agentsWithBrokerApi(cluster);
  const identity = await mint(cluster, deployment);
  const [first = "", second = ""] = agents;
  using near = new BrokerClient(`${first}:${PORT}`, identity);
  using far = new BrokerClient(`${second}:${PORT}`, identity);
  const web = await cluster.get<StoredPod>("pod", "-n", "shop", "web1");
  const key = { namespace: "shop", name: "web1" };
  for (const fields of [{ key }, { uid: web.metadata.uid }, { key, uid: web.metadata.uid }]) {
    t.same(await idsOf(near, fields), [WEB], Object.keys(fields).join(" and "));
    await refused(t, idsOf(far, fields), MISSING, "another node's pod");
  }
  t.match(near.server, /^spiffe:\/\/example\.org\/spire\/agent\/k8s_psat\/demo\//);

  await cluster.apply(
    serviceAccount("shop", "later"),
    pod({ namespace: "shop", name: "later", node: 2, serviceAccount: "web" }),
    pod({ namespace: "shop", name: "unknown", node: 2, serviceAccount: "later" }),
    pod({
      namespace: "shop",
      name: "done",
      node: 2,
      serviceAccount: "web",
      container: { command: ["true"] },
      spec: { restartPolicy: "Never" },
    }),
    // The kubelet lists it from the first moment, though none of its containers ever starts.
    pod({
      namespace: "shop",
      name: "waiting",
      node: 2,
      serviceAccount: "web",
      container: { image: "localhost/nothing:1" },
    }),
  );
  const later = await running(cluster, "shop", "later");
  await running(cluster, "shop", "unknown");
  const ended = ["wait", "-n", "shop", "pod/done", "--for=jsonpath={.status.phase}=Succeeded"];
  await cluster.kubectl([...ended, "--timeout=300s"]);
  const named = (name: string): object => ({ key: { namespace: "shop", name } });
  t.same(await idsOf(far, named("later")), [WEB]);
  t.same(await idsOf(far, named("waiting")), [WEB], "one that is about to run");
  await refused(t, idsOf(far, named("done")), MISSING, "one that has ended");
  const entitled = { kind: "denied", reason: "WORKLOAD_NOT_ENTITLED" } as const;
  await refused(t, idsOf(far, named("unknown")), entitled, "one without an entry");

  using byKey = far.x509(reference(named("later")));
  using byUid = far.x509(reference({ uid: later.metadata.uid }));
  for (const watch of [byKey, byUid]) await watch.next();
  const over = [byKey, byUid].map((watch) => refused(t, untilEnded(watch), MISSING, "it is gone"));
  await cluster.kubectl(["delete", "pod", "-n", "shop", "later", "--wait=true"]);
  await cluster.apply(pod({ namespace: "shop", name: "later", node: 2, serviceAccount: "web" }));
  await running(cluster, "shop", "later");
  await Promise.all(over);
  t.same(await idsOf(far, named("later")), [WEB], "the name is another pod's now");
  await refused(t, idsOf(far, { uid: later.metadata.uid }), MISSING, "the uid is nobody's");

  await t.test("a static pod, which is named by its key alone", async (t) => {
    await deployment.entry("/static", "k8s:ns:shop", "k8s:pod-label:app:static");
    const file = join(cluster.dir, "node2/manifests/static.json");
    const labels = { app: "static" };
    writeFileSync(file, JSON.stringify(pod({ namespace: "shop", name: "static", labels })));
    t.teardown(() => rmSync(file));
    const { metadata } = await appeared(cluster, "static-node2");
    t.same(await idsOf(far, named("static-node2")), ["spiffe://example.org/static"]);
    await refused(t, idsOf(far, { uid: metadata.uid }), MISSING, "the kubelet has another uid");
  });
}

/** The agents' pods as they are, with a Broker API more. @returns their addresses, of node1 and node2 */
async function agentsWithBrokerApi(cluster: Cluster): Promise<string[]> {
  const mount = "{.spec.template.spec.volumes[?(@.name=='config')].configMap.name}";
  const daemon = ["-n", "assay", "ds/assay-agent"];
  const name = await cluster.kubectl(["get", ...daemon, "-o", `jsonpath=${mount}`]);
  const { data } = await cluster.get<{ data: Record<string, string> }>("cm", "-n", "assay", name);
  const file = { "agent.config.yaml": `${data["agent.config.yaml"]}${SECTION}` };
  const metadata = { namespace: "assay", name: "agent-with-broker" };
  await cluster.apply({ apiVersion: "v1", kind: "ConfigMap", metadata, data: file });
  const volumes = [{ name: "config", configMap: { name: metadata.name } }];
  const patch = JSON.stringify({ spec: { template: { spec: { volumes } } } });
  await cluster.kubectl(["patch", ...daemon, "-p", patch]);
  await cluster.kubectl(["rollout", "status", ...daemon, "--timeout=300s"]);
  const label = "app.kubernetes.io/name=assay-agent";
  const { items } = await cluster.get<{ items: Placed[] }>("pods", "-n", "assay", "-l", label);
  return ["node1", "node2"].map(
    (node) =>
      items.find(({ metadata, spec }) => spec.nodeName === node && !metadata.deletionTimestamp)
        ?.status.podIP ?? "",
  );
}

interface Placed {
  readonly metadata: { readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIP: string };
}

/** The broker's SVID, made in the server's pod. */
async function mint(cluster: Cluster, deployment: Deployment): Promise<Identity> {
  const folder = "/var/lib/assay/broker";
  await deployment.assay("x509", "mint", "--spiffe-id", BROKER, "--write", folder);
  const read = (file: string): Promise<string> => {
    const show = `process.stdout.write(require("node:fs").readFileSync("${folder}/${file}"))`;
    return cluster.kubectl(["exec", "-n", "assay", "assay-server-0", "--", "node", "-e", show]);
  };
  return { certPem: await read("svid.pem"), keyPem: await read("key.pem") };
}

function reference(fields: object): object {
  const value = messageType(OBJECT).encode({ type: { plural: "pods", group: "core" }, ...fields });
  return { reference: { reference: { type_url: `type.googleapis.com/${OBJECT}`, value } } };
}

async function idsOf(broker: BrokerClient, fields: object): Promise<string[]> {
  using watch = broker.x509(reference(fields));
  const { svids } = await watch.next();
  return svids.map(({ spiffe_id }) => spiffe_id);
}

/** The kubelet makes it known to the API server in its own time. */
async function appeared(cluster: Cluster, name: string): Promise<StoredPod> {
  for (const late = performance.now() + PATIENCE_MS; ; ) {
    try {
      return await running(cluster, "shop", name);
    } catch (thrown) {
      if (performance.now() > late) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}
