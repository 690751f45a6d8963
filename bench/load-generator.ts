import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** What one run of the generator said. */
export interface LoadRun {
  /** Calls a second. */
  readonly rate: number;
  readonly calls: number;
  readonly errors: number;
  /** All of it. */
  readonly text: string;
}

/** Builds bench/load, which needs Go. @returns runs it with such arguments; what it complains about is passed on */
export async function loadGenerator(): Promise<(args: readonly string[]) => Promise<LoadRun>> {
  const program = join(tmpdir(), "assay-load");
  await exec("go", ["build", "-o", program, "."], { cwd: join(import.meta.dirname, "load") });
  return async (args) => {
    const { stdout, stderr } = await exec(program, args, { maxBuffer: 1 << 26 });
    if (stderr !== "") process.stderr.write(stderr);
    const read = (pattern: RegExp): number | undefined => {
      const found = pattern.exec(stdout)?.[1];
      return found === undefined ? undefined : Number(found);
    };
    return {
      rate: read(/rate=(\d+)/) ?? 0,
      calls: read(/\bn=(\d+)/) ?? 0,
      errors: read(/errs=(\d+)/) ?? read(/bad=(\d+)/) ?? 0,
      text: stdout,
    };
  };
}

const exec = promisify(execFile);
