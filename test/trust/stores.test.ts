// SVID stores against what they are made for: a real API server and a real OpenBao, each with the rights that the
// documents name and no others; and an agent that stores into both while one of them is away.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Place } from "../../src/agent/stores/contract.ts";
import { KubernetesSecretBackend } from "../../src/agent/stores/kubernetes-secret-backend.ts";
import { VaultBackend } from "../../src/agent/stores/vault-backend.ts";
import { KubernetesClient } from "../../src/attestors/kubernetes/client.ts";
import { systemClock } from "../../src/base/clock.ts";
import { createLogger } from "../../src/observe/logger.ts";
import { type Lying, checkBackend } from "../agent/stores/conformance.ts";
import { temporaryFolder } from "../cli/program.ts";
import { Cluster } from "../kubernetes/cluster/cluster.ts";
import { Domain, id } from "../support/running.ts";
import { until } from "../support/patience.ts";
import { BaoDev } from "./bao-dev.ts";

const POLICY = `path "secret/data/assay/*" { capabilities = ["create", "update"] }
path "secret/metadata/assay/*" { capabilities = ["create", "read", "update", "delete"] }`;
const never = new AbortController().signal;

const folder = temporaryFolder();
const cluster = await Cluster.start({ nodes: 0 });
const bao = await BaoDev.start();
t.teardown(async () => {
  await bao[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  folder.remove();
});

function at(values: Readonly<Record<string, string>>): Place {
  return new Map(Object.entries(values));
}

interface Secret {
  readonly type: string;
  readonly metadata: { readonly labels: object; readonly annotations: Record<string, string> };
  readonly data: Record<string, string>;
}

async function secretOf(place: Place): Promise<Secret | undefined> {
  const name = place.get("name") ?? "";
  try {
    return await cluster.get<Secret>("secret", name, "-n", place.get("namespace") ?? "");
  } catch (error) {
    if (error instanceof Error && error.message.includes("NotFound")) return undefined;
    throw error;
  }
}

function lyingIn(secret: Secret | undefined): Lying | undefined {
  if (secret === undefined) return undefined;
  const text = (key: string): string => Buffer.from(secret.data[key] ?? "", "base64").toString();
  const federated = Object.keys(secret.data).filter((key) => key.startsWith("federated."));
  return {
    chain: text("tls.crt"),
    key: text("tls.key"),
    bundle: text("ca.crt"),
    federated: Object.fromEntries(
      federated.map((key) => [key.replace(/^federated\.(.*)\.crt$/, "$1"), text(key)]),
    ),
  };
}

/** A service account with the rights that doc/delivery.md names, and a client that speaks as it. */
async function accountClient(
  t: Test,
): Promise<{ readonly client: KubernetesClient; readonly tokenFile: string }> {
  const rights = {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "assay-stores", namespace: "apps" },
    rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch", "delete"] }],
  };
  await cluster.apply(
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "apps" } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "agent", namespace: "apps" } },
    rights,
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "assay-stores", namespace: "apps" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "assay-stores" },
      subjects: [{ kind: "ServiceAccount", name: "agent", namespace: "apps" }],
    },
  );
  const token = await cluster.kubectl(["create", "token", "agent", "-n", "apps"]);
  const tokenFile = join(folder.path, "kubernetes-token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const client = new KubernetesClient({
    connection: {
      server: await apiServer(),
      authorities: { file: cluster.pki("ca.crt") },
      token: { file: tokenFile },
    },
    clock: systemClock,
  });
  t.teardown(() => client[Symbol.dispose]());
  return { client, tokenFile };
}

async function apiServer(): Promise<string> {
  const { clusters } = JSON.parse(
    await cluster.kubectl(["config", "view", "--raw", "-o", "json"]),
  ) as { clusters: { cluster: { server: string } }[] };
  return clusters[0]?.cluster.server ?? "";
}

t.test("the contract: kubernetes_secret", async (t) => {
  const { client } = await accountClient(t);
  const backend = new KubernetesSecretBackend({
    client,
    trustDomain: "example.org",
    namespaces: new Set(["apps", "nowhere"]),
  });
  const place = (number: number): Place => at({ namespace: "apps", name: `svid-${number}` });
  await checkBackend(t, {
    backend,
    place,
    read: async (where) => lyingIn(await secretOf(where)),
    plant: async (where) => {
      await cluster.apply({
        apiVersion: "v1",
        kind: "Secret",
        type: "kubernetes.io/tls",
        metadata: { name: where.get("name"), namespace: "apps" },
        data: { "tls.crt": "dGhlaXJz", "tls.key": "dGhlaXJz" },
      });
      return async () => (await secretOf(where))?.data["tls.key"] === "dGhlaXJz";
    },
    badPlaces: [
      [at({ namespace: "apps" }), /kubernetes_secret:name is missing/],
      [at({ name: "a" }), /kubernetes_secret:namespace is missing/],
      [at({ namespace: "kube-system", name: "a" }), /namespaces does not have 'kube-system'/],
      [at({ namespace: "apps", name: "../a" }), /no such value/],
      [at({ namespace: "apps", name: "a/b" }), /no such value/],
      [at({ namespace: "apps", name: "A" }), /no such value/],
      [at({ namespace: "apps", name: "a?x=y" }), /no such value/],
      [at({ namespace: "apps", name: "a", key: "b" }), /has no 'key'/],
    ],
  });
  const opaque = at({ namespace: "apps", name: "opaque" });
  await cluster.kubectl([
    "create",
    "secret",
    "generic",
    "opaque",
    "-n",
    "apps",
    "--from-literal=a=b",
  ]);
  const svid = {
    spiffeId: "spiffe://example.org/a",
    hint: "web",
    expiresAt: 1_900_000_000,
    chain: [new Uint8Array([0x30, 0])],
    key: new Uint8Array([0x30, 0]),
    bundle: [new Uint8Array([0x30, 0])],
    federated: new Map(),
  };
  await t.rejects(backend.put(opaque, svid, never), {
    kind: "conflict",
    message: /conflict with "kubectl-create".*somebody else's/,
  });
  await t.rejects(backend.put(at({ namespace: "nowhere", name: "a" }), svid, never), {
    kind: "denied",
    message: /status 403/,
  });
  await backend.put(place(9), svid, never);
  t.match(await secretOf(place(9)), {
    type: "kubernetes.io/tls",
    metadata: {
      labels: { "app.kubernetes.io/managed-by": "assay" },
      annotations: {
        "assay/spiffe-id": "spiffe://example.org/a",
        "assay/expires-at": "2030-03-17T17:46:40.000Z",
        "assay/hint": "web",
      },
    },
  });
  const others = new KubernetesSecretBackend({
    client,
    trustDomain: "other.example",
    namespaces: new Set(["apps"]),
  });
  const another = { ...svid, key: new Uint8Array([0x30, 1, 0]) };
  await t.rejects(others.put(place(9), another, never), {
    kind: "conflict",
    message: /somebody else's/,
  });
});

t.test("the contract: vault", async (t) => {
  const tokenFile = join(folder.path, "vault-token");
  writeFileSync(tokenFile, await bao.token(POLICY), { mode: 0o600 });
  const client = new KubernetesClient({
    connection: { server: bao.address, token: { file: tokenFile } },
    clock: systemClock,
  });
  t.teardown(() => client[Symbol.dispose]());
  const options = { client, trustDomain: "example.org", mount: "secret", prefix: "assay" };
  const path = (place: Place): string => `assay/${place.get("path")}`;
  await checkBackend(t, {
    backend: new VaultBackend(options),
    place: (number) => at({ path: `apps/web-${number}` }),
    read: async (place) => {
      const { status, body } = await bao.ask("GET", `secret/data/${path(place)}`);
      if (status === 404) return undefined;
      const { data } = body["data"] as { data: Record<string, unknown> };
      return {
        chain: String(data["x509Svid"]),
        key: String(data["x509SvidKey"]),
        bundle: String(data["bundle"]),
        federated: Object.fromEntries(
          Object.entries(data["federatedBundles"] as Record<string, string>).map(([name, pem]) => [
            name.replace("spiffe://", ""),
            pem,
          ]),
        ),
      };
    },
    plant: async (place) => {
      await bao.ask("POST", `secret/data/${path(place)}`, { data: { mine: "yes" } });
      return async () => {
        const { body } = await bao.ask("GET", `secret/data/${path(place)}`);
        return JSON.stringify(body["data"]).includes('"mine":"yes"');
      };
    },
    badPlaces: [
      [at({}), /vault:path is missing/],
      [at({ path: "/a" }), /no such value/],
      [at({ path: "../a" }), /no such value/],
      [at({ path: "a/../../b" }), /no such value/],
      [at({ path: "a//b" }), /no such value/],
      [at({ path: "a/" }), /no such value/],
      [at({ path: "a?version=1" }), /no such value/],
      [at({ path: "a", mount: "b" }), /has no 'mount'/],
    ],
  });
  const { body } = await bao.ask("GET", "secret/metadata/assay/apps/web-2");
  const { versions, custom_metadata: custom } = body["data"] as {
    versions: object;
    custom_metadata: object;
  };
  t.equal(Object.keys(versions).length, 1, "no older key is kept");
  t.same(custom, {
    "managed-by": "assay/example.org",
    "spiffe-id": "spiffe://example.org/workload",
  });
  const outside = new VaultBackend({ ...options, prefix: "other" });
  await t.rejects(outside.remove(at({ path: "a" }), undefined, never), {
    kind: "denied",
    message: /status 403/,
  });
});

t.test(
  "an agent stores into both; one that is away holds up nobody and is caught up with",
  async (t) => {
    const { tokenFile } = await accountClient(t);
    const vaultToken = join(folder.path, "vault-token");
    const lines: string[] = [];
    const logger = createLogger({
      level: "warn",
      format: "json",
      write: (line) => lines.push(line),
      nowMs: () => 0,
    });
    await using domain = await Domain.start({}, logger);
    await domain.startAgent({
      svidStores: {
        kubernetesSecret: {
          namespaces: ["apps"],
          apiServer: await apiServer(),
          caFile: cluster.pki("ca.crt"),
          tokenFile,
        },
        vault: { address: bao.address, mount: "secret", prefix: "assay", tokenFile: vaultToken },
      },
    });
    const entry = (name: string, selectors: readonly string[]): Promise<string> =>
      domain.entry({ path: `/${name}`, selectors, more: { store_svid: true } });
    const inVault = async (name: string): Promise<string> => {
      const { status, body } = await bao.ask("GET", `secret/data/assay/${name}`);
      return status === 200 ? JSON.stringify(body["data"]) : "";
    };
    const web = await entry("web", [
      "kubernetes_secret:namespace:apps",
      "kubernetes_secret:name:web",
    ]);
    await entry("job", ["vault:path:job"]);
    await until("job is in the vault", async () => (await inVault("job")).includes(id("/job")));
    await until(
      "web is a secret",
      async () => (await secretOf(at({ namespace: "apps", name: "web" }))) !== undefined,
    );
    await bao.pause();
    await entry("second", ["vault:path:second"]);
    await domain.deleteEntry(web);
    await until(
      "web is gone",
      async () => (await secretOf(at({ namespace: "apps", name: "web" }))) === undefined,
    );
    await until("the vault is said to be away", () =>
      lines.some((line) => /the SVID store is away.*did not answer within/.test(line)),
    );
    bao.resume();
    await until("second is in the vault", async () =>
      (await inVault("second")).includes(id("/second")),
    );
    t.notMatch(lines.join(""), /PRIVATE KEY/);
    t.equal((await secretOf(at({ namespace: "apps", name: "opaque" })))?.data["a"], "Yg==");
  },
);
