/** A server as a process of its own, for tests that kill it and for benches. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Test } from "tap";

const ASSAY = join(import.meta.dirname, "../../bin/assay");

export interface ServerProcess {
  readonly child: ChildProcess;
  /** `host:port`. */
  readonly target: string;
  readonly socket: string;
  /** `kill -9`; resolves when the process is gone. */
  readonly kill: () => Promise<void>;
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** What the server says of itself when it is ready; `provision` with that front end. */
export interface Ready {
  readonly listen: Place;
  readonly provision: Place;
}

export interface SpawnedServer {
  readonly child: ChildProcess;
  readonly socket: string;
  /** Rejects when it ends first. */
  readonly ready: Promise<Ready>;
  /** What it has logged so far, where it was given an environment of its own. */
  readonly log: () => string;
  /** Resolves when the process is gone. `kill -9` unless another signal is named. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
}

/**
 * `assay server` on the folder, on free ports.
 * @param env in place of this process's; what it logs is then kept instead of shown
 */
export function spawnServer(
  dir: string,
  options: readonly string[],
  env?: NodeJS.ProcessEnv,
): SpawnedServer {
  const socket = join(dir, "server.sock");
  const child = spawn(
    ASSAY,
    [
      "server",
      "--trust-domain=example.org",
      `--data-dir=${dir}/data`,
      "--listen=127.0.0.1:0",
      `--socket=${socket}`,
      "--ready-fd=3",
      ...options,
    ],
    {
      ...(env === undefined ? {} : { env }),
      stdio: ["ignore", "inherit", env === undefined ? "inherit" : "pipe", "pipe"],
    },
  );
  let log = "";
  child.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const gone = once(child, "exit");
  const ready = async (): Promise<Ready> => {
    const lines = createInterface({ input: child.stdio[3] as Readable });
    const said = await Promise.race([
      once(lines, "line").then(([line]) => String(line)),
      gone.then(() => undefined),
    ]);
    if (said === undefined) throw new Error(`the server ended before it was ready: ${log}`);
    return JSON.parse(said) as Ready;
  };
  return {
    child,
    socket,
    ready: ready(),
    log: () => log,
    async kill(signal = "SIGKILL") {
      child.kill(signal);
      await gone;
    },
  };
}

/**
 * Starts `assay server` on the folder and resolves when both its doors are open; it ends with the test.
 * @param options further ones: `--config=...`
 */
export async function startServerProcess(
  t: Test,
  dir: string,
  options: readonly string[] = [],
): Promise<ServerProcess> {
  const own = ["--attest-limit=1000", "--log-level=error"];
  const { child, socket, ready, kill } = spawnServer(dir, [...own, ...options]);
  t.teardown(() => kill());
  const { host, port } = (await ready).listen;
  return { child, target: `${host}:${port}`, socket, kill };
}
