/** The examples of deploy/examples, as a newcomer runs them. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CHECKOUT } from "./container-engine.ts";
import { until } from "./patience.ts";
import { commandLines } from "./processes.ts";

export interface ProvedExample {
  readonly stdout: string;
  /** The lines that begin with `proved: `. */
  readonly proved: readonly string[];
}

/**
 * Runs `deploy/examples/NAME/run` below a folder of its own, which tells it from whatever else runs on this machine, and
 * looks that it leaves nothing running and nothing in that folder. @throws when it fails or leaves something behind
 */
export async function runExample(
  name: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ProvedExample> {
  const folder = mkdtempSync(`/tmp/assay-${name}-`);
  chmodSync(folder, 0o755);
  try {
    const { stdout } = await promisify(execFile)(join(CHECKOUT, "deploy/examples", name, "run"), {
      env: { ...process.env, ...env, TMPDIR: folder },
      maxBuffer: 1 << 24,
    });
    // A shim of containerd ends a moment after its container.
    await until(`nothing of ${name} runs any more`, () => !commandLines().includes(folder));
    const left = readdirSync(folder);
    if (left.length > 0) throw new Error(`${name} leaves ${left.join(", ")} behind`);
    const proved = stdout.split("\n").filter((line) => line.startsWith("proved: "));
    return { stdout, proved };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
