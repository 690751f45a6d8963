// `assay config validate` and `show`: what a file says, all that is wrong with it, and where each value is from.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { runProgram } from "../../src/cli/program/program.ts";
import { AGENT_SETTINGS } from "../../src/config/agent/agent-settings.ts";
import { SERVER_SETTINGS } from "../../src/config/server/server-settings.ts";
import { type Setting, camelCase } from "../../src/config/settings/setting.ts";
import { temporaryFolder } from "./program.ts";

const folder = temporaryFolder();
t.teardown(() => folder.remove());

async function assay(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram({
    args: ["config", ...args],
    env: { HOME: "/home/u", XDG_RUNTIME_DIR: "/run/user/7", ...env },
    stdout: (text) => out.push(text),
    stderr: (text) => err.push(text),
  });
  return { code, out: out.join(""), err: err.join("") };
}

function file(name: string, text: string): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
}

t.test("a valid file, told apart by its keys", async (t) => {
  const server = file("server.yaml", "trustDomain: a.org\nx509Ttl: 30m\nsignLimit: 5\n");
  t.same(await assay(["validate", server]), {
    code: 0,
    out: `${server} is a valid configuration of assay server\n`,
    err: "",
  });
  const agent = file("agent.json", '{"server": "a.org:8081", "syncInterval": "2s"}');
  const json = await assay(["validate", agent, "--output", "json"]);
  t.equal(json.code, 0);
  t.same(JSON.parse(json.out), { file: agent, role: "agent", valid: true, problems: [] });
});

t.test("keys that both have do not tell; the operator does", async (t) => {
  const path = file("either.yaml", "trustDomain: a.org\n");
  t.match(await assay(["validate", path]), {
    code: 2,
    err: /could be the server's or the agent's; say which with --server or --agent\n$/,
  });
  t.match(await assay(["validate", path, "--server"]), { code: 0, out: /assay server\n$/ });
  t.match(await assay(["validate", path, "--agent"]), {
    code: 0,
    out: /assay agent\n$/,
    err: /has no 'server'; give --server on the command line\n$/,
  });
  t.match(await assay(["validate", path, "--agent"], { ASSAY_SERVER: "h:1" }), {
    code: 0,
    err: "",
  });
  t.match(await assay(["validate", path, "--agent", "--server"]), {
    code: 2,
    err: /leave one out/,
  });
  t.match(await assay(["validate"]), { code: 2, err: /--file is missing/ });
});

t.test("all that is wrong, at once, each with its path", async (t) => {
  const path = file(
    "wrong.yaml",
    [
      "server: a.org",
      "trsutDomain: a.org",
      "x509Cache: 0",
      "attestor: x509pop",
      "joinToken: tell-nobody",
      "workloadAttestors: [docker]",
      "adminSocket: /run/a/x.sock",
      "socket: /run/a/api.sock",
    ].join("\n"),
  );
  const problems = [
    `trsutDomain in ${path}: is unknown; did you mean 'trustDomain'?`,
    `server in ${path}: 'a.org' is not host:port, for example 127.0.0.1:8081`,
    `x509Cache in ${path}: is a whole number from 1 to 1000000, not '0'`,
    `workloadAttestors in ${path}: is not a mapping; write one 'key: value' a line`,
    `adminSocket in ${path}: /run/a/x.sock is in the folder of the Workload API socket; give it a folder of its own`,
    "a join token has no meaning with attestor x509pop; leave one out",
  ];
  const ran = await assay(["validate", path, "--output", "json"]);
  t.equal(ran.code, 1);
  t.same(JSON.parse(ran.out), { file: path, role: "agent", valid: false, problems });
  t.match(await assay(["validate", path]), { code: 1, out: `${problems.join("\n")}\n` });
  t.match(await assay(["show", path]), {
    code: 1,
    out: "",
    err: `assay: ${problems.slice(0, 5).join("; ")}; and 1 more\n`,
  });
});

t.test("what only the attestors themselves know is said too", async (t) => {
  const ca = file("ca.pem", "no certificate");
  const issuer = { alias: "ci", url: "https://ci.example.org", audiences: ["assay"] };
  const cases: readonly (readonly [string, object, RegExp | undefined])[] = [
    ["server", { x509popCa: ca }, /^x509pop authorities .*ca\.pem: there is no certificate in it$/],
    [
      "server",
      { x509popMode: "spiffe", x509popPathTemplate: "x509pop/{{ .Nme }}" },
      /no field \.Nme/,
    ],
    ["server", { nodeAttestors: { oidc: { issuers: [issuer] } } }, undefined],
    ["server", { upstreamAuthority: { offline: {} } }, undefined],
    [
      "server",
      { upstreamAuthority: { disk: { certFile: ca, keyFile: "/nowhere" } } },
      /^.*ca\.pem holds no certificate \(PEM\)$/,
    ],
    [
      "server",
      { upstreamAuthority: { vault: { address: "https://vault.example.org" } } },
      /needs one of tokenFile, approle, cert and kubernetes, and one only$/,
    ],
    [
      "server",
      { upstreamAuthority: { offline: {}, nested: { server: "a:1", workloadApiSocket: "/s" } } },
      /upstreamAuthority in .*: offline and nested exclude each other|exclude each other; name one/,
    ],
    ["server", { nodeAttestors: { oidc: { issuers: [issuer, issuer] } } }, /the same alias/],
    [
      "server",
      { nodeAttestors: { oidc: { issuers: [{ ...issuer, url: "http://ci.example.org" }] } } },
      /url of issuer ci/,
    ],
    [
      "server",
      { nodeAttestors: { k8sPsat: { clusters: { one: { serviceAccounts: ["a:b"] } } } } },
      /clusters\.one: .*give the cluster's kubeconfig/,
    ],
    ["agent", { server: "h:1", workloadAttestors: { docker: null, podman: {} } }, undefined],
    [
      "agent",
      { server: "h:1", workloadAttestors: { k8s: { certFile: "/c" } } },
      /certFile and keyFile are given together/,
    ],
  ];
  for (const [role, root, rule] of cases) {
    const path = file("attestors.json", JSON.stringify(root));
    const ran = await assay(["validate", path, `--${role}`, "--output", "json"]);
    const { problems } = JSON.parse(ran.out) as { problems: string[] };
    t.equal(ran.code, rule === undefined ? 0 : 1, ran.out);
    t.match(problems, rule === undefined ? [] : [rule]);
    t.equal(problems.length, rule === undefined ? 0 : 1);
  }
});

t.test("a file that is no configuration at all", async (t) => {
  for (const [text, rule] of [
    ["{", /is neither YAML nor JSON/],
    ["- a", /is not a mapping/],
    ["a: 1\na: 2", /is neither YAML nor JSON/],
  ] as const) {
    const path = file("none.yaml", text);
    const ran = await assay(["validate", path, "--output", "json"]);
    t.equal(ran.code, 1);
    t.match(JSON.parse(ran.out), { file: path, valid: false, problems: [rule] });
  }
  t.match(await assay(["validate", "server", "server.yaml"]), {
    code: 2,
    err: /unexpected word 'server\.yaml'; 'server' is the FILE already/,
  });
  t.match(await assay(["validate", "/none/such"]), {
    code: 1,
    out: /there is no file \/none\/such/,
  });
  t.match(await assay(["show", "/none/such"]), { code: 1, err: /there is no file \/none\/such/ });
});

t.test("the whole configuration, and where each value is from", async (t) => {
  const path = file("show.yaml", "trustDomain: a.org\nx509Ttl: 30m\n");
  const env = { ASSAY_SERVER_SOCKET: "/run/s.sock", ASSAY_KEY_ENCRYPTION_KEY: "tell-nobody" };
  const ran = await assay(["show", path, "--server", "--output", "json"], env);
  t.equal(ran.code, 0, ran.err);
  t.notMatch(ran.out, /tell-nobody/);
  const shown = JSON.parse(ran.out);
  t.match(shown, {
    file: path,
    role: "server",
    settings: {
      trustDomain: { value: "a.org", from: "file" },
      x509Ttl: { value: "30m", from: "file" },
      caTtl: { value: "24h", from: "default" },
      signLimit: { value: 500, from: "default" },
      socket: { value: "/run/s.sock", from: "environment" },
      jwtIssuer: { value: null, from: "unset" },
      dataDir: { value: /server$/, from: "default" },
      ASSAY_KEY_ENCRYPTION_KEY: { secret: true, set: true, from: "environment" },
    },
  });
  const { $defs } = JSON.parse(readFileSync("doc/config.schema.json", "utf8"));
  for (const key of Object.keys($defs.server.properties)) {
    t.ok(key in shown.settings, `${key} is shown`);
  }
  t.match((await assay(["show", path, "--server"], env)).out, /^x509Ttl +30m +file$/m);
  const odd = file("odd.json", JSON.stringify({ jwtIssuer: "a\nb  c" }));
  t.match((await assay(["show", odd, "--server"])).out, /^jwtIssuer +"a\\nb {2}c" +file$/m);
});

t.test("of secrets it is only said that they are set", async (t) => {
  const path = file("secret.yaml", "server: h:1\njoinToken: tell-nobody\n");
  for (const format of ["text", "json"]) {
    const ran = await assay(["show", path, "--output", format]);
    t.equal(ran.code, 0);
    t.notMatch(ran.out + ran.err, /tell-nobody/);
    if (format === "text") t.match(ran.out, /^joinToken +\(set\) +file$/m);
    else t.match(JSON.parse(ran.out).settings.joinToken, { secret: true, set: true, from: "file" });
  }
  chmodSync(path, 0o644);
  t.equal(
    (await assay(["validate", path])).err,
    `assay: joinToken in ${path}: every user of this host can read it; run 'chmod o-r ${path}'\n`,
  );
  chmodSync(path, 0o640);
  t.equal((await assay(["validate", path])).err, "");
});

t.test("the examples of doc/configuration.md are valid", async (t) => {
  const examples = [
    ...readFileSync("doc/configuration.md", "utf8").matchAll(/^```yaml\n([^]*?)^```$/gm),
  ]
    .map((match) => match[1] ?? "")
    .filter((text) => text.includes("/etc/assay/"));
  t.equal(examples.length, 2);
  for (const [index, role] of ["server", "agent"].entries()) {
    const ran = await assay(["validate", file("example.yaml", examples[index] ?? "")]);
    t.match(ran, { code: 0, out: new RegExp(`assay ${role}\n$`), err: "" });
  }
});

t.test("doc/configuration.md names what a reload changes", async (t) => {
  const text = readFileSync("doc/configuration.md", "utf8");
  for (const [line, rule] of [
    ["takes effect at once", "now"],
    ["is for the next start", "start"],
  ] as const) {
    const [, ...cells] = new RegExp(`^\\| ${line} \\|(.*)\\|(.*)\\|$`, "m").exec(text) ?? [];
    for (const [index, table] of [SERVER_SETTINGS, AGENT_SETTINGS].entries()) {
      const rows: readonly (readonly [string, Setting])[] = Object.entries(table);
      const names = rows
        .filter(([, { reload }]) => reload === rule)
        .map(([name]) => camelCase(name));
      const listed = [...(cells[index] ?? "").matchAll(/`(\w+)`/g)].map((match) => match[1]);
      t.same(listed, names, line);
    }
  }
});
