/** The example of deploy/examples/docker, as a newcomer runs it. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { CHECKOUT } from "../support/container-engine.ts";
import { needDocker } from "../support/docker-engine.ts";
import { commandLines } from "../support/processes.ts";

t.test("deploy/examples/docker/run proves what it says and leaves nothing behind", async (t) => {
  await needDocker();
  const { stdout } = await promisify(execFile)(join(CHECKOUT, "deploy/examples/docker/run"));
  const proved = stdout.split("\n").filter((line) => line.startsWith("proved: "));
  t.match(proved, [
    /app=web holds spiffe:\/\/example\.org\/web and nothing else/,
    /app=db holds spiffe:\/\/example\.org\/db and nothing else/,
    /without the label has none/,
    /process of the host has none/,
    /explain names the mistyped label/,
  ]);
  t.match(stdout, /wants docker:label:app:cahce; the process has docker:label:app:cache/);
  const processes = commandLines();
  t.notMatch(processes, /assay-example-/);
});
