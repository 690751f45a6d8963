/** A day of rotations in virtual time: authorities, the agent's SVID, its workloads' SVIDs. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { fakeTimeEnv } from "../support/fake-time.ts";

const SEED = process.env["FAULTS_SEED"] ?? "1";
const MEMORY = "/dev/shm";
const CHILD = join(import.meta.dirname, "../support/day-child.ts");

t.test(`a day, seed ${SEED}`, async (t) => {
  const fakeTime = await fakeTimeEnv();
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, "24", SEED], {
    // Each signature waits for the disk; here that need not be a real one.
    env: { ...process.env, ...fakeTime, ...(existsSync(MEMORY) ? { TMPDIR: MEMORY } : {}) },
  });
  const seen = JSON.parse(stdout) as {
    readonly rotations: Readonly<Record<string, number>>;
    readonly agentRenewals: number;
    readonly x509Authorities: number;
    readonly jwtAuthorities: number;
    readonly jwts: number;
    readonly problems: readonly string[];
    readonly ends: object;
    readonly warnings: object;
    readonly seconds: number;
  };
  t.comment(seen);
  t.same(seen.problems, [], "never an expired or an unpublished one");
  t.same(seen.ends, {}, "no stream ended");
  t.same(seen.warnings, {}, "nothing to warn of");
  for (const [id, count] of Object.entries(seen.rotations)) {
    // Ten minutes each, renewed at half of it, give or take a tenth and a look every five seconds.
    t.ok(count >= (24 * 60) / 5.6 && count <= (24 * 60) / 4.4, `${id}: ${count} SVIDs`);
  }
  t.ok(seen.agentRenewals >= 130 && seen.agentRenewals <= 165, "the agent's own, each ten minutes");
  t.ok(seen.x509Authorities >= 12 && seen.jwtAuthorities >= 12, "authorities followed each other");
});
