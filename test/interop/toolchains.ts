/**
 * Builds the client programs once: outside the clone, under a folder named by the hash of their sources.
 * A toolchain that is missing is named, and the test fails.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installsOver, needPackages, needVenv } from "../support/debian.ts";
import { oneAtATime } from "../support/one-at-a-time.ts";

const exec = promisify(execFile);

export interface ClientProgram {
  readonly command: string;
  readonly args: readonly string[];
}

export async function goClient(): Promise<ClientProgram> {
  const dir = await built("go", ["go"], async (source, out) => {
    await exec("go", ["build", "-trimpath", "-o", join(out, "interop"), "."], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: "0" },
    });
  });
  return { command: join(dir, "interop"), args: [] };
}

/** h2spec, which judges HTTP/2 servers, by the versions that are pinned beside it. */
export async function h2spec(): Promise<string> {
  const dir = await built("h2spec", ["go"], async (source, out) => {
    const program = "github.com/summerwind/h2spec/cmd/h2spec";
    await exec("go", ["build", "-trimpath", "-o", join(out, "h2spec"), program], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: "0" },
    });
  });
  return join(dir, "h2spec");
}

export async function rustClient(): Promise<ClientProgram> {
  const dir = await built("rust", ["cargo"], async (source, out) => {
    // rustc links with it, and some crates are C in part; another compiler brings its C library's headers, too.
    if (!onPath("cc")) await needPackages(["gcc", "libc6-dev"]);
    await exec("cargo", ["build", "--release", "--locked", "--quiet"], {
      cwd: source,
      env: { ...process.env, CARGO_TARGET_DIR: join(out, "target") },
      maxBuffer: 1 << 26,
    });
    cpSync(join(out, "target/release/interop"), join(out, "interop"));
    rmSync(join(out, "target"), { recursive: true, force: true });
  });
  return { command: join(dir, "interop"), args: [] };
}

export async function javaClient(): Promise<ClientProgram> {
  const dir = await built("java", ["java", "javac", "mvn"], async (source, out) => {
    const work = join(out, "work");
    cpSync(source, work, { recursive: true });
    await exec("mvn", ["-q", "-B", "package"], { cwd: work, maxBuffer: 1 << 26 });
    cpSync(join(work, "target/interop.jar"), join(out, "interop.jar"));
    cpSync(join(work, "target/lib"), join(out, "lib"), { recursive: true });
    rmSync(work, { recursive: true, force: true });
  });
  // -Xshare and the serial collector: these are short programs on small machines.
  const flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  return {
    command: "java",
    args: [...flags, "-cp", `${dir}/interop.jar:${dir}/lib/*`, "assay.Client"],
  };
}

export async function pythonClient(): Promise<ClientProgram> {
  const dir = await built("python", ["python3"], async (source, out) => {
    await needVenv();
    await exec("python3", ["-m", "venv", join(out, "venv")]);
    await exec(join(out, "venv/bin/pip"), [
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "-r",
      join(source, "requirements.txt"),
    ]);
    cpSync(join(source, "client.py"), join(out, "client.py"));
  });
  return { command: join(dir, "venv/bin/python"), args: [join(dir, "client.py")] };
}

async function built(
  name: string,
  needs: readonly string[],
  build: (source: string, out: string) => Promise<void>,
): Promise<string> {
  await installsOver();
  const missing = needs.filter((tool) => !onPath(tool));
  if (missing.length > 0) {
    throw new Error(
      `the ${name} client needs ${missing.join(", ")} on the PATH; install it and run again`,
    );
  }
  const source = join(import.meta.dirname, name);
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "assay-interop");
  const dir = join(cache, `${name}-${hashOf(source)}`);
  // Two tests that need the same client begin at the same time. A virtual environment holds its own path, so that all is
  // made where it will stand; the mark says that it is whole.
  const mark = join(dir, ".complete");
  await oneAtATime(`${dir}.lock`, async () => {
    if (existsSync(mark)) return;
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    await build(source, dir);
    writeFileSync(mark, "");
  });
  return dir;
}

function onPath(tool: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((dir) => existsSync(join(dir, tool)));
}

function hashOf(folder: string): string {
  const hash = createHash("sha256").update(process.arch);
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath, file.name);
    hash.update(path.slice(folder.length)).update(readFileSync(path));
  }
  return hash.digest("hex").slice(0, 16);
}
