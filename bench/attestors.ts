/**
 * What all workload attestors together cost a fetch of a process of the host: `node bench/attestors.ts [ATTESTOR...]`. Two agents at
 * servers of their own, one with `unix` alone, the other with docker, podman, k8s, systemd and token beside it, are measured
 * in turns (BENCH_ROUNDS, BENCH_SECONDS), each beside the generator's own baseline. Needs Go. The bus is one written for
 * tests; engines and kubelet are not there, as nobody asks them about a process in no container.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dbusPeer, webUnit } from "../test/support/dbus-peer.ts";
import { Stack } from "../test/support/stack.ts";
import { loadGenerator } from "./load-generator.ts";
import { cpuMicroseconds, median } from "./measures.ts";

const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 9);
const SECONDS = process.env["BENCH_SECONDS"] ?? "2";

const run = await loadGenerator();
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
  const { rate, calls, errors } = await run([
    "-mode",
    mode,
    ...at,
    "-c",
    "16",
    "-d",
    `${SECONDS}s`,
  ]);
  if (errors > 0) throw new Error(`${errors} calls of ${mode} failed`);
  return { rate, calls: Math.max(1, calls) };
}
