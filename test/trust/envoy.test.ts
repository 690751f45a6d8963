/** The example of deploy/examples/envoy, as a newcomer runs it: a real Envoy as sidecar in two trust domains. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { needPip, needPrograms } from "../support/debian.ts";
import { commandLines } from "../support/processes.ts";

const exec = promisify(execFile);
const RUN = join(import.meta.dirname, "../../deploy/examples/envoy/run");

for (const apiType of ["GRPC", "DELTA_GRPC"]) {
  t.test(`sidecars fail no request through rotations and restarts (${apiType})`, async (t) => {
    await needPrograms({ setpriv: "util-linux", curl: "curl" });
    await needPip();
    const folder = mkdtempSync("/tmp/assay-envoy-");
    chmodSync(folder, 0o755);
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const env = { ...process.env, TMPDIR: folder, SDS_API_TYPE: apiType };
    const { stdout } = await exec(RUN, { env });
    t.match(
      stdout.split("\n").filter((line) => line !== ""),
      [
        /^proved: .*example\.org\/client and spiffe:\/\/example\.org\/server speak mutual TLS/,
        /^proved: .*example\.org\/client and spiffe:\/\/other\.test\/server speak mutual TLS/,
        /^proved: a server with another SPIFFE ID .* is refused$/,
        /^proved: a client without an SVID is refused$/,
        /^proved: both domains' authorities and all SVIDs were replaced$/,
        /^proved: both agents were started again/,
        /^proved: not one of [1-9]\d{2,} requests failed meanwhile$/,
      ],
    );
    const processes = commandLines();
    t.notOk(processes.includes(folder), "nothing is left running");
    t.same(readdirSync(folder), [], "nor lying about");
  });
}
