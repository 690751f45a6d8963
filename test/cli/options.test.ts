// The command line itself: parsing, help, and what is said when it is wrong. No process is started here.
import t from "tap";
import type { Command } from "../../src/cli/program/command.ts";
import { UsageError } from "../../src/cli/program/grammar.ts";
import { nearest } from "../../src/base/nearest.ts";
import { Options } from "../../src/cli/program/options.ts";
import { runProgram } from "../../src/cli/program/program.ts";
import { COMMANDS } from "../../src/cli/program/registry.ts";
import { plainValue } from "../../src/cli/text/struct.ts";
import { factLines, isoTime, timeText } from "../../src/cli/text/facts.ts";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram({
    args,
    env: { HOME: "/nowhere", ...env },
    stdout: (text) => out.push(text),
    stderr: (text) => err.push(text),
  });
  return { code, out: out.join(""), err: err.join("") };
}

const sample: Command = {
  name: "sample",
  operand: "id",
  options: [
    { name: "id", value: "ID", help: "an id", many: true },
    { name: "name", value: "TEXT", help: "a name", required: true, env: "SAMPLE_NAME" },
    { name: "ttl", value: "DURATION", help: "a time" },
    { name: "colour", value: "C", help: "a colour", choices: ["red", "green"] },
    { name: "fast", formerly: "quick", help: "a flag" },
  ],
  examples: ["assay sample --name x"],
  run: async () => undefined,
};

t.test("values, flags, lists, operands and the environment", async (t) => {
  const options = Options.parse(
    sample,
    ["a", "--name=x", "--fast", "--id", "b", "--ttl", "1h30m", "--", "--c"],
    {},
  );
  t.equal(options.text("name"), "x");
  t.ok(options.flag("fast"));
  t.same(options.list("id"), ["a", "b", "--c"]);
  t.equal(options.required("id"), "a");
  t.equal(options.seconds("ttl"), 5400);
  t.equal(options.text("colour"), undefined);
  const inherited = Options.parse(sample, [], { SAMPLE_NAME: "env" });
  t.equal(inherited.text("name"), "env");
  t.equal(inherited.given("name"), undefined);
  t.equal(Options.parse(sample, ["--name=x"], { SAMPLE_NAME: "env" }).text("name"), "x");
  t.throws(() => inherited.text("nonsense"), TypeError, "a defect of ours");
  t.ok(Options.parse(sample, ["-h"], {}).flag("help"), "help needs no required option");
});

t.test("a wrong command line is a usage error with the next step", async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^--name is missing; for example 'assay sample --name x'$/],
    [["--name"], /^--name needs a value: --name TEXT$/],
    [["--name", "--fast"], /^--name needs a value/],
    [["--name", ""], /^--name is empty/],
    [["--name=x", "--name=y"], /^--name is given twice$/],
    [["--nmae", "x"], /^unknown option --nmae; did you mean --name\?$/],
    [["--name=x", "--quick"], /^--quick is --fast now$/],
    [["-quick=1"], /^-quick is --fast now$/],
    [["--zzzzzz"], /^unknown option --zzzzzz; 'assay sample --help' lists them$/],
    [["-x"], /^unknown option -x/],
    [["-Id", "x"], /^unknown option -Id; did you mean --id\?$/],
    [["-sampleID=x"], /^unknown option -sampleID; did you mean --id\?$/],
    [["-namePath", "x"], /^unknown option -namePath; did you mean --name\?$/],
    [["-psecret"], /^unknown option -p; 'assay sample --help' lists them$/],
    [["--name=x", "--fast=yes"], /^--fast takes no value$/],
    [
      ["--name=x", "--colour=gren"],
      /^--colour takes red or green, not 'gren'; did you mean 'green'\?$/,
    ],
    [["--name=x", "--__proto__=1"], /^unknown option --__proto__/],
  ];
  for (const [args, expected] of cases) {
    t.throws(() => Options.parse(sample, args, {}), { message: expected }, args.join(" "));
    t.throws(() => Options.parse(sample, args, {}), UsageError);
  }
  const late = Options.parse(sample, ["--name=x", "--ttl=soon"], {});
  t.throws(() => late.seconds("ttl"), { message: /^--ttl: 'soon' is no duration; write it as/ });
});

t.test("the nearest word is named, and only when it is near", async (t) => {
  const words = ["server", "agent", "entry", "token", "fetch"];
  t.equal(nearest("sever", words), "server");
  t.equal(nearest("agnet", words), "agent");
  t.equal(nearest("entries", words), "entry");
  t.equal(nearest("fet", words), "fetch");
  t.equal(nearest("url", ["name", "endpoint-url"]), "endpoint-url", "its last word");
  t.equal(nearest("quux", words), undefined);
});

t.test("commands that do not exist", async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["sevrer"], /^assay: unknown command 'sevrer'; did you mean 'assay server'\?\n$/],
    [["qqqqqqqqq"], /^assay: unknown command 'qqqqqqqqq'; 'assay --help' lists the commands\n$/],
    [
      ["entry"],
      /^assay: 'assay entry' needs one more word: create, show, list, update, delete, rotate, count, plan, apply\n$/,
    ],
    [["mint"], /^assay: unknown command 'mint'; there are 'assay x509 mint', 'assay jwt mint'\n$/],
    [["apply"], /unknown command 'apply'; did you mean 'assay entry apply'\?\n$/],
    [["show"], /unknown command 'show'; 'assay --help' lists the \d+ that end in it\n$/],
    [["entry", "creat"], /did you mean 'assay entry create'\?\n$/],
    [
      ["entry", "qqqqqqqqq"],
      /there are: create, show, list, update, delete, rotate, count, plan, apply\n$/,
    ],
    [
      ["agent", "list"],
      /^assay: SPIRE's 'agent list' is 'assay agents list' here; see 'assay agents list --help'\n$/,
    ],
    [["spire-server", "agent", "evict"], /'spire-server agent evict' is 'assay agents evict' here/],
    [["api", "fetch", "-write", "/tmp"], /SPIRE's 'api fetch' is 'assay fetch x509' here/],
    [
      ["api", "fetch", "jwt", "-audience", "a"],
      /SPIRE's 'api fetch jwt' is 'assay fetch jwt' here/,
    ],
    [["api", "watch"], /is 'assay watch' here/],
    [["api", "validate", "jwt"], /is 'assay validate jwt' here/],
    [["bundle", "count"], /is 'assay bundle list' here/],
    [["healthcheck", "-shallow"], /SPIRE's 'healthcheck' is 'assay health' here/],
    [["validate", "-config", "server.conf"], /SPIRE's 'validate' is 'assay config validate' here/],
    [["validate"], /^assay: 'assay validate' needs one more word: jwt\n$/],
    [["logger", "set", "-level", "debug"], /is 'assay log-level' here/],
    [["localauthority", "x509", "taint"], /is 'assay authority x509 taint' here/],
    [["agent", "lisst"], /^assay: unexpected word 'lisst'/],
    [["version", "--ouput", "json"], /did you mean --output\?\n$/],
    [["version", "extra"], /^assay: unexpected word 'extra'/],
  ];
  for (const [args, expected] of cases) {
    const ran = await run(args);
    t.match(ran, { code: 2, out: "", err: expected }, args.join(" "));
  }
});

t.test("SPIRE's commands of the same words are ours", async (t) => {
  const same = ["entry show", "bundle list", "token generate", "x509 mint", "jwt mint"];
  for (const words of [...same, "federation refresh", "bundle set", "entry count"]) {
    t.equal((await run([...words.split(" "), "--help"])).code, 0, words);
  }
  // What an error sends to is there.
  for (const words of ["agents purge", "fetch x509", "validate jwt", "config validate", "health"]) {
    t.ok(
      COMMANDS.some(({ name }) => name === words),
      words,
    );
  }
});

t.test("help: the program, a group, and every command with examples that parse", async (t) => {
  const all = await run(["--help"]);
  t.equal(all.code, 0);
  t.same(await run([]), all);
  for (const { name, summary } of COMMANDS) {
    t.ok(all.out.includes(`  ${name} `) && all.out.includes(summary), `lists ${name}`);
  }
  t.match(await run(["entry", "--help"]), { code: 0, out: /entry create/ });
  t.ok(COMMANDS.length >= 21, `${COMMANDS.length} commands were seen`);
  for (const { name, load } of COMMANDS) {
    const { command } = await load();
    t.equal(command.name, name);
    const help = await run([...name.split(" "), "--help"]);
    t.equal(help.code, 0, name);
    t.equal(help.out, (await run(["help", ...name.split(" ")])).out);
    for (const option of command.options)
      t.ok(
        help.out.includes(option.rest === true ? `-- ${option.value}` : `--${option.name}`),
        `${name} --${option.name}`,
      );
    t.notMatch(help.out, /^ {2}-- .*may be repeated/m, "a command that follows is one");
    t.ok(command.examples.length > 0, `${name} has an example`);
    for (const example of command.examples) {
      t.ok(help.out.includes(example), "the help shows it");
      // As a shell takes them apart: what stands in single quotes is one word.
      const words = (example.replace(/ >.*$/, "").match(/(?:'[^']*'|[^ '])+/g) ?? []).map((word) =>
        word.replaceAll("'", ""),
      );
      t.same(words.slice(0, 1 + name.split(" ").length), ["assay", ...name.split(" ")]);
      const args = words.slice(1 + name.split(" ").length);
      t.ok(Options.parse(command, args, {}), example);
    }
    const options = command.options.map((option) => option.name);
    t.equal(new Set(options).size, options.length, `${name} names each option once`);
    if (command.operand !== undefined) t.ok(options.includes(command.operand));
  }
});

t.test("commands that print data take --output", async (t) => {
  const silent = new Set(["dev", "server", "agent", "provision client", "provision exec"]);
  for (const { name, load } of COMMANDS) {
    const { command } = await load();
    const has = command.options.some((option) => option.name === "output");
    t.equal(has, !silent.has(name), name);
  }
});

t.test("version, in both forms", async (t) => {
  t.match(await run(["version"]), { code: 0, out: /^assay \d+\.\d+\.\d+ \(Node\.js \d+/ });
  t.same((await run(["--version"])).out, (await run(["version"])).out);
  const { version, node } = JSON.parse((await run(["version", "--output", "json"])).out);
  t.match(version, /^\d+\.\d+\.\d+$/);
  t.equal(node, process.versions.node);
});

t.test("values are checked before anyone is asked", async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      "entry create --spiffe-id web --parent-id spiffe://a/b --selector a:b",
      /--spiffe-id: .* write it as spiffe:\/\/example.org\/path/,
    ],
    [
      "entry create --spiffe-id spiffe://a/b --parent-id spiffe://a/b --selector ab",
      /--selector: selector 'ab' has no colon; write it as type:value/,
    ],
    [
      "entry create --spiffe-id spiffe://a/b --parent-id spiffe://a/b --selector a:b --expires-at tomorrow",
      /--expires-at: 'tomorrow' is no time/,
    ],
    ["entry update X", /nothing to change was given; for example --x509-ttl 30m/],
    ["validate jwt --audience a", /no token was given; use --token-file FILE/],
    ["validate jwt --audience a --token t --token-file f", /both given; leave one out/],
    ["dev --trust-domain UPPER", /--trust-domain: trust domain characters are limited/],
    ...[
      "acme eab create",
      "ca init /nowhere/ca",
      "ca root create --dir /nowhere/safe --trust-domain example.org",
      "provision token --name a",
      "x509 mint --spiffe-id spiffe://a/b --write /nowhere/x",
      "jwt mint --spiffe-id spiffe://a/b --audience c",
    ].map((line) => [`${line} --ttl 0s`, /--ttl: '0s' is no time at all; leave it out/] as const),
  ];
  for (const [line, expected] of cases)
    t.match(await run(line.split(" ")), { code: 2, err: expected }, line);
});

t.test("times and facts as people read them", async (t) => {
  t.equal(isoTime(0), "1970-01-01T00:00:00Z");
  t.equal(timeText(3600, 0), "1970-01-01T01:00:00Z (in 1h)");
  t.equal(timeText(0, 90_000), "1970-01-01T00:00:00Z (1m30s ago)");
  t.equal(timeText(1, 1000), "1970-01-01T00:00:01Z (now)");
  t.same(
    factLines(
      [
        ["a", "1"],
        ["long", "2"],
        ["none", undefined],
      ],
      "  ",
    ),
    ["  a     1", "  long  2"],
  );
});

t.test("a Struct becomes plain JSON", async (t) => {
  const value = {
    fields: {
      s: { kind: "stringValue", stringValue: "x" },
      n: { kind: "numberValue", numberValue: 1 },
      b: { kind: "boolValue", boolValue: false },
      l: { kind: "listValue", listValue: { values: [{ kind: "stringValue", stringValue: "y" }] } },
      o: { kind: "structValue", structValue: { fields: {} } },
      z: { kind: "nullValue", nullValue: "NULL_VALUE" },
    },
  };
  t.same(plainValue(value), { s: "x", n: 1, b: false, l: ["y"], o: {}, z: null });
  t.equal(plainValue(null), undefined);
});
