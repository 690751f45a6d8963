/**
 * The example of deploy/examples/traefik-docker, as a newcomer runs it: everything in containers (T4), replicas whose init
 * containers give them certificates for their own addresses (T5, T6, T7, T11), verified by Traefik (T3, T8).
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { CHECKOUT } from "../support/container-engine.ts";
import { needPip, needPrograms } from "../support/debian.ts";
import { needDocker } from "../support/docker-engine.ts";
import { commandLines } from "../support/processes.ts";

t.test("T4 T5 T6 T7 T8 T11 deploy/examples/traefik-docker/run proves what it says", async (t) => {
  await needDocker();
  await needPrograms({ curl: "curl" });
  await needPip();
  const folder = mkdtempSync("/tmp/assay-traefik-");
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const before = Object.keys(networkInterfaces());
  const run = join(CHECKOUT, "deploy/examples/traefik-docker/run");
  const { stdout } = await promisify(execFile)(run, {
    env: { ...process.env, TMPDIR: folder },
  });
  const proved = stdout.split("\n").filter((line) => line.startsWith("proved: "));
  t.match(proved, [
    /three replicas, each with a certificate for the address that it was given: 10\./,
    /certificate of ours by ACME/,
    /each replica by its address and the chain/,
    /another one's certificate is refused/,
    /its own key, no token, and nothing that signs/,
    /in 11 containers, and no port of the host is taken/,
    /one more replica: its own address, its own certificate/,
  ]);
  t.notOk(commandLines().includes(folder), "nothing is left running");
  t.same(readdirSync(folder), [], "nor lying about");
  const added = Object.keys(networkInterfaces()).filter((name) => !before.includes(name));
  t.notOk(
    added.some((name) => name.startsWith("br-")),
    "nor is its network",
  );
});
