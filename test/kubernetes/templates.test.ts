/** Entries with templates on a real cluster: what the server asks it before it signs, and which right that takes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { parseAllDocuments } from "yaml";
import { readKubeconfig } from "../../src/attestors/kubernetes/kubeconfig.ts";
import { encodePayload } from "../../src/attestors/node/k8s-psat/payload.ts";
import { systemClock } from "../../src/base/clock.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { attestNode } from "../support/attest-node.ts";
import { startTestServer } from "../support/server.ts";
import { Cluster } from "./cluster/cluster.ts";
import {
  type StoredPod,
  namespace,
  pod,
  podToken,
  running,
  serviceAccount,
} from "./cluster/objects.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const TEMPLATES = "assay.template.v1.Templates";
const OVERLAY = join(import.meta.dirname, "templates-overlay");
const RBAC = /^(ServiceAccount|(Cluster)?Role(Binding)?)$/;

interface Stored {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

interface Signed {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly svid: { readonly id: { readonly path: string } } | null;
  }[];
}

t.test("an agent's SVIDs for the members of a family", async (t) => {
  await using cluster = await Cluster.start({ nodes: 2 });
  const dir = mkdtempSync(join(tmpdir(), "assay-templates-"));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const rendered = parseAllDocuments(await cluster.kubectl(["kustomize", OVERLAY])).map(
    (document) => document.toJS() as Stored,
  );
  const rights = rendered.filter(({ kind }) => RBAC.test(kind));
  const ofTemplates = rights.filter(({ metadata }) => metadata.name === "assay-server-templates");
  t.same(ofTemplates.map(({ kind }) => kind).sort(), ["ClusterRole", "ClusterRoleBinding"]);
  await cluster.apply(namespace("assay"), namespace("shop"));
  await cluster.apply(...rights.filter((object) => !ofTemplates.includes(object)));
  await cluster.apply(serviceAccount("shop", "web"), serviceAccount("shop", "db"));
  const account = "assay-agent";
  await cluster.apply(
    pod({ namespace: "assay", name: "agent", node: 1, serviceAccount: account }),
    pod({ namespace: "shop", name: "web", node: 1, serviceAccount: "web", labels: { app: "web" } }),
    pod({ namespace: "shop", name: "db", node: 2, serviceAccount: "db" }),
  );
  await running(cluster, "assay", "agent");
  const [web, db] = [await running(cluster, "shop", "web"), await running(cluster, "shop", "db")];

  const { server: apiServer, authorities } = await readKubeconfig(cluster.kubeconfig);
  if (authorities === undefined || !("text" in authorities)) throw new Error("no authorities");
  const demo = {
    apiServer,
    caFile: write("ca.pem", authorities.text),
    tokenFile: write(
      "token",
      await cluster.kubectl(["create", "token", "assay-server", "-n", "assay"]),
    ),
    serviceAccounts: ["assay:assay-agent"],
    audiences: ["spire-server"],
    allowedNodeLabels: [],
    allowedPodLabels: [],
  };
  const server = await startTestServer(t, {
    clock: systemClock,
    config: { nodeAttestors: { k8sPsat: { clusters: new Map([["demo", demo]]) } } },
  });
  const params = { space: "assay", account, podName: "agent", audience: "spire-server" };
  const key = await generateKey("ec-p256");
  const payload = encodePayload({ cluster: "demo", token: await podToken(cluster, params) });
  const node = await attestNode(server.connect(), { type: "k8s_psat", payload, key });
  const agent = server.connect({
    certPem: node.chain.map((der) => encodePem("CERTIFICATE", der)).join(""),
    keyPem: encodePem("PRIVATE KEY", key.pkcs8),
  });
  const created = await server.admin.unary<{
    results: { status: { code: number; message: string }; entry: { id: string } }[];
  }>(TEMPLATES, "BatchCreateEntry", {
    entries: [
      {
        entry: {
          spiffe_id: { trust_domain: "example.org", path: "/ns" },
          parent_id: { trust_domain: "example.org", path: node.path },
          selectors: [{ type: "k8s", value: "ns:shop" }],
        },
        template: { id: "spiffe://example.org/ns/{{k8s.ns}}/sa/{{k8s.sa}}" },
      },
    ],
  });
  t.equal(created.results[0]?.status.code, 0, created.results[0]?.status.message ?? "no result");
  const entryId = created.results[0]?.entry.id;

  /** The path of the SVID, or why there is none. */
  const sign = async (name: string, uid: string, sa: string): Promise<string> => {
    const { signer } = await generateKey("ec-p256");
    const member = {
      entry_id: entryId,
      values: [
        { variable: "k8s.ns", value: "shop" },
        { variable: "k8s.sa", value: sa },
      ],
      pod: { namespace: "shop", name, uid },
    };
    const csr = await createCsr({ uris: [`spiffe://example.org/ns/shop/sa/${sa}`], signer });
    const { results } = await agent.unary<Signed>(TEMPLATES, "BatchNewX509SVID", {
      params: [{ member, csr }],
    });
    const { status, svid } = results[0] ?? {};
    return svid?.id.path ?? status?.message ?? "no answer";
  };
  /** Rights spread through the API server within moments. */
  const signedSoon = async (wanted: RegExp): Promise<string> => {
    let said = "";
    for (const late = performance.now() + PATIENCE_MS; performance.now() < late; ) {
      said = await sign("web", web.metadata.uid, "web");
      if (wanted.test(said)) return said;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return said;
  };
  const lacking = /status 403.*the right to get pods is missing/;
  t.match(await signedSoon(lacking), lacking, "deploy/kubernetes alone");
  await cluster.apply(...ofTemplates);
  t.equal(await signedSoon(/^\/ns/), "/ns/shop/sa/web", "with its component for templates");

  t.match(await sign("web", web.metadata.uid, "db"), /sa|service account/, "another account's");
  t.match(await sign("db", db.metadata.uid, "db"), /is not on the agent's node/);
  t.match(await sign("web", db.metadata.uid, "web"), /there is no pod shop\/web with the uid/);
  t.match(await sign("none", web.metadata.uid, "web"), /there is no pod shop\/none/);

  await cluster.kubectl(["delete", "pod", "-n", "shop", "web", "--wait=true"]);
  t.match(await sign("web", web.metadata.uid, "web"), /there is no pod shop\/web/, "deleted");
  const done = { command: ["true"] };
  const again = { namespace: "shop", name: "web", node: 1, serviceAccount: "web" };
  await cluster.apply(pod({ ...again, container: done, spec: { restartPolicy: "Never" } }));
  const wait = ["wait", "-n", "shop", "pod/web", "--timeout=300s"];
  await cluster.kubectl([...wait, "--for=jsonpath={.status.phase}=Succeeded"]);
  const ended = await cluster.get<StoredPod>("pod", "-n", "shop", "web");
  t.match(await sign("web", web.metadata.uid, "web"), /there is no pod/, "another of its name");
  t.match(await sign("web", ended.metadata.uid, "web"), /has ended/);
});
