/**
 * What tests need beside Node: Debian's packages, installed by the first test that finds one missing. One test at a time
 * on a machine, and apt-get itself waits for others, so that two groups may begin on a bare machine together.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** @throws naming what is missing where it cannot be installed */
export async function needPackages(names: readonly string[]): Promise<void> {
  const missing = await missingOf(names);
  if (missing.length > 0) await install(missing);
}

/**
 * Has Debian's packages for the programs that are nowhere on the PATH, or among a system's own, installed.
 * @param packages by program, a name or a path
 * @throws as needPackages
 */
export async function needPrograms(packages: Readonly<Record<string, string>>): Promise<void> {
  await installsOver();
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  const missing = Object.entries(packages)
    .filter(([program]) => !folders.some((folder) => existsSync(resolve(folder, program))))
    .map(([, name]) => name);
  await needPackages(missing);
}

/**
 * Resolves when no other test installs anything. A program is there before what it needs is: who looks for one by its file
 * alone would start it too early.
 */
export async function installsOver(): Promise<void> {
  await exec("flock", ["--shared", LOCK, "true"]);
}

/** The lists of packages, for those that download some without installing them: a fresh image of Debian has none. */
export async function needPackageLists(): Promise<void> {
  await installsOver();
  const format = ["--format", "$(FILENAME)", "Created-By: Packages"];
  const { stdout } = await exec("apt-get", ["indextargets", ...format]);
  if (stdout === "") await aptGet("update");
}

/** Runs what downloads packages by those lists, while no other test fetches them. */
export async function withPackageLists(command: string, args: readonly string[]): Promise<void> {
  await needPackageLists();
  await exec("flock", [LOCK, command, ...args], { maxBuffer: 1 << 26 });
}

/** Python with pip, which Debian has in a package of its own. */
export async function needPip(): Promise<void> {
  await needPythonModule("pip", "python3-pip");
}

/** Python with what makes virtual environments, pip in them included. */
export async function needVenv(): Promise<void> {
  await needPythonModule("ensurepip", "python3-venv");
}

async function needPythonModule(module: string, name: string): Promise<void> {
  const there = (): Promise<boolean> =>
    exec("python3", ["-c", `import ${module}`]).then(
      () => true,
      () => false,
    );
  await installsOver();
  if (await there()) return;
  await needPackages(["python3", name]);
  if (!(await there())) {
    throw new Error(`the python3 on the PATH has no module ${module}; Debian's own has it now`);
  }
}

async function missingOf(names: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const name of names) if (!(await isInstalled(name))) missing.push(name);
  return missing;
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    const { stdout } = await exec("dpkg-query", ["-W", "-f", "${Status}", name]);
    return stdout === "install ok installed";
  } catch {
    return false; // dpkg does not know it, or there is no dpkg
  }
}

async function install(names: readonly string[]): Promise<void> {
  const hint = `these tests need Debian's packages: apt-get install ${names.join(" ")}`;
  if (process.geteuid?.() !== 0) throw new Error(`${hint} (as root)`);
  try {
    await aptGet("install", ...names);
  } catch {
    // The lists of packages are missing or old.
    try {
      await aptGet("update");
      await aptGet("install", ...names);
    } catch (cause) {
      throw new Error(hint, { cause });
    }
  }
}

/** For as long as another process, not of these tests, holds the lists of packages. */
const UPDATE_TRIES = 60;

async function aptGet(verb: "install" | "update", ...names: readonly string[]): Promise<void> {
  const flags = verb === "install" ? ["-y", "--no-install-recommends", ...names] : [];
  const command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600", verb, ...flags];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (let attempt = 1; ; attempt += 1) {
    try {
      await exec("flock", [LOCK, ...command], { env, maxBuffer: 1 << 26 });
      return;
    } catch (error) {
      const said = error instanceof Error ? error.message : "";
      if (attempt === UPDATE_TRIES || !said.includes("Could not get lock")) throw error;
      await setTimeout(5000);
    }
  }
}

const LOCK = "/tmp/assay-apt.lock";
