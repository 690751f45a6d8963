/** deploy/kubernetes on two real nodes: what each workload gets, and what happens when agents and nodes go. */
import { join } from "node:path";
import t from "tap";
import { brokerPods } from "./broker-pods.ts";
import { Cluster } from "./cluster/cluster.ts";
import { Deployment, assayImage, workload } from "./cluster/deployment.ts";
import { type StoredPod, namespace, pod, running, serviceAccount } from "./cluster/objects.ts";
import { FIND_KEYS, type PodState, inPod, podWithCertificate } from "./pod-certificates.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const RIGHTS = join(import.meta.dirname, "../../deploy/kubernetes/templates/rbac.yaml");

interface Svid {
  readonly spiffeId: string;
  readonly serialNumber: string;
}

/** Lines of a container's log, with the time at which the runtime took them; none while it is being made. */
async function logOf(cluster: Cluster, name: string): Promise<{ atMs: number; text: string }[]> {
  const args = ["logs", "-n", "shop", name, "--timestamps"];
  const log = await cluster.kubectl(args).catch((thrown: Error) => {
    if (/waiting to start|not found|NotFound|connection refused/.test(thrown.message)) return "";
    throw thrown;
  });
  const lines = log.split("\n").filter((line) => line !== "");
  return lines.map((line) => ({
    atMs: Date.parse(line.slice(0, line.indexOf(" "))),
    text: line.slice(line.indexOf(" ") + 1),
  }));
}

/** The updates that `assay watch` of this pod has printed and that pass, as soon as there is one. */
async function updates(
  cluster: Cluster,
  name: string,
  passes: (svids: readonly Svid[]) => boolean = () => true,
): Promise<{ atMs: number; svids: readonly Svid[] }[]> {
  for (const late = performance.now() + PATIENCE_MS; ; ) {
    const seen = (await logOf(cluster, name))
      .filter(({ text }) => text.startsWith("["))
      .map(({ atMs, text }) => ({ atMs, svids: JSON.parse(text) as Svid[] }))
      .filter(({ svids }) => passes(svids));
    if (seen.length > 0) return seen;
    if (performance.now() > late) {
      const said = (await logOf(cluster, name)).map(({ text }) => text).join("\n");
      throw new Error(`${name} has seen no such update within five minutes; it said: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function agentPods(cluster: Cluster): Promise<readonly StoredPod[]> {
  const label = "app.kubernetes.io/name=assay-agent";
  return (await cluster.get<{ items: StoredPod[] }>("pods", "-n", "assay", "-l", label)).items;
}

t.test("deploy/kubernetes on two nodes", async (t) => {
  const image = await assayImage();
  await using cluster = await Cluster.start({ nodes: 2, images: [image] });
  const deployment = await Deployment.apply(cluster);
  await deployment.alias();
  const webEntry = await deployment.entry("/ns/shop/sa/web", "k8s:ns:shop", "k8s:sa:web");
  await cluster.apply(
    namespace("shop"),
    ...["web", "till", "nobody"].map((name) => serviceAccount("shop", name)),
  );
  const watcher = (name: string, node: number, account: string): object => {
    const params = { namespace: "shop", name, node, serviceAccount: account };
    return pod({ ...params, ...workload(["watch", "--output", "json"]) });
  };

  await t.test("each node's agent is known by its node and its pod", async (t) => {
    const agents = await deployment.agents();
    t.equal(agents.length, 2);
    for (const node of ["node1", "node2"]) {
      const agent = agents.find(({ selectors }) =>
        selectors.includes(`k8s_psat:agent_node_name:${node}`),
      );
      t.match(
        agent?.spiffeId,
        /^spiffe:\/\/example\.org\/spire\/agent\/k8s_psat\/demo\/[0-9a-f-]+$/,
      );
      t.ok(agent?.selectors.includes("k8s_psat:agent_sa:assay-agent"));
    }
  });

  await t.test("a workload on each node has its SVID once it is Running", async (t) => {
    await cluster.apply(watcher("web1", 1, "web"), watcher("web2", 2, "web"));
    for (const name of ["web1", "web2"]) {
      const { status } = await running(cluster, "shop", name);
      const [first] = await updates(cluster, name);
      t.match(first?.svids, [{ spiffeId: "spiffe://example.org/ns/shop/sa/web" }]);
      const startedAt = status.containerStatuses?.[0]?.state?.running?.startedAt ?? "";
      const tookMs = (first?.atMs ?? Number.POSITIVE_INFINITY) - Date.parse(startedAt);
      t.comment(`${name}: ${tookMs} ms after the second in which it started`);
      t.equal(status.containerStatuses?.[0]?.restartCount, 0, "at its first start");
    }
  });

  await t.test("a pod with another service account gets its own, or nothing", async (t) => {
    await deployment.entry("/ns/shop/sa/till", "k8s:ns:shop", "k8s:sa:till");
    await cluster.apply(watcher("till1", 1, "till"));
    const [first] = await updates(cluster, "till1");
    t.same(
      first?.svids.map(({ spiffeId }) => spiffeId),
      ["spiffe://example.org/ns/shop/sa/till"],
    );
    const params = { namespace: "shop", name: "nobody", node: 1, serviceAccount: "nobody" };
    const once = workload(["fetch", "x509"]);
    await cluster.apply(
      pod({ ...params, ...once, spec: { ...once.spec, restartPolicy: "Never" } }),
    );
    const failed = ["wait", "-n", "shop", "pod/nobody", "--for=jsonpath={.status.phase}=Failed"];
    await cluster.kubectl([...failed, "--timeout=300s"]);
    const said = (await logOf(cluster, "nobody")).map(({ text }) => text).join("\n");
    t.match(said, /no identity/i);
  });

  await t.test("T5, T6, T7, T8, T11: pods have certificates for their own addresses", async (t) => {
    // Nobody may look at pods of other namespaces before.
    await cluster.kubectl(["apply", "-f", RIGHTS]);
    const parent = ["--parent-id", "spiffe://example.org/spire/pod/demo"];
    const which = [
      "--selector",
      "k8s:ns:shop",
      "--selector",
      "k8s:sa:api",
      "--dns-name",
      "api.shop",
    ];
    const id = ["--spiffe-id", "spiffe://example.org/shop/api"];
    await deployment.assay("entry", "create", ...parent, ...id, ...which);
    const { data } = await cluster.get<{ data: object }>(
      "configmap",
      "-n",
      "assay",
      "assay-bundle",
    );
    const bundle = { metadata: { namespace: "shop", name: "assay-bundle" }, data };
    await cluster.apply(
      { apiVersion: "v1", kind: "ConfigMap", ...bundle },
      serviceAccount("shop", "api"),
      podWithCertificate("api1", 1, "10.96.0.50:8081"),
      podWithCertificate("api2", 2, "10.96.0.50:8081"),
    );
    const addresses: string[] = [];
    for (const name of ["api1", "api2"]) {
      await running(cluster, "shop", name);
      const { status } = await cluster.get<PodState>("pod", "-n", "shop", name);
      addresses.push(status.podIP);
      const { startedAt, finishedAt } = status.initContainerStatuses[0]?.state.terminated ?? {};
      const took = Date.parse(finishedAt ?? "") - Date.parse(startedAt ?? "");
      t.comment(`${name}: the init container took ${took / 1000} s`);
      const names = `console.log(new (require("node:crypto").X509Certificate)(require("node:fs").readFileSync("/ssl/api/cert.pem")).subjectAltName)`;
      t.equal(
        (await inPod(cluster, name, names)).trim(),
        `DNS:api.shop, DNS:${status.podIP.replaceAll(".", "-")}.shop.pod.cluster.local, IP Address:${status.podIP}, URI:spiffe://example.org/shop/api`,
      );
    }
    t.equal(new Set(addresses).size, 2, "each replica its own");

    const reach = (host: string, ca: string): string =>
      `require("node:https").get({ host: "${host}", port: 8443, ca: ${ca} }, async (response) => {
        for await (const part of response) console.log(String(part));
      }).on("error", (error) => { console.log(error.code); process.exit(0); })`;
    const known = `require("node:fs").readFileSync("/ssl/api/bundle.pem")`;
    const [first = "", second = ""] = addresses;
    // The service listens a moment after its container runs.
    await until("api1 reaches api2 by its address, over a verified chain", async () =>
      /^api2$/m.test(await inPod(cluster, "api1", reach(second, known))),
    );
    t.match(await inPod(cluster, "api2", reach(first, known)), /^api1$/m);
    t.match(await inPod(cluster, "api1", reach(second, "undefined")), /UNABLE_TO|SELF_SIGNED/);

    const search = JSON.parse(await inPod(cluster, "api1", FIND_KEYS)) as {
      files: number;
      found: [path: string, publicKey: string][];
    };
    t.comment(`${search.files} files and environments were searched`);
    const leaf = `console.log(new (require("node:crypto").X509Certificate)(require("node:fs").readFileSync("/ssl/api/cert.pem")).publicKey.export({ type: "spki", format: "der" }).toString("base64"))`;
    t.equal(search.found.length, 1, "one key in the pod");
    t.match(search.found[0]?.[0], /^\/ssl\/api\/\.generation-[0-9a-f]+\/key\.pem$/);
    t.equal(search.found[0]?.[1], (await inPod(cluster, "api1", leaf)).trim(), "the leaf's own");

    // As a sidecar it stays, and the volume has a new certificate before the old one ends.
    await cluster.apply(podWithCertificate("api3", 1, "10.96.0.50:8081", true));
    await running(cluster, "shop", "api3");
    const show = `const { X509Certificate } = require("node:crypto");
      const { serialNumber, validToDate } = new X509Certificate(require("node:fs").readFileSync("/ssl/api/cert.pem"));
      console.log(JSON.stringify({ serialNumber, isLive: validToDate > new Date() }))`;
    const held = async () =>
      JSON.parse(await inPod(cluster, "api3", show)) as { serialNumber: string; isLive: boolean };
    const { serialNumber } = await held();
    await until("the sidecar renews", async () => {
      const now = await held();
      if (!now.isLive) throw new Error("the certificate has ended");
      return now.serialNumber !== serialNumber;
    });

    // A token that was stolen is worth nothing once its pod is gone.
    const token = await inPod(
      cluster,
      "api1",
      `console.log(require("node:fs").readFileSync("/var/run/secrets/tokens/assay", "utf8"))`,
    );
    await inPod(
      cluster,
      "api2",
      `require("node:fs").writeFileSync("/ssl/stolen", ${JSON.stringify(token)})`,
    );
    await cluster.kubectl(["delete", "pod", "-n", "shop", "api1", "--force", "--grace-period=0"]);
    const flags = ["--via=pod", "--cluster=demo", "--trust-bundle=/etc/assay/bundle.pem"];
    const asThief = ["--dir=/ssl/thief", "--token-file=/ssl/stolen", "--server=10.96.0.50:8081"];
    const exec = ["exec", "-n", "shop", "api2", "-c", "main", "--", "assay", "init-certificate"];
    const stolen = cluster.kubectl([...exec, ...flags, ...asThief]);
    await t.rejects(stolen, { message: /the proof gives no certificate here/ });
  });

  await t.test("the agents' pods have no more than they need", async (t) => {
    for (const { metadata } of await agentPods(cluster)) {
      const inPod = ["exec", "-n", "assay", metadata.name, "--", "node", "-e"];
      const show = "console.log(require('fs').readFileSync('/proc/self/status','utf8'))";
      const status = await cluster.kubectl([...inPod, show]);
      t.match(status, /^CapEff:\s+0+$/m, "no capability");
      t.match(status, /^NoNewPrivs:\s+1$/m);
      t.match(status, /^Seccomp:\s+2$/m);
      const write = "require('fs').writeFileSync('/opt/assay/x','')";
      const written = cluster.kubectl([...inPod, write]);
      await t.rejects(written, { message: /EROFS/ });
    }
    const inWeb = ["exec", "-n", "shop", "web1", "--", "node", "-p"];
    const list = "require('fs').readdirSync('/run/assay/agent').join()";
    const files = await cluster.kubectl([...inWeb, list]);
    t.equal(files.trim(), "api.sock", "nothing but the Workload API in what workloads mount");
  });

  await t.test("a killed agent comes back, is the same agent, and streams go on", async (t) => {
    const agents = await deployment.agents();
    const victim = (await agentPods(cluster)).find(({ spec }) => spec.nodeName === "node1");
    const before = (await updates(cluster, "web1")).at(-1)?.svids[0]?.serialNumber;
    const force = ["--force", "--grace-period=0"];
    await cluster.kubectl(["delete", "pod", "-n", "assay", victim?.metadata.name ?? "", ...force]);
    await cluster.kubectl(["rollout", "status", "-n", "assay", "ds/assay-agent", "--timeout=300s"]);
    await deployment.assay("entry", "rotate", webEntry);
    const isNew = ([svid]: readonly Svid[]): boolean =>
      svid !== undefined && svid.serialNumber !== before;
    t.ok((await updates(cluster, "web1", isNew)).length > 0, "the stream of web1 went on");
    const ids = (list: readonly { spiffeId: string }[]): string[] =>
      list.map(({ spiffeId }) => spiffeId).sort();
    t.same(ids(await deployment.agents()), ids(agents), "no third agent");
    t.equal(
      (await cluster.get<StoredPod>("pod", "-n", "shop", "web1")).status.containerStatuses?.[0]
        ?.restartCount,
      0,
    );
  });

  await t.test("an agent without hostPID knows nobody", async (t) => {
    const patch = (hostPID: boolean): Promise<string> =>
      cluster.kubectl([
        "patch",
        "ds/assay-agent",
        "-n",
        "assay",
        "-p",
        JSON.stringify({ spec: { template: { spec: { hostPID } } } }),
      ]);
    const rollout = ["rollout", "status", "-n", "assay", "ds/assay-agent", "--timeout=300s"];
    await patch(false);
    await cluster.kubectl(rollout);
    const { status } = await cluster.get<StoredPod>("pod", "-n", "shop", "web1");
    t.equal(status.phase, "Running");
    const fetch = ["exec", "-n", "shop", "web1", "--", "assay", "fetch", "x509"];
    await t.rejects(cluster.kubectl(fetch), { message: /pid|process/i });
    await patch(true);
    await cluster.kubectl(rollout);
    t.match(await cluster.kubectl([...fetch, "--wait", "5m"]), "/ns/shop/sa/web");
  });

  await t.test("a broker refers to the pods of each agent's node", (t) =>
    brokerPods(t, { cluster, deployment }),
  );

  await t.test("a lost node's agent runs out, and is the same when the node is back", async (t) => {
    const ofNode2 = async () => {
      const agents = await deployment.agents();
      return agents.find(({ selectors }) => selectors.includes("k8s_psat:agent_node_name:node2"));
    };
    const before = await ofNode2();
    await cluster.stopNode(2);
    await until("the server lists the agent as expired", async () => {
      const list = await deployment.assay("agents", "list");
      const lines = list.slice(list.indexOf(before?.spiffeId ?? "?")).split("\n");
      return lines.find((line) => line.includes("state"))?.includes("expired") === true;
    });
    await until("the cluster calls the node lost", async () =>
      /node2\s+NotReady/.test(await cluster.kubectl(["get", "nodes"])),
    );
    t.match(await deployment.agents(), { length: 2 }, "known, and expired");
    await cluster.startNode(2);
    await until("the agent is back", async () => {
      const after = await ofNode2();
      return Date.parse(after?.expiresAt ?? "") > Date.now();
    });
    t.equal((await ofNode2())?.spiffeId, before?.spiffeId);
    await until("web2 has its SVID again", async () => {
      const log = await logOf(cluster, "web2").catch(() => []);
      return log.some(({ text }) => text.includes("/ns/shop/sa/web"));
    });
  });
});
