/** The program `assay`: finds the command, runs it, and turns what goes wrong into one sentence and an exit code. */
import { endNow } from "./program/end-now.ts";
import { runProgram } from "./program/program.ts";

const STUCK_MS = 5000;

// A reader that has seen enough (`assay entry list | head -1`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const code = await runProgram({
  args: process.argv.slice(2),
  env: process.env,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
});
process.exitCode = code;
// What is done ends by itself, unless a thread is held in a library that does not return.
setTimeout(() => endNow(code), STUCK_MS).unref();
