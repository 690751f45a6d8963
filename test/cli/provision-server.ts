/** `assay server` with the front end `provision` as a process of its own, and one call of it. */
import { once } from "node:events";
import { request } from "node:http";
import type { Test } from "tap";
import { spawnServer } from "../support/server-process.ts";
import { emptyEnvironment, temporaryFolder } from "./program.ts";

export interface Running {
  readonly port: number;
  readonly host: string;
  /** What it has logged so far. */
  readonly log: () => string;
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
}

/** `assay server` on the folder, with the front end on a free port; it ends with the test. */
export async function startServer(t: Test, dir: string, ...args: string[]): Promise<Running> {
  const options = ["--provision-listen=127.0.0.1:0", ...args];
  const { ready, log, kill } = spawnServer(dir, options, emptyEnvironment(dir));
  t.teardown(() => kill());
  return { ...(await ready).provision, log, kill };
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
