/** A real cluster for one test: cluster.sh with what it needs, and kubectl. */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { busyboxImage, kubeBinary, pauseImage } from "./build.ts";
import { needPackages } from "../../support/debian.ts";
import { type Slot, freeSlot } from "./slot.ts";

const exec = promisify(execFile);
const SCRIPT = join(import.meta.dirname, "cluster.sh");

export interface ClusterOptions {
  readonly nodes: number;
  /** Docker archives, beside busybox. */
  readonly images?: readonly string[];
}

export class Cluster implements AsyncDisposable {
  readonly dir: string;
  readonly #slot: Slot;
  readonly #kube: string;
  readonly #images: readonly string[];

  private constructor(dir: string, kube: string, slot: Slot, images: readonly string[]) {
    this.dir = dir;
    this.#slot = slot;
    this.#kube = kube;
    this.#images = images;
  }

  /** Its nodes are Ready when it resolves. Clusters of several tests stand side by side. */
  static async start({ nodes, images = [] }: ClusterOptions): Promise<Cluster> {
    await needPackages(PACKAGES);
    const kube = await kubeBinary();
    const all = [await pauseImage(), await busyboxImage(), ...images];
    const slot = await freeSlot((number, left) => remove({ dir: left, kube, number }));
    const dir = mkdtempSync("/tmp/assay-kubernetes-");
    slot.keepNote(dir);
    const cluster = new Cluster(dir, kube, slot, all);
    try {
      await cluster.#script("up", String(nodes));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** Of a cluster administrator. */
  get kubeconfig(): string {
    return this.pki("admin.kubeconfig");
  }

  pki(name: string): string {
    return join(this.dir, "pki", name);
  }

  nodeAddress(node: number): string {
    return `10.200.${this.#slot.number}.${10 + node}`;
  }

  /** Of its bridge on this machine, which its nodes and pods reach. */
  get hostAddress(): string {
    return `10.200.${this.#slot.number}.1`;
  }

  async kubectl(args: readonly string[], input: string | object = ""): Promise<string> {
    const all = ["kubectl", "--kubeconfig", this.kubeconfig, ...args];
    const child = spawn(this.#kube, all, { stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.on("error", () => undefined); // it ended without reading: its code tells
    child.stdin.end(typeof input === "string" ? input : JSON.stringify(input));
    let said = "";
    let complaint = "";
    child.stdout.on("data", (part: Buffer) => (said += part.toString()));
    child.stderr.on("data", (part: Buffer) => (complaint += part.toString()));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${complaint.trim()}`);
    return said;
  }

  async get<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl(["get", ...args, "-o", "json"])) as T;
  }

  apply(...objects: readonly object[]): Promise<string> {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    return this.kubectl(["apply", "-f", "-"], list);
  }

  /** Ends kubelet, containerd and every pod of the node at once. */
  stopNode(node: number): Promise<void> {
    return this.#script("node-stop", String(node));
  }

  startNode(node: number): Promise<void> {
    return this.#script("node-start", String(node));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await remove(this.#place);
    await this.#slot[Symbol.asyncDispose]();
  }

  get #place(): Place {
    return { dir: this.dir, kube: this.#kube, number: this.#slot.number };
  }

  async #script(...args: readonly string[]): Promise<void> {
    await script({ ...this.#place, images: this.#images }, args);
  }
}

interface Place {
  readonly dir: string;
  readonly kube: string;
  readonly number: number;
  readonly images?: readonly string[];
}

async function script(
  { dir, kube, number, images = [] }: Place,
  args: readonly string[],
): Promise<void> {
  const own = { STATE: dir, KUBE: kube, SLOT: String(number), IMAGES: images.join(" ") };
  await exec(SCRIPT, args, { env: { ...process.env, ...own }, maxBuffer: 1 << 26 });
}

async function remove(place: Place): Promise<void> {
  await script(place, ["down"]);
  // The mounts were those of the nodes' own namespaces, and went with them.
  rmSync(place.dir, { recursive: true, force: true, maxRetries: 5 });
}

export const PACKAGES = [
  "busybox-static",
  "containerd",
  "containernetworking-plugins",
  "iproute2",
  "iptables",
  "openssl",
  "procps",
  "runc",
];
