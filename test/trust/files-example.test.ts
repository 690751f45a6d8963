/** The example of deploy/examples/files, as a newcomer runs it: nginx and curl with files of `assay watch`. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { needPackages } from "../support/debian.ts";
import { commandLines } from "../support/processes.ts";

const exec = promisify(execFile);
const RUN = join(import.meta.dirname, "../../deploy/examples/files/run");

t.test("deploy/examples/files/run proves what it says and fails no request", async (t) => {
  await needPackages(["nginx-light", "curl"]);
  const folder = mkdtempSync("/tmp/assay-files-");
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const { stdout } = await exec(RUN, { env: { ...process.env, TMPDIR: folder } });
  const proved = stdout.split("\n").filter((line) => line.startsWith("proved: "));
  t.equal(proved.length, 6, stdout);
  t.match(stdout, /not one of \d{2,} requests failed/);
  t.match(stdout, /nginx refuses the revoked SVID/);
  const processes = commandLines();
  t.notOk(processes.includes(folder), "nothing is left running");
  t.same(readdirSync(folder), [], "nor lying about");
});
