/**
 * One-time tokens: `node bench/provision.ts [c]`. Each round authorizes a token and has a request signed with it, over HTTP
 * with connections that stay, 32 at a time; beside the generator's own baseline of the same minute. Once with P-256
 * authorities and once with RSA-4096 ones, as Pollendina's CA has; over TLS with an API token, and in the clear with none.
 * Needs Go.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectUnix } from "../src/rpc/channel.ts";
import { spawnServer } from "../test/support/server-process.ts";
import { loadGenerator } from "./load-generator.ts";
import { cpuMicroseconds, median } from "./measures.ts";

const CONCURRENCY = process.argv[2] ?? "32";
const SECONDS = process.env["BENCH_SECONDS"] ?? "4";
const RUNS = Number(process.env["BENCH_RUNS"] ?? 3);

const load = await loadGenerator();
for (const keyType of ["ec-p256", "rsa-4096"]) {
  await measure(`${keyType}, in the clear`, keyType, true);
  await measure(`${keyType}, TLS and an API token`, keyType, false);
}

async function measure(name: string, keyType: string, plain: boolean): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "assay-bench-"));
  const { child, socket, ready, kill } = spawnServer(dir, [
    "--provision-listen=127.0.0.1:0",
    `--ca-key-type=${keyType}`,
    "--log-level=error",
    ...(plain ? ["--plain-http", "--anonymous-authorize"] : []),
  ]);
  try {
    const { port } = (await ready).provision;
    const url = `${plain ? "http" : "https"}://127.0.0.1:${port}`;
    const bearer = plain ? "" : await apiToken(socket);
    await rates(name, child, url, bearer);
  } finally {
    await kill();
    rmSync(dir, { recursive: true });
  }
}

async function rates(
  name: string,
  child: ChildProcess,
  url: string,
  bearer: string,
): Promise<void> {
  const shares: number[] = [];
  const rounds: number[] = [];
  const cpu: number[] = [];
  let errors = 0;
  const args = ["-mode", "provision", "-url", url, "-bearer", bearer, "-c", CONCURRENCY];
  await load([...args, "-d", "1s"]);
  for (let run = 0; run < RUNS; run++) {
    const base = await load(["-mode", "baseline", "-c", "16", "-d", `${SECONDS}s`]);
    const before = cpuMicroseconds(child.pid ?? 0);
    const ours = await load([...args, "-d", `${SECONDS}s`]);
    cpu.push((cpuMicroseconds(child.pid ?? 0) - before) / Math.max(1, ours.calls));
    errors += ours.errors;
    rounds.push(ours.rate);
    shares.push(ours.rate / base.rate);
  }
  process.stdout.write(
    `${name}, c=${CONCURRENCY}: ${Math.round(median(rounds))} authorized and signed a second, ${median(shares).toFixed(3)} of baseline, ${Math.round(median(cpu))} us of CPU each, ${errors} errors\n`,
  );
}

async function apiToken(socket: string): Promise<string> {
  using admin = connectUnix(socket);
  const request = { name: "bench", ttl: 3600 };
  const made = await admin.unary<{ token: string }>(
    "assay.provision.v1.Provision",
    "CreateApiToken",
    request,
  );
  return made.token;
}
