/** The program `assay`: finds the command, runs it, and turns what goes wrong into one sentence and an exit code. */
import { runProgram } from "./program.ts";

// A reader that has seen enough (`assay entry list | head -1`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await runProgram({
  args: process.argv.slice(2),
  env: process.env,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
});
