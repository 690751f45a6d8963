/** The example of deploy/examples/federation, as a newcomer runs it: go-spiffe programs of two trust domains. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { commandLines } from "../support/processes.ts";

const exec = promisify(execFile);
const RUN = join(import.meta.dirname, "../../deploy/examples/federation/run");

t.test("two domains talk while both replace their authorities", async (t) => {
  const folder = mkdtempSync("/tmp/assay-federation-");
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const { stdout } = await exec(RUN, { env: { ...process.env, TMPDIR: folder } });
  t.match(
    stdout.split("\n").filter((line) => line !== ""),
    [
      /^proved: each server fetches the other's bundle/,
      /^proved: spiffe:\/\/example\.org\/talk and spiffe:\/\/other\.test\/talk speak mutual TLS/,
      /^proved: both authorities and all SVIDs were replaced/,
      /^proved: both old authorities are revoked/,
      /^proved: not one of [1-9]\d+ requests of spiffe:\/\/example\.org\/talk failed meanwhile$/,
      /^proved: not one of [1-9]\d+ requests of spiffe:\/\/other\.test\/talk failed meanwhile$/,
    ],
  );
  const processes = commandLines();
  t.notOk(processes.includes(folder), "nothing is left running");
  t.same(readdirSync(folder), [], "nor lying about");
});
