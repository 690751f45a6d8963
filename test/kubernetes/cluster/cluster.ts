/** A real cluster for one test: cluster.sh with what it needs, and kubectl. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { busyboxImage, kubeBinary, pauseImage } from "./build.ts";
import { needPackages } from "../../support/debian.ts";

const exec = promisify(execFile);
const SCRIPT = join(import.meta.dirname, "cluster.sh");

export interface ClusterOptions {
  /** 0 to 9: names networks and interfaces, so that clusters of several tests stand side by side. */
  readonly slot: number;
  readonly nodes: number;
  /** Docker archives, beside busybox. */
  readonly images?: readonly string[];
}

export class Cluster implements AsyncDisposable {
  readonly dir: string;
  readonly slot: number;
  readonly #kube: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(dir: string, kube: string, slot: number, images: readonly string[]) {
    this.dir = dir;
    this.slot = slot;
    this.#kube = kube;
    this.#env = {
      ...process.env,
      STATE: dir,
      KUBE: kube,
      SLOT: String(slot),
      IMAGES: images.join(" "),
    };
  }

  /** Its nodes are Ready when it resolves. */
  static async start({ slot, nodes, images = [] }: ClusterOptions): Promise<Cluster> {
    await needPackages(PACKAGES);
    const kube = await kubeBinary();
    const all = [await pauseImage(), await busyboxImage(), ...images];
    mkdirSync(STATES, { recursive: true });
    const note = join(STATES, String(slot));
    const left = existsSync(note) ? readFileSync(note, "utf8") : "";
    // What a run that was killed has left behind in this slot.
    if (left !== "" && existsSync(left)) {
      await new Cluster(left, kube, slot, all)[Symbol.asyncDispose]();
    }
    const dir = mkdtempSync("/tmp/assay-kubernetes-");
    writeFileSync(note, dir);
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
    return `10.200.${this.slot}.${10 + node}`;
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
    await this.#script("down");
    // The mounts were those of the nodes' own namespaces, and went with them.
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  async #script(...args: readonly string[]): Promise<void> {
    await exec(SCRIPT, args, { env: this.#env, maxBuffer: 1 << 26 });
  }
}

const STATES = "/run/assay-test-clusters";
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
