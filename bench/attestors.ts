/**
 * What all workload attestors together cost a fetch of a process of the host: `node bench/attestors.ts [ATTESTOR...]`. Two agents at
 * servers of their own, one with `unix` alone, the other with docker, podman, k8s, systemd and token beside it, are measured
 * in turns (BENCH_ROUNDS, BENCH_SECONDS), each beside the generator's own baseline. Needs Go. The bus is one written for
 * tests; engines and kubelet are not there, as nobody asks them about a process in no container.
 */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dbusPeer, webUnit } from "../test/support/dbus-peer.ts";
import { Stack } from "../test/support/stack.ts";

const exec = promisify(execFile);
const LOAD = join(tmpdir(), "assay-load");
const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 9);
const SECONDS = process.env["BENCH_SECONDS"] ?? "2";

await exec("go", ["build", "-o", LOAD, "."], { cwd: join(import.meta.dirname, "load") });
await using ends = new AsyncDisposableStack();
const bus = await dbusPeer(
  {
    teardown: (end) =>
      ends.defer(async () => {
        await end();
      }),
  },
  webUnit,
);
const config = join(bus.socket, "../agent.json");
const sections: Readonly<Record<string, object>> = {
  docker: {},
  podman: {},
  k8s: {},
  systemd: { bus: bus.socket },
  token: { issuers: [{ alias: "ci", url: "https://issuer.example.org" }] },
};
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(sections);
const workloadAttestors = Object.fromEntries(wanted.map((name) => [name, sections[name] ?? {}]));
writeFileSync(config, JSON.stringify({ workloadAttestors }));
const alone = ends.use(await Stack.start());
const all = ends.use(await Stack.start("warn", [], [`--config=${config}`]));
bus.pid = all.agentPid;
const stacks = [alone, all];
for (const stack of stacks) await stack.entry("/bench", `unix:uid:${process.getuid?.() ?? 0}`);

const shares: number[][] = [[], []];
const costs: number[][] = [[], []];
for (let round = 0; round < ROUNDS; round += 1) {
  const base = await load("baseline", "");
  // Who comes first changes, so that neither always has the quieter moment.
  for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
    const stack = stacks[index];
    if (stack === undefined) continue;
    const before = cpuMicroseconds(stack.agentPid);
    const { rate, calls } = await load("fetch", stack.endpoint.slice("unix://".length));
    costs[index]?.push((cpuMicroseconds(stack.agentPid) - before) / calls);
    shares[index]?.push(rate / base.rate);
  }
}
const [share = 0, shareOfAll = 0] = shares.map(median);
const [cost = "", costOfAll = ""] = costs.map(
  (each) =>
    `${Math.min(...each).toFixed(1)} to ${Math.max(...each).toFixed(1)}, median ${median(each).toFixed(1)}`,
);
const ratios = (shares[1] ?? []).map((each, at) => each / (shares[0]?.[at] ?? 1));
process.stdout.write(
  `unix alone: ${share.toFixed(3)} of baseline, ${cost} us of CPU a call\n` +
    `${wanted.join(" ")}: ${shareOfAll.toFixed(3)} of baseline, ${costOfAll} us of CPU a call\n` +
    `median of the rounds' ratios: ${median(ratios).toFixed(3)} (${ratios.map((each) => each.toFixed(2)).join(" ")})\n`,
);

async function load(mode: string, socket: string): Promise<{ rate: number; calls: number }> {
  const at = socket === "" ? [] : ["-sock", socket];
  const { stdout } = await exec(LOAD, ["-mode", mode, ...at, "-c", "16", "-d", `${SECONDS}s`]);
  const errors = Number(/errs=(\d+)/.exec(stdout)?.[1] ?? 0);
  if (errors > 0) throw new Error(`${errors} calls of ${mode} failed`);
  return {
    rate: Number(/rate=(\d+)/.exec(stdout)?.[1] ?? 0),
    calls: Math.max(1, Number(/\bn=(\d+)/.exec(stdout)?.[1] ?? 0)),
  };
}

/** User and system time of all threads so far (proc_pid_stat(5), in ticks of a hundredth of a second). */
function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
