import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * Has Debian's packages for the programs that are not on the PATH installed.
 * @param packages by program
 */
export async function installMissing(packages: Readonly<Record<string, string>>): Promise<void> {
  const folders = (process.env["PATH"] ?? "").split(":");
  const missing = Object.entries(packages)
    .filter(([program]) => !folders.some((folder) => existsSync(join(folder, program))))
    .map(([, name]) => name);
  if (missing.length === 0) return;
  const install = `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${missing.join(" ")}`;
  try {
    // Several tests may find the same thing missing.
    await promisify(execFile)("flock", ["/tmp/assay-apt.lock", "sh", "-c", install], {
      maxBuffer: 1 << 26,
    });
  } catch (cause) {
    throw new Error(`these tests need Debian's packages: apt-get install ${missing.join(" ")}`, {
      cause,
    });
  }
}
