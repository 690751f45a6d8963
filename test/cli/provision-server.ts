/** `assay server` with the front end `provision` as a process of its own, and one call of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Test } from "tap";
import { ASSAY, emptyEnvironment, temporaryFolder } from "./program.ts";

export interface Running {
  readonly port: number;
  readonly host: string;
  /** What it has logged so far. */
  readonly log: () => string;
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
}

/** `assay server` on the folder, with the front end on a free port; it ends with the test. */
export async function startServer(t: Test, dir: string, ...args: string[]): Promise<Running> {
  const child = spawn(
    ASSAY,
    [
      "server",
      "--trust-domain=example.org",
      `--data-dir=${dir}/data`,
      "--listen=127.0.0.1:0",
      `--socket=${dir}/server.sock`,
      "--provision-listen=127.0.0.1:0",
      "--ready-fd=3",
      ...args,
    ],
    { env: emptyEnvironment(dir), stdio: ["ignore", "inherit", "pipe", "pipe"] },
  );
  let log = "";
  child.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const gone = once(child, "exit");
  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    child.kill(signal);
    await gone;
  };
  t.teardown(() => kill());
  const lines = createInterface({ input: child.stdio[3] as Readable });
  const ready = await Promise.race([
    once(lines, "line").then(([line]) => String(line)),
    gone.then(() => undefined),
  ]);
  if (ready === undefined) throw new Error(`the server ended before it was ready: ${log}`);
  const { provision } = JSON.parse(ready) as { provision: { host: string; port: number } };
  return { ...provision, log: () => log, kill };
}

/** Short, for the socket's sake. */
export function folderOf(t: Test): string {
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  return folder.path;
}

/** @returns the certificate; undefined when there is none, whatever the reason */
export async function put(port: number, token: string, csr: string): Promise<string | undefined> {
  const call = request({
    host: "127.0.0.1",
    port,
    method: "PUT",
    path: `/v1/sign/${token}`,
    headers: { "content-length": csr.length },
    agent: false,
  });
  call.end(csr);
  try {
    const [response] = await once(call, "response");
    let body = "";
    for await (const chunk of response) body += String(chunk);
    return response.statusCode === 200 ? body : undefined;
  } catch {
    return undefined; // killed
  }
}
