// `assay watch --dir`: a real server and agent, the program as operators run it, and the files it leaves.
import { X509Certificate, createPrivateKey } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import t, { type Test } from "tap";
import { until } from "../support/patience.ts";
import { Domain, id } from "../support/running.ts";
import { type Program, emptyEnvironment, run, start, temporaryFolder } from "./program.ts";

const folder = temporaryFolder();
const dir = folder.path;
const domain = await Domain.start();
let agent = await domain.startAgent();
const env: NodeJS.ProcessEnv = {
  ...emptyEnvironment(dir),
  SPIFFE_ENDPOINT_SOCKET: `unix://${domain.dir}/api.sock`,
};
t.teardown(async () => {
  await domain[Symbol.asyncDispose]();
  folder.remove();
});

function watch(t: Test, args: readonly string[]): Program {
  const program = start(["watch", ...args], env);
  t.teardown(() => program.stop("SIGKILL"));
  return program;
}

function certificateIn(folder: string): X509Certificate {
  return new X509Certificate(readFileSync(`${folder}/svid.pem`));
}

t.test("no agent and no identity: --once says so and fails, --wait waits", async (t) => {
  const nowhere = { ...env, SPIFFE_ENDPOINT_SOCKET: `unix://${dir}/nobody.sock` };
  t.match(await run(["watch", "--dir", `${dir}/none`, "--once"], nowhere), {
    code: 1,
    err: /^assay: there is no agent socket at /,
  });
  t.match(await run(["watch", "--dir", `${dir}/none`, "--once"], env), {
    code: 1,
    err: /^assay: no identity issued.*; register this process with 'assay entry create'/,
  });
  t.notOk(existsSync(`${dir}/none/svid.pem`));
  const following = watch(t, []);
  const [, pid] = await following.said(
    / by 'assay explain --pid (\d+|N)'.*; trying again\n/,
    "err",
  );
  const isHost = readlinkSync("/proc/self/ns/pid") === "pid:[4026531836]";
  t.equal(pid, isHost ? String(following.child.pid) : "N", "who goes on can be explained");
  await following.stop();
  const waiting = watch(t, ["--dir", `${dir}/waited`, "--once", "--wait", "5m"]);
  await until("it waits", () => existsSync(`${dir}/waited`));
  await domain.entry({ path: "/web", more: { hint: "web" } });
  await domain.entry({ path: "/db", more: { hint: "db", x509_svid_ttl: 1200 } });
  t.match(await waiting.ended, { code: 0, err: "" });
  t.ok(existsSync(`${dir}/waited/svid.pem`));
});

t.test("--once writes what was asked for", async (t) => {
  const to = `${dir}/once`;
  const ran = await run(
    [
      "watch",
      "--dir",
      to,
      "--once",
      "--hint",
      "db",
      "--output",
      "json",
      "--run",
      `echo "in $ASSAY_DIR"`,
    ],
    env,
  );
  t.match(ran, { code: 0, err: `in ${to}\n` });
  const certificate = certificateIn(to);
  t.equal(certificate.subjectAltName, `URI:${id("/db")}`);
  t.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(`${to}/key.pem`))));
  t.ok(certificate.verify(new X509Certificate(readFileSync(`${to}/bundle.pem`)).publicKey));
  t.equal(statSync(`${to}/key.pem`).mode & 0o777, 0o600);
  t.match(JSON.parse(ran.out), {
    dir: to,
    format: "pem",
    spiffeId: id("/db"),
    serialNumber: certificate.serialNumber.toLowerCase().replace(/^0+/, ""),
    expiresAt: certificate.validToDate.toISOString().replace(".000Z", "Z"),
    files: ["svid.pem", "key.pem", "bundle.pem"],
  });
  t.match(await run(["watch", "--dir", to, "--once", "--run", "exit 7"], env), {
    code: 1,
    err: "assay: the command 'exit 7' ended with exit code 7\n",
  });
  t.match(await run(["watch", "--dir", to, "--once", "--hint", "none"], env), {
    code: 1,
    err: /no SVID with hint 'none', but spiffe:\/\/example.org\/\w+ \(hint '\w+'\)/,
  });
});

t.test("an agent that is not there yet is waited for, as long as --wait says", async (t) => {
  const late = `${dir}/late.sock`;
  const there = { ...env, SPIFFE_ENDPOINT_SOCKET: `unix://${late}` };
  const waiting = start(["watch", "--wait", "5m"], there);
  t.teardown(() => waiting.stop("SIGKILL"));
  t.match(await run(["watch"], there), {
    code: 1,
    err: /there is no agent socket at .*late\.sock/,
  });
  symlinkSync(`${domain.dir}/api.sock`, late);
  await waiting.said(/ update\nspiffe:\/\/example\.org\//);
  await waiting.stop();
});

t.test("of several targets, the one that failed is named", async (t) => {
  const file = `${dir}/several.json`;
  const targets = [
    { dir: `${dir}/good`, format: "jwt", jwtSvids: [{ file: "one.jwt", audience: ["a"] }] },
    { dir: `${dir}/worse`, hint: "none" },
  ];
  writeFileSync(file, JSON.stringify({ targets }));
  const ran = await run(["watch", "--config", file, "--once"], env);
  t.match(ran, { code: 1, out: /good: 1 JWT-SVID\n$/ });
  t.ok(ran.err.startsWith(`assay: ${dir}/worse: the agent gives this process no SVID`), ran.err);
});

t.test("key stores: the password comes from a file or the environment", async (t) => {
  writeFileSync(`${dir}/password`, "changeit\n", { mode: 0o600 });
  const to = `${dir}/stores`;
  const args = ["watch", "--dir", to, "--once", "--format", "pkcs12"];
  t.match(await run(args, env), {
    code: 2,
    err: /a key store needs a password: --password-file .* or ASSAY_PKCS12_PASSWORD/,
  });
  t.match(await run([...args, "--password-file", `${dir}/password`], env), { code: 0 });
  t.equal(statSync(`${to}/keystore.p12`).mode & 0o777, 0o600);
  t.equal(statSync(`${to}/truststore.p12`).mode & 0o777, 0o644);
  t.match(await run(args, { ...env, ASSAY_PKCS12_PASSWORD: "changeit" }), { code: 0 });
  t.match(await run(args, { ...env, ASSAY_PKCS12_PASSWORD: "süß und lang" }), {
    code: 1,
    err: /printable ASCII/,
  });
});

t.test("JWT-SVIDs and the JWT bundle", async (t) => {
  const to = `${dir}/jwt`;
  const ran = await run(
    [
      "watch",
      "--dir",
      to,
      "--once",
      "--format",
      "jwt",
      "--jwt-bundle",
      "--spiffe-id",
      id("/db"),
    ].concat(["--jwt-svid", "reports.jwt=reports,billing", "--jwt-svid", "mail.jwt=mail"]),
    env,
  );
  t.match(ran, { code: 0, err: "", out: /: 2 JWT-SVIDs\n$/ });
  const [, claims = ""] = readFileSync(`${to}/reports.jwt`, "utf8").split(".");
  t.match(JSON.parse(Buffer.from(claims, "base64url").toString()), {
    sub: id("/db"),
    aud: ["reports", "billing"],
  });
  t.equal(statSync(`${to}/mail.jwt`).mode & 0o777, 0o600);
  const { keys } = JSON.parse(readFileSync(`${to}/jwt-bundle.json`, "utf8")) as { keys: unknown[] };
  t.equal(keys.length, 1);
  t.notOk(existsSync(`${to}/svid.pem`));
});

t.test("it follows: a change, an identity taken away and given again, a new agent", async (t) => {
  const [to, log] = [`${dir}/followed`, `${dir}/told`];
  const entry = await domain.entry({ path: "/followed" });
  const program = watch(t, [
    "--dir",
    to,
    "--spiffe-id",
    id("/followed"),
    "--run",
    `echo x >> ${log}`,
  ]);
  await program.said(/wrote .*followed: spiffe:\/\/example.org\/followed, expires/);
  const first = certificateIn(to).serialNumber;
  await domain.deleteEntry(entry);
  await program.said(/no SVID with spiffe:\/\/example.org\/followed, but/, "err");
  t.equal(certificateIn(to).serialNumber, first, "what is there stays until it expires");
  await domain.entry({ path: "/followed" });
  await until("another SVID", () => certificateIn(to).serialNumber !== first);
  await until("it was told twice", () => readFileSync(log, "utf8") === "x\nx\n");
  await agent[Symbol.asyncDispose]();
  await program.said(/nobody listens on|no agent socket|no socket at/, "err");
  agent = await domain.startAgent({ joinToken: undefined });
  const second = certificateIn(to).serialNumber;
  await until("the new agent's SVID", () => certificateIn(to).serialNumber !== second);
  await until("it was told again", () => readFileSync(log, "utf8") === "x\nx\nx\n");
  t.match(await program.stop("SIGTERM"), { code: 0 });
});

t.test("it waits for an agent that is not there yet", async (t) => {
  await agent[Symbol.asyncDispose]();
  const program = watch(t, ["--dir", `${dir}/early`]);
  await program.said(/there is no agent socket at .*; trying again/, "err");
  agent = await domain.startAgent({ joinToken: undefined });
  await program.said(/wrote .*early/);
  t.match(await program.stop("SIGINT"), { code: 0 });
});

t.test("a file with several targets", async (t) => {
  const signalled = start(["watch", "--output", "json"], env);
  t.teardown(() => signalled.stop("SIGKILL"));
  await signalled.said(/\n/);
  writeFileSync(`${dir}/pid`, `${signalled.child.pid}\n`);
  mkdirSync(`${dir}/many`);
  writeFileSync(
    `${dir}/watch.yaml`,
    `socket: ${domain.dir}/api.sock
targets:
  - dir: ${dir}/many/web
    hint: web
    names: { svid: tls.crt, key: tls.key, bundle: ca.crt }
    jwtSvids: [{ file: token, audience: [reports] }]
  - dir: ${dir}/many/db
    spiffeId: ${id("/db")}
    format: haproxy
    keyMode: "0640"
    signal: ${dir}/pid
    signalName: TERM
`,
  );
  const program = watch(t, ["--config", `${dir}/watch.yaml`]);
  await program.said(/wrote .*many\/web/);
  await program.said(/wrote .*many\/db/);
  t.equal(
    new X509Certificate(readFileSync(`${dir}/many/web/tls.crt`)).subjectAltName,
    `URI:${id("/web")}`,
  );
  t.match(readFileSync(`${dir}/many/web/token`, "utf8"), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  t.match(
    readFileSync(`${dir}/many/db/haproxy.pem`, "utf8"),
    /END CERTIFICATE-----\n-----BEGIN PRIVATE/,
  );
  t.equal(statSync(`${dir}/many/db/haproxy.pem`).mode & 0o777, 0o640);
  t.match(await signalled.ended, { code: 0 }, "the process in the PID file was told");
  t.match(await run(["watch", "--dir", `${dir}/many/db`, "--once"], env), {
    code: 1,
    err: /another process writes to/,
  });
  await program.stop();
  t.match(await run(["watch", "--config", `${dir}/watch.yaml`, "--once"], env), {
    code: 1,
    err: /there is no process \d+ from .*pid to signal/,
  });
});

t.test("what cannot be is wrong use, and is said before the agent is asked", async (t) => {
  const yaml = (text: string): string[] => {
    const file = `${dir}/bad-${yaml.length}-${text.length}.yaml`;
    writeFileSync(file, text);
    return ["--config", file];
  };
  const to = ["--dir", `${dir}/bad`];
  const cases: [string[], RegExp][] = [
    [["--format", "pem"], /--format has a meaning with --dir only/],
    [["--once"], /--once has a meaning with --dir only/],
    [["--jwt-svid", "a=b"], /--jwt-svid has a meaning with --dir only/],
    [[...to, "--config", "x"], /--dir and --config are both given/],
    [["--config", "x", "--hint", "y"], /--hint has no meaning with --config/],
    [[...to, "--format", "pen"], /did you mean 'pem'/],
    [[...to, "--key-mode", "rw"], /--key-mode: 'rw' is no file mode/],
    [[...to, "--owner", "no-such-user"], /owner: \/etc\/passwd has no 'no-such-user'/],
    [[...to, "--spiffe-id", "web"], /SPIFFE ID|scheme/],
    [[...to, "--signal", "1"], /signal: 1 is no PID of one process/],
    [[...to, "--signal", "-15"], /signal|--signal/],
    [[...to, "--run-timeout", "0s"], /--run-timeout: is shorter than 1s/],
    [[...to, "--jwt-svid", "token"], /--jwt-svid: has fewer than 1 items/],
    [[...to, "--jwt-svid", "../token=a"], /--jwt-svid: '..\/token' is no file name/],
    [[...to, "--jwt-svid", "svid.pem=a"], /two files are called 'svid.pem'/],
    [[...to, "--format", "jwt"], /holds nothing/],
    [[...to, "--password-file", "x"], /with the format pkcs12 only/],
    [yaml("targets: []"), /has fewer than 1 items/],
    [yaml("target: []"), /target in .*: is unknown; did you mean 'targets'/],
    [yaml("targets: [{dir: /x, fromat: pem}]"), /targets\[0\].fromat in .*did you mean 'format'/],
    [yaml("targets: [{dir: /x}, {dir: /x}]"), /two targets have the folder \/x/],
    [yaml("targets: [{dir: /x, names: {key: a/b}}]"), /'a\/b' is no file name/],
  ];
  for (const [args, err] of cases) {
    t.match(await run(["watch", ...args], env), { code: 2, out: "", err }, args.join(" "));
  }
  t.notOk(existsSync(`${dir}/bad`));
  t.match(await run(["watch", "--config", `${dir}/nowhere.yaml`], env), {
    code: 1,
    err: /there is no file/,
  });
  t.match(await run(["watch", "--dir", "/proc/assay", "--once"], env), { code: 1 });
});
