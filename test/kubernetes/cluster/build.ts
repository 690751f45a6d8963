/** What the clusters run, built once: outside the clone, in a folder named by the hash of its sources. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { oneAtATime } from "../../support/one-at-a-time.ts";

const exec = promisify(execFile);
const HERE = import.meta.dirname;
const PROJECT = join(HERE, "../../..");
export const CACHE = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "assay-kubernetes",
);
const PACK = join(PROJECT, "deploy/image/pack");

/** etcd, the control plane, kubelet, kube-proxy and kubectl in one binary: some minutes when it is not there yet. */
export function kubeBinary(): Promise<string> {
  return cached("kube", ["go.mod", "go.sum", "kube/main.go"].map(here), async (out) => {
    const version = ["gitVersion=v1.37.2", "gitMajor=1", "gitMinor=37"]
      .map((setting) => `-X k8s.io/component-base/version.${setting}`)
      .join(" ");
    // Without the optimizer the build takes half of the time and of the memory.
    const flags = ["-trimpath", "-gcflags=all=-N -l -dwarf=false", `-ldflags=-s -w ${version}`];
    try {
      await exec("nice", ["-n", "10", "go", "build", ...flags, "-o", out, "./kube"], {
        cwd: HERE,
        env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
        maxBuffer: 1 << 26,
      });
    } catch (cause) {
      throw new Error("the cluster's binary needs Go 1.26 or later on the PATH", { cause });
    }
  });
}

/** `localhost/busybox:1`, whose command is up to the pod. */
export function busyboxImage(): Promise<string> {
  return busybox("busybox", ["sh"]);
}

/** `localhost/pause:1`: what holds a pod's namespaces. */
export function pauseImage(): Promise<string> {
  return busybox("pause", ["sleep", "2147483647"]);
}

function busybox(name: string, entrypoint: readonly string[]): Promise<string> {
  return cached(`${name}.tar`, [here("build.ts")], async (out) => {
    const root = `${out}.root`;
    try {
      for (const dir of ["bin", "etc", "run", "tmp", "var"]) {
        mkdirSync(join(root, dir), { recursive: true });
      }
      chmodSync(join(root, "tmp"), 0o1777);
      copyFileSync("/bin/busybox", join(root, "bin/busybox"));
      const { stdout } = await exec("/bin/busybox", ["--list"]);
      for (const applet of stdout.split("\n")) {
        if (applet === "" || applet === "busybox") continue;
        symlinkSync("busybox", join(root, "bin", applet));
      }
      const config = JSON.stringify({ Entrypoint: entrypoint, Env: ["PATH=/bin"] });
      await exec(PACK, [root, `localhost/${name}:1`, out, config]);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}

function here(name: string): string {
  return join(HERE, name);
}

/** All files below a folder. */
export function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The file that `build` made of these sources, or made before. */
export async function cached(
  name: string,
  sources: readonly string[],
  build: (out: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256").update(process.arch);
  for (const source of sources)
    hash.update(source.slice(PROJECT.length)).update(readFileSync(source));
  const dir = join(CACHE, hash.digest("hex").slice(0, 16));
  const file = join(dir, name);
  if (existsSync(file)) return file;
  // Two tests that need the same thing begin at the same time.
  await oneAtATime(`${file}.lock`, async () => {
    if (existsSync(file)) return;
    // Under its name only when it is whole.
    const building = `${file}.new`;
    try {
      await build(building);
      renameSync(building, file);
    } finally {
      rmSync(building, { force: true });
    }
  });
  return file;
}
