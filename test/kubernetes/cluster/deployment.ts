/** `deploy/kubernetes` on a cluster of the tests, and what an operator does with it. */
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { withPackageLists } from "../../support/debian.ts";
import { oneAtATime } from "../../support/one-at-a-time.ts";
import { CACHE, cached, sourcesBelow } from "./build.ts";
import type { Cluster } from "./cluster.ts";

const PROJECT = join(import.meta.dirname, "../../..");
const OVERLAY = join(import.meta.dirname, "../overlay");

/** The container image of this checkout, a docker archive with `localhost/assay:1`. */
export function assayImage(): Promise<string> {
  const sources = [
    ...sourcesBelow(join(PROJECT, "src")),
    ...sourcesBelow(join(PROJECT, "deploy/image")),
    join(PROJECT, "package.json"),
    join(PROJECT, "package-lock.json"),
  ];
  // What one test looks for and then loads is not removed by another in between.
  return oneAtATime(join(CACHE, "images.lock"), async () => {
    const image = await cached("assay.tar", sources, (out) =>
      withPackageLists(join(PROJECT, "deploy/image/build"), [out]),
    );
    const now = new Date();
    utimesSync(image, now, now);
    forgetOldImages();
    return image;
  });
}

/** Every change of a source makes another image: those that no run of today used go. */
function forgetOldImages(): void {
  const dayAgo = Date.now() - 24 * 3600 * 1000;
  for (const folder of existsSync(CACHE) ? readdirSync(CACHE) : []) {
    const image = join(CACHE, folder, "assay.tar");
    if (existsSync(image) && statSync(image).mtimeMs < dayAgo) rmSync(image);
  }
}

export class Deployment {
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** One `kubectl apply -k`; resolves when server and agents are Ready. */
  static async apply(cluster: Cluster): Promise<Deployment> {
    await cluster.kubectl(["apply", "-k", OVERLAY]);
    const rollout = ["rollout", "status", "-n", "assay", "--timeout=300s"];
    await cluster.kubectl([...rollout, "statefulset/assay-server"]);
    await cluster.kubectl([...rollout, "daemonset/assay-agent"]);
    return new Deployment(cluster);
  }

  /** Runs a client command in the server's pod. */
  assay(...args: readonly string[]): Promise<string> {
    const pod = ["exec", "-n", "assay", "assay-server-0", "--"];
    return this.#cluster.kubectl([...pod, "assay", ...args]);
  }

  /** An entry for every node of the cluster. @returns its own ID */
  async entry(path: string, ...selectors: readonly string[]): Promise<string> {
    const { id } = await this.#create(path, `spiffe://example.org/${NODES}`, selectors);
    return id;
  }

  /** One parent for the entries of all nodes. */
  async alias(): Promise<void> {
    const server = "spiffe://example.org/spire/server";
    await this.#create(`/${NODES}`, server, ["k8s_psat:cluster:demo"]);
  }

  async agents(): Promise<readonly AgentState[]> {
    return JSON.parse(await this.assay("agents", "list", "--output", "json")) as AgentState[];
  }

  async #create(path: string, parent: string, selectors: readonly string[]) {
    const id = `spiffe://example.org${path}`;
    const create = ["entry", "create", "--spiffe-id", id, "--parent-id", parent, "--output=json"];
    const said = await this.assay(
      ...create,
      ...selectors.flatMap((selector) => ["--selector", selector]),
    );
    return JSON.parse(said) as { readonly id: string };
  }
}

export interface AgentState {
  readonly spiffeId: string;
  readonly selectors: readonly string[];
  readonly serialNumber?: string;
  readonly expiresAt: string;
}

/** A workload: the image's own client, with the agents' socket folder mounted. */
export function workload(command: readonly string[]): {
  readonly container: object;
  readonly spec: object;
} {
  return {
    container: {
      image: "localhost/assay:1",
      imagePullPolicy: "Never",
      command: ["assay", ...command],
      securityContext: {
        runAsUser: 1000,
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
      volumeMounts: [{ name: "socket", mountPath: "/run/assay/agent", readOnly: true }],
    },
    spec: {
      volumes: [{ name: "socket", hostPath: { path: "/run/assay/agent", type: "Directory" } }],
    },
  };
}

const NODES = "cluster/demo";
