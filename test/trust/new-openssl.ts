/**
 * An OpenSSL that knows ML-KEM and ML-DSA (3.5 and later), from Debian's next release, with its own libraries: nothing of
 * the machine is changed. Kept under the cache folder, by the release's name.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ClientProgram } from "../interop/toolchains.ts";
import { needPackageLists } from "../support/debian.ts";
import { oneAtATime } from "../support/one-at-a-time.ts";

const exec = promisify(execFile);

/** @returns the command with the arguments that go before OpenSSL's own */
export async function newOpenssl(): Promise<ClientProgram> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "assay-trust");
  const dir = join(cache, `openssl-${RELEASE}`);
  await oneAtATime(`${dir}.lock`, async () => {
    if (!existsSync(dir)) await unpack(dir);
  });
  const libraries = join(dir, "root/usr/lib", `${GNU_ARCH}-linux-gnu`);
  const loader = readdirSync(libraries).find((name) => name.startsWith("ld-linux-"));
  if (loader === undefined) throw new Error(`there is no dynamic loader in ${libraries}`);
  return {
    command: join(libraries, loader),
    args: ["--library-path", libraries, join(dir, "root/usr/bin/openssl")],
  };
}

async function unpack(dir: string): Promise<void> {
  await needPackageLists();
  const building = `${dir}.new`;
  rmSync(building, { recursive: true, force: true });
  const folders = ["lists/partial", "cache/archives/partial", "packages", "root"];
  for (const folder of folders) mkdirSync(join(building, folder), { recursive: true });
  const sources = join(building, "sources.list");
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  writeFileSync(sources, `deb [signed-by=${keyring}] ${await debianArchive()} ${RELEASE} main\n`);
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::lists=${join(building, "lists")}`,
    `Dir::Cache=${join(building, "cache")}`,
    "APT::Sandbox::User=root",
  ].flatMap((option) => ["-o", option]);
  try {
    await exec("apt-get", [...options, "update"]);
    const packages = join(building, "packages");
    await exec("apt-get", [...options, "download", ...PACKAGES], { cwd: packages });
    for (const file of readdirSync(packages)) {
      await exec("dpkg-deb", ["-x", join(packages, file), join(building, "root")]);
    }
    for (const folder of ["lists", "cache", "packages"]) {
      rmSync(join(building, folder), { recursive: true });
    }
    renameSync(building, dir);
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    throw error;
  }
}

/** Where this machine takes Debian's packages from. */
async function debianArchive(): Promise<string> {
  const format = ["--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"];
  const { stdout } = await exec("apt-get", ["indextargets", ...format]);
  const found = stdout.split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (found === undefined) throw new Error("no source of Debian's packages is set up here");
  return found;
}

const RELEASE = "trixie";
const PACKAGES = ["openssl", "libssl3t64", "libc6", "zlib1g", "libzstd1"];
const GNU_ARCH = process.arch === "arm64" ? "aarch64" : "x86_64";
