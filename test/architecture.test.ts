/** The house's rules that no tool checks by itself: how many files were seen, how long they are, who takes time itself. */
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import t from "tap";

const SOURCES = filesOf("src").filter(({ path }) => !path.startsWith("src/rpc/gen/"));

function filesOf(folder: string): { readonly path: string; readonly text: string }[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules/"))
    .map((file) => `${folder}/${file}`)
    .map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

t.test("the import checker saw every source file", async (t) => {
  const report = JSON.parse(
    execFileSync(
      process.execPath,
      ["node_modules/.bin/depcruise", "src", "--output-type", "json"],
      {
        encoding: "utf8",
        maxBuffer: 1 << 28,
      },
    ),
  ) as { summary: { totalCruised: number; violations: unknown[] }; modules: { source: string }[] };
  const seen = new Set(report.modules.map((module) => module.source));
  t.ok(SOURCES.length > 100, `${SOURCES.length} source files`);
  for (const { path } of SOURCES) t.ok(seen.has(path), `${path} was cruised`);
  t.same(report.summary.violations, []);
});

t.test("no file above 500 lines, and half of them at most 120", async (t) => {
  const linesOf = ({ text }: { readonly text: string }) => text.split("\n").length - 1;
  const tests = [...filesOf("test"), ...filesOf("bench")];
  t.ok(tests.length > 100, `${tests.length} files of tests and benchmarks`);
  for (const file of [...SOURCES, ...tests]) {
    t.ok(linesOf(file) <= 500, `${file.path} has ${linesOf(file)} lines`);
  }
  const sorted = SOURCES.map(linesOf).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  t.ok(median <= 120, `the median is ${median} lines`);
});

/** What may stand only where the rule says; each pattern was seen to catch a planted line. */
const RESERVED: readonly { what: string; pattern: RegExp; allowed: RegExp }[] = [
  {
    what: "the wall clock",
    pattern: /\bDate\.now\(|\bnew Date\(\)/,
    allowed: /^src\/(base\/clock\.ts$|cli\/)/,
  },
  {
    what: "timers",
    pattern: /(?<!\.)\bset(Timeout|Interval)\(/,
    allowed: /^src\/(base\/clock|cli\/)/,
  },
  { what: "unseeded randomness", pattern: /\bMath\.random\(/, allowed: /^src\/base\/random\.ts$/ },
  {
    what: "the environment and the command line",
    pattern: /\bprocess\.(env|argv)\b/,
    allowed: /^src\/(config|cli)\//,
  },
  {
    what: "other programs (P18: none in a server, and only an operator's own in a client)",
    pattern: /\bnode:child_process\b|\bprocess\.execve\b|\bnode:cluster\b/,
    allowed:
      /^src\/(delivery\/tell|rpc\/generate|cli\/dev\/child|cli\/provision\/(run-command|container-command))\.ts$/,
  },
  { what: "an OpenSSL program (P17, P18)", pattern: /["'`]openssl["'`]/i, allowed: /^$/ },
  { what: "the end of the process", pattern: /\bprocess\.exit\(/, allowed: /^src\/cli\// },
  {
    what: "private keys",
    pattern: /\bcreatePrivateKey\(|\bgenerateKeyPair(Sync)?\(/,
    allowed: /^src\/(keys|server\/keymanager|agent\/(identity|cache))\//,
  },
  {
    what: "node:http as a module, which loads a client for the web along (base/node-http.ts)",
    pattern: /^import (?!type\b)[^;]*"node:http";/m,
    allowed: /^$/,
  },
  { what: "console output", pattern: /\bconsole\./, allowed: /^$/ },
  { what: "a default export", pattern: /^export default/m, allowed: /^$/ },
  {
    what: "a suppression without a reason",
    pattern: /(oxlint|eslint)-disable(?!.*--)|@ts-(ignore|nocheck)|@ts-expect-error(?! \S)/,
    allowed: /^$/,
  },
];

for (const { what, pattern, allowed } of RESERVED) {
  t.test(`${what}: only where the house allows it`, async (t) => {
    for (const { path, text } of SOURCES) {
      if (allowed.test(path)) continue;
      const line = text
        .split("\n")
        .find((candidate) => pattern.test(candidate) && !/^\s*(\*|\/\/)/.test(candidate));
      t.equal(line, undefined, `${path}: ${line?.trim() ?? "nothing"}`);
    }
  });
}

// Development tools' builds for platforms that the registry at hand did not have are named without one (npm ci demands
// the name); whoever installs there gets npm's own check against the registry.
t.test("lock file: every package has its integrity and none an address", async (t) => {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
    packages: Record<
      string,
      { integrity?: string; resolved?: string; dev?: boolean; optional?: boolean }
    >;
  };
  const packages = Object.entries(lock.packages).filter(([path]) => path !== "");
  t.ok(packages.length > 100, `${packages.length} packages`);
  for (const [path, { integrity, resolved, dev, optional }] of packages) {
    t.equal(resolved, undefined, `${path} names no address`);
    if (dev === true && optional === true) continue;
    t.match(integrity, /^sha512-/, `${path} has an integrity`);
  }
  for (const platform of ["linux-x64", "linux-arm64", "darwin-x64"]) {
    t.ok(lock.packages[`node_modules/node-${platform}`], `the Node for ${platform} is locked`);
  }
});
