/**
 * The gate's runner: `node test/run.ts core|interop|faults|docker|kubernetes|trust|acme [FILTER]`.
 *
 * core: static checks one after the other, stopping at the first red, then every test that needs Node alone.
 * interop: the real clients. faults: real processes that are killed and starved (FAULTS_ROUNDS makes it long).
 * docker: a real Docker Engine, Podman and systemd. kubernetes: a real cluster. trust: Envoy, other domains, upstream
 * authorities, stores.
 * acme: certbot and Traefik, with ACME_CLIENTS=all others, too. Ends with one line `N passed, N failed`; exit code 1 when
 * anything failed.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { needPrograms } from "./support/debian.ts";

interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

const STATIC_CHECKS: readonly Step[] = [
  { name: "format", command: ["biome", "format", "."] },
  { name: "lint", command: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "import directions", command: ["depcruise", "src", "--output-type", "err"] },
  { name: "dead code", command: ["knip", "--no-config-hints"] },
  { name: "generated types", command: ["node", "src/rpc/generate.ts", "--check"] },
  { name: "generated schema", command: ["node", "src/config/generate-schema.ts", "--check"] },
];

/** For one file: five times what the slowest takes on two slow cores. Only what hangs takes so long. */
const FILE_SECONDS = process.env["FAULTS_ROUNDS"] === undefined ? 1500 : 36_000;
const ON_A_CLUSTER = /^test\/(kubernetes\/|trust\/stores)/;
const LONG_GROUPS = ["interop", "faults", "docker", "kubernetes", "trust", "acme"];

const group = process.argv[2] ?? "core";
const filter = process.argv[3] ?? "";
let passed = 0;
let failed = 0;

try {
  // What tests of every group compare with.
  await needPrograms({ curl: "curl", openssl: "openssl" });
} catch (error) {
  process.stdout.write(`not ok: ${error instanceof Error ? error.message : String(error)}\n`);
  finish(0, 1);
}
if (group === "core") {
  for (const step of STATIC_CHECKS) {
    if (filter !== "") break;
    const started = performance.now();
    const { code, output } = await run(step.command);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (code !== 0) {
      process.stdout.write(`${output}\nnot ok: ${step.name} (${seconds} s)\n`);
      finish(passed, failed + 1);
    }
    passed += 1;
    process.stdout.write(`ok: ${step.name} (${seconds} s)\n`);
  }
  await runTap(
    testFiles("test").filter(
      (file) => !LONG_GROUPS.some((long) => file.startsWith(`test/${long}/`)),
    ),
  );
} else if (LONG_GROUPS.includes(group)) {
  // The first build of a cluster's binary takes minutes, on a busy machine more than a test may.
  const files = testFiles(`test/${group}`);
  if (files.some((file) => ON_A_CLUSTER.test(file))) {
    await prepare("test/kubernetes/cluster/prepare.ts");
  }
  await runTap(files);
} else {
  process.stderr.write(`unknown test group '${group}'; write core, ${LONG_GROUPS.join(", ")}\n`);
  process.exit(2);
}
finish(passed, failed);

async function prepare(script: string): Promise<void> {
  const started = performance.now();
  const { code, output } = await run(["node", script]);
  if (code !== 0) {
    process.stdout.write(`${output}\nnot ok: ${script}\n`);
    finish(0, 1);
  }
  process.stdout.write(
    `ready: ${script} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`,
  );
}

function finish(ok: number, notOk: number): never {
  process.stdout.write(`${ok} passed, ${notOk} failed\n`);
  process.exit(notOk === 0 && ok > 0 ? 0 : 1);
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((file) => `${folder}/${file}`)
    .filter((file) => file.endsWith(".test.ts") && file.includes(filter))
    .sort();
}

async function runTap(files: readonly string[]): Promise<void> {
  if (files.length === 0) {
    process.stdout.write("no test file was found\n");
    failed += 1;
    return;
  }
  const limits = ["--jobs=2", `--timeout=${FILE_SECONDS}`];
  // Where tap's processes leave notes on themselves as they end. It empties their common folder when it starts, also below
  // the processes of a group that runs beside this one, and neither survives that.
  const notes = mkdtempSync(join(tmpdir(), "assay-tap-"));
  const apart = `--test-env=_TAPJS_PROCESSINFO_CWD_=${notes}`;
  const child = spawn(bin("tap"), ["--reporter=tap", apart, ...limits, ...files], {
    stdio: ["ignore", "pipe", "inherit"],
    shell: false,
  });
  let counted = false;
  const failing: string[] = [];
  let file: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    file.push(line);
    const top = /^(not )?ok \d+ - (\S+)(.*)/.exec(line);
    if (top !== null) {
      process.stdout.write(`${line}\n`);
      if (top[1] !== undefined) failing.push(...file);
      file = [];
    }
    const total = /^# \{ total: (\d+)(?:, pass: (\d+))?(?:, fail: (\d+))?(.*)\}/.exec(line);
    if (total !== null) {
      counted = true;
      passed += Number(total[2] ?? 0);
      failed += Number(total[3] ?? 0);
      // A skipped or unfinished test is a defect here (CONTRIBUTING.md).
      if (/skip|todo/.test(total[4] ?? "")) failed += 1;
    }
  }
  const code = await new Promise<number | null>((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    else child.on("exit", resolve);
  });
  rmSync(notes, { recursive: true, force: true });
  const before = failed;
  if (failing.length > 0) process.stdout.write(`${onlyFailures(failing).join("\n")}\n`);
  if (!counted || (code !== 0 && before === 0)) failed += 1;
}

/** Drops the lines of tests that passed, so that a red run can be read. */
function onlyFailures(lines: readonly string[]): string[] {
  return lines.filter((line) => !/^\s*(ok \d+|# Subtest|1\.\.\d+|\s*$)/.test(line)).slice(0, 400);
}

function bin(name: string): string {
  return name === "node" ? process.execPath : `node_modules/.bin/${name}`;
}

function run(command: readonly string[]): Promise<{ code: number | null; output: string }> {
  const [name = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(bin(name), args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
