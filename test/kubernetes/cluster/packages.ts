/** Debian packages that a group needs: installed by it as root, or named. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** @throws naming what is missing where it cannot be installed */
export async function needPackages(names: readonly string[]): Promise<void> {
  const missing: string[] = [];
  for (const name of names) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length === 0) return;
  if (process.geteuid?.() !== 0) {
    throw new Error(`this group needs root and the Debian packages ${missing.join(", ")}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = { env, maxBuffer: 1 << 26 };
  // Another group may be installing at this moment: update does not wait for its lock, install does.
  for (let attempt = 1; ; attempt += 1) {
    try {
      await exec("apt-get", ["update", "-qq"], options);
      break;
    } catch (cause) {
      if (attempt === 20) {
        throw new Error("apt-get update failed; are there package sources?", { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 5000));
    }
  }
  const install = ["install", "-y", "-qq", "--no-install-recommends"];
  await exec("apt-get", [...install, "-o", "DPkg::Lock::Timeout=600", ...missing], options);
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    const { stdout } = await exec("dpkg-query", ["-W", "-f", "${Status}", name]);
    return stdout === "install ok installed";
  } catch {
    return false; // dpkg does not know it, or there is no dpkg: apt-get says so
  }
}
