/** Client commands in this process, against a server in this process. */
import type { Test } from "tap";
import { runProgram } from "../../src/cli/program/program.ts";
import { type TestServer, type TestServerOverrides, startTestServer } from "../support/server.ts";
import type { Ran } from "./program.ts";

export interface AdminRig {
  readonly server: TestServer;
  readonly run: (...args: string[]) => Promise<Ran>;
  /** The text form's output. @throws when the command fails */
  readonly ok: (...args: string[]) => Promise<string>;
  /** What `--output json` prints. @throws when the command fails */
  readonly json: <T = Record<string, unknown>>(...args: string[]) => Promise<T>;
}

export async function startAdminRig(
  t: Test,
  overrides: TestServerOverrides = {},
): Promise<AdminRig> {
  const server = await startTestServer(t, overrides);
  const run = async (...args: string[]): Promise<Ran> => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runProgram({
      args,
      env: { HOME: "/nowhere", ASSAY_SERVER_SOCKET: server.socket },
      stdout: (text) => out.push(text),
      stderr: (text) => err.push(text),
    });
    return { code, out: out.join(""), err: err.join("") };
  };
  const ok = async (...args: string[]): Promise<string> => {
    const ran = await run(...args);
    if (ran.code !== 0) throw new Error(`assay ${args.join(" ")}: ${ran.err}`);
    return ran.out;
  };
  return {
    server,
    run,
    ok,
    json: async <T>(...args: string[]) => JSON.parse(await ok(...args, "--output", "json")) as T,
  };
}
