/** cert-manager's controllers, built once beside the cluster's binary; its module and those below it come by Go's proxy. */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cached } from "../../kubernetes/cluster/build.ts";

const exec = promisify(execFile);
const HERE = import.meta.dirname;
const PACK = join(HERE, "../../../deploy/image/pack");
const SOURCES = ["go.mod", "go.sum", "main.go"].map((name) => join(HERE, name));

/** @returns the program's path */
export function certManager(): Promise<string> {
  return cached("cert-manager", SOURCES, async (out) => {
    const flags = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags=-s -w"];
    await exec("nice", ["-n", "10", "go", "build", ...flags, "-o", out, "."], {
      cwd: HERE,
      env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
      maxBuffer: 1 << 26,
    });
  });
}

/** `localhost/acmesolver:1`, what answers http-01 in a pod. @returns a docker archive's path */
export function solverImage(): Promise<string> {
  return cached("acmesolver.tar", [...SOURCES, join(HERE, "build.ts")], async (out) => {
    const root = `${out}.root`;
    try {
      mkdirSync(root, { recursive: true });
      copyFileSync(await certManager(), join(root, "acmesolver"));
      const config = JSON.stringify({ Entrypoint: ["/acmesolver"], User: "65532" });
      await exec(PACK, [root, "localhost/acmesolver:1", out, config]);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}

/** Folders with the definitions of its resources and of the Gateway API's, as their modules have them. */
export async function definitions(): Promise<readonly string[]> {
  const folder = async (module: string, below: string): Promise<string> => {
    const { stdout } = await exec("go", ["mod", "download", "-json", module], { cwd: HERE });
    const { Dir: dir } = JSON.parse(stdout) as { readonly Dir: string };
    return join(dir, below);
  };
  return [
    await folder("github.com/cert-manager/cert-manager", "deploy/crds"),
    await folder("sigs.k8s.io/gateway-api", "config/crd/standard"),
  ];
}
