/** The example of deploy/examples/files, as a newcomer runs it: nginx and curl with files of `assay watch`. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { needPackages } from "../kubernetes/cluster/packages.ts";

const RUN = join(import.meta.dirname, "../../deploy/examples/files/run");

t.test("deploy/examples/files/run proves what it says and fails no request", async (t) => {
  await needPackages(["nginx-light", "curl"]);
  const { stdout } = await promisify(execFile)(RUN);
  const proved = stdout.split("\n").filter((line) => line.startsWith("proved: "));
  t.equal(proved.length, 6, stdout);
  t.match(stdout, /not one of \d{2,} requests failed/);
  t.match(stdout, /nginx refuses the revoked SVID/);
});
