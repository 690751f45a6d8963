/**
 * Measures a real server and agent with bench/load: `node bench/run.ts [MODE...]`, each rate beside the generator's own
 * baseline of the same minute, and the CPU time of the process that answers, which other work on the machine changes
 * least. Needs Go, and root or any one uid (the entry matches the caller).
 *
 * Modes: mint fetch fetchconn fetchjwt jwtmiss hold (default: all of them). `jwtmiss` goes through agent and server, and
 * an agent may have 500 signatures a second by default: that bound is raised here.
 */
import { readFileSync } from "node:fs";
import { Stack } from "../test/support/stack.ts";
import { loadGenerator } from "./load-generator.ts";
import { cpuMicroseconds, median } from "./measures.ts";

const RUNS = Number(process.env["BENCH_RUNS"] ?? 3);
const SECONDS = process.env["BENCH_SECONDS"] ?? "4";
const HELD_STREAMS = 5_000;

const WIDE: ReadonlySet<string> = new Set(["mint", "fetch", "jwtmiss"]);

const wanted = process.argv.slice(2);
const modes =
  wanted.length > 0 ? wanted : ["mint", "fetch", "fetchconn", "fetchjwt", "jwtmiss", "hold"];

const load = await loadGenerator();
await using stack = await Stack.start("warn", ["--sign-limit=1000000"]);
await stack.entry("/bench", `unix:uid:${process.getuid?.() ?? 0}`);
const agent = stack.endpoint.slice("unix://".length);

for (const mode of modes) {
  if (mode === "hold") await hold();
  else await rate(mode, Number(process.env["BENCH_C"] ?? (WIDE.has(mode) ? 16 : 8)));
}

async function rate(mode: string, concurrency: number): Promise<void> {
  const socket = mode === "mint" ? stack.adminSocket : agent;
  const pids = [
    ...(mode === "mint" ? [] : [stack.agentPid]),
    ...(mode === "mint" || mode === "jwtmiss" ? [stack.serverPid] : []),
  ];
  const spent = (): number[] => pids.map(cpuMicroseconds);
  const shares: number[] = [];
  const rates: number[] = [];
  const cpu: number[][] = pids.map(() => []);
  let errors = 0;
  for (let run = 0; run < RUNS; run++) {
    const base = await load(["-mode", "baseline", "-c", "16", "-d", `${SECONDS}s`]);
    const before = spent();
    const ours = await load([
      "-mode",
      mode,
      "-sock",
      socket,
      "-c",
      `${concurrency}`,
      "-d",
      `${SECONDS}s`,
    ]);
    errors += ours.errors;
    rates.push(ours.rate);
    for (const [index, now] of spent().entries()) {
      cpu[index]?.push((now - (before[index] ?? 0)) / Math.max(1, ours.calls));
    }
    shares.push(ours.rate / base.rate);
  }
  say(
    `${mode} c=${concurrency}: ${Math.round(median(rates))}/s, ${median(shares).toFixed(3)} of baseline, ${cpu.map((each) => Math.round(median(each))).join(" + ")} us of CPU a call, ${errors} errors`,
  );
}

async function hold(): Promise<void> {
  const before = memoryKb();
  const holding = load(["-mode", "hold", "-sock", agent, "-n", `${HELD_STREAMS}`, "-d", "10s"]);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, memoryKb());
  }, 500);
  const { text } = await holding;
  clearInterval(watch);
  const each = ((most - before) / HELD_STREAMS).toFixed(1);
  say(
    `hold ${HELD_STREAMS}: agent ${mb(before)} -> ${mb(most)} MB, ${each} KB a stream (${text.trim()})`,
  );
}

function memoryKb(): number {
  const status = readFileSync(`/proc/${stack.agentPid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
}

function mb(kb: number): string {
  return (kb / 1024).toFixed(0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
