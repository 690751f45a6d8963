/** A server as a process of its own, for tests that kill it. */
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

/**
 * Starts `assay server` on the folder and resolves when both its doors are open; it ends with the test.
 * @param options further ones: `--config=...`
 */
export async function startServerProcess(
  t: Test,
  dir: string,
  options: readonly string[] = [],
): Promise<ServerProcess> {
  const socket = join(dir, "server.sock");
  const child = spawn(
    ASSAY,
    [
      "server",
      "--trust-domain=example.org",
      `--data-dir=${dir}/data`,
      "--listen=127.0.0.1:0",
      `--socket=${socket}`,
      "--attest-limit=1000",
      "--log-level=error",
      "--ready-fd=3",
      ...options,
    ],
    { stdio: ["ignore", "inherit", "inherit", "pipe"] },
  );
  const gone = once(child, "exit");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  t.teardown(kill);
  const lines = createInterface({ input: child.stdio[3] as Readable });
  const ready = await Promise.race([
    once(lines, "line").then(([line]) => String(line)),
    gone.then(() => undefined),
  ]);
  if (ready === undefined) throw new Error("the server ended before it was ready");
  const { listen } = JSON.parse(ready) as { listen: { host: string; port: number } };
  return { child, target: `${listen.host}:${listen.port}`, socket, kill };
}
