/** A SoftHSM token in a folder of the test's own. Debian's `softhsm2` is installed when it is not there. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installsOver, needPackages } from "../support/debian.ts";

const exec = promisify(execFile);

export interface SoftHsm extends Disposable {
  readonly module: string;
  readonly token: string;
  readonly pinFile: string;
  readonly dir: string;
}

/** The module reads its configuration once in a process: one token for each test file. */
export async function softHsm(): Promise<SoftHsm> {
  const module = await installed();
  const dir = mkdtempSync(join(tmpdir(), "assay-softhsm-"));
  mkdirSync(join(dir, "tokens"));
  const config = join(dir, "softhsm2.conf");
  writeFileSync(config, `directories.tokendir = ${join(dir, "tokens")}\nlog.level = ERROR\n`);
  // The module asks the C library for it, which Node's process.env writes through to.
  process.env["SOFTHSM2_CONF"] = config;
  const pin = "correct-horse";
  await exec("softhsm2-util", [
    "--init-token",
    "--free",
    "--label=assay",
    `--pin=${pin}`,
    "--so-pin=so-pin-1234",
  ]);
  const pinFile = join(dir, "pin");
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  return {
    module,
    token: "assay",
    pinFile,
    dir,
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

async function installed(): Promise<string> {
  const found = (): string | undefined => PLACES.find((path) => existsSync(path));
  await installsOver();
  const there = found();
  if (there !== undefined) return there;
  await needPackages(["softhsm2"]);
  const module = found();
  if (module === undefined) {
    const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
    throw new Error(
      `softhsm2 is installed but its module is in none of ${PLACES.join(", ")}\n${release}`,
    );
  }
  return module;
}

const PLACES = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];
