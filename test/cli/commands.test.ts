// A server, an agent and every client command, in the order in which a person would use them.
// 1. A server and what its admin socket answers.  2. An agent that joins.  3. A workload that fetches.
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { X509Certificate } from "node:crypto";
import t from "tap";
import { Program, emptyEnvironment, run, start, temporaryFolder } from "./program.ts";

const folder = temporaryFolder();
const dir = folder.path;
const uid = process.getuid?.() ?? 0;
const env: NodeJS.ProcessEnv = {
  ...emptyEnvironment(dir),
  ASSAY_SERVER_SOCKET: `${dir}/server.sock`,
  SPIFFE_ENDPOINT_SOCKET: `unix://${dir}/api.sock`,
};
const running: Program[] = [];
t.teardown(async () => {
  for (const program of running.reverse()) await program.stop();
  folder.remove();
});

async function ok(...args: string[]): Promise<string> {
  const ran = await run(args, env);
  if (ran.code !== 0) throw new Error(`assay ${args.join(" ")}: ${ran.err}`);
  return ran.out;
}

async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  return JSON.parse(await ok(...args, "--output", "json")) as T;
}

let serverPort = "";

t.test("1.1 nobody listens: each command says what to do", async (t) => {
  t.match(await run(["entry", "list"], env), {
    code: 1,
    out: "",
    err: `assay: there is no server socket at ${dir}/server.sock; start 'assay server', or name the socket with --socket or ASSAY_SERVER_SOCKET\n`,
  });
  t.match(await run(["fetch", "x509"], env), {
    code: 1,
    err: /there is no agent socket at .*; start 'assay agent'/,
  });
  // A socket file that nobody listens on any more: its owner was killed.
  const path = `${dir}/left.sock`;
  const listen = `net.createServer().listen(${JSON.stringify(path)}, () => console.log("listens"))`;
  const owner = new Program(process.execPath, ["-e", listen], env);
  await owner.said(/listens/);
  await owner.stop("SIGKILL");
  t.match(await run(["health", "--socket", path], env), {
    code: 1,
    err: `assay: nobody listens on ${path}; the server has stopped, start 'assay server', or name another socket with --socket\n`,
  });
});

t.test("1.1b settings that cannot be are wrong use", async (t) => {
  const cases: [string[], RegExp][] = [
    [["server", "--listen", "foo"], /--listen/],
    [["server", "--trust-domain", "UPPER"], /--trust-domain/],
    [["server", "--ca-ttl", "soon"], /--ca-ttl/],
    [["agent"], /--server is missing; for example --server 127.0.0.1:8081/],
    [["agent", "--server", "foo"], /--server/],
  ];
  for (const [args, err] of cases) t.match(await run(args, env), { code: 2, err }, args.join(" "));
});

t.test("1.2 a server starts, tells where it listens, and serves", async (t) => {
  const server = start(
    ["server", "--trust-domain=example.org", `--data-dir=${dir}/server`, "--listen=127.0.0.1:0"],
    env,
  );
  running.push(server);
  serverPort = (await server.said(/server started .* port=(\d+)/, "err"))[1] ?? "";
  t.same(await json("health", "--wait", "5m"), {
    status: "serving",
    socket: `${dir}/server.sock`,
    answerer: "server",
  });
  t.equal(statSync(`${dir}/server.sock`).mode & 0o777, 0o600);
  t.equal(statSync(`${dir}/server`).mode & 0o777, 0o700);
});

t.test("1.3 a second server on the folder is refused", async (t) => {
  const ran = await run(
    [
      "server",
      "--trust-domain=example.org",
      `--data-dir=${dir}/server`,
      "--listen=127.0.0.1:0",
      `--socket=${dir}/2.sock`,
    ],
    env,
  );
  t.match(ran, {
    code: 1,
    err: /in use by another server; stop that one or give this one a folder of its own/,
  });
});

t.test("1.3b a ready descriptor that is not open ends the start, and the process", async (t) => {
  const ran = await run(
    [
      "server",
      "--trust-domain=example.org",
      `--data-dir=${dir}/unready`,
      "--listen=127.0.0.1:0",
      `--socket=${dir}/2.sock`,
      "--ready-fd=99",
    ],
    env,
  );
  t.match(ran, { code: 1, err: /--ready-fd: cannot write to file descriptor 99\n$/ });
});

t.test("1.4 the bundle: PEM for the agent, the SPIFFE document for everybody else", async (t) => {
  const pem = await ok("bundle", "show");
  t.ok(new X509Certificate(pem).ca);
  t.equal(await ok("bundle", "show", "--format", "pem"), pem);
  writeFileSync(`${dir}/bundle.pem`, pem);
  const document = await json<{ keys: { use: string; kid?: string }[]; spiffe_sequence: number }>(
    "bundle",
    "show",
  );
  t.same(
    document.keys.map(({ use }) => use),
    ["x509-svid", "jwt-svid"],
  );
  t.same(JSON.parse(await ok("bundle", "show", "--format", "spiffe")), document);
});

t.test("1.5 a token is printed, or written for its owner alone", async (t) => {
  const token = await json<{ token: string; spiffeId: string; expiresAt: string }>(
    "token",
    "generate",
    "--spiffe-id",
    "spiffe://example.org/other",
    "--ttl",
    "2m",
  );
  t.same(Object.keys(token), ["token", "spiffeId", "expiresAt"]);
  t.equal(token.spiffeId, "spiffe://example.org/other");
  const left = Date.parse(token.expiresAt) - Date.now();
  t.ok(left > 0 && left <= 120_000, `${left} ms`);
  const written = await json("token", "generate", "--write", `${dir}/token`);
  t.notOk("token" in written);
  t.match(written["spiffeId"], /^spiffe:\/\/example\.org\/spire\/agent\/join_token\/[0-9a-f]{64}$/);
  t.equal(statSync(`${dir}/token`).mode & 0o777, 0o600);
  t.notMatch(
    String(written["spiffeId"]),
    readFileSync(`${dir}/token`, "utf8").trim(),
    "an ID is no secret",
  );
  const before = (await json<object[]>("entry", "list")).length;
  const cases: [string, RegExp][] = [
    [`${dir}/none/token`, /--write: there is no folder .*none; make it first\n$/],
    [`${dir}/token/x`, /--write: .*token is not a folder\n$/],
    [dir, /--write: .* is a folder; name a file in it\n$/],
  ];
  for (const [file, err] of cases) {
    const id = "spiffe://example.org/unwritten";
    const ran = await run(["token", "generate", "--spiffe-id", id, "--write", file], env);
    t.match(ran, { code: 1, out: "", err }, file);
  }
  t.equal((await json<object[]>("entry", "list")).length, before, "no token was made");
});

t.test("1.6 entries: create, show, list, update, count, delete", async (t) => {
  const id = "spiffe://example.org/web";
  const parent = "spiffe://example.org/host";
  const create = [
    "entry",
    "create",
    "--spiffe-id",
    id,
    "--parent-id",
    parent,
    "--selector",
    `unix:uid:${uid}`,
  ];
  const entry = await json<{ id: string }>(
    ...create,
    "--x509-ttl",
    "10m",
    "--jwt-ttl",
    "60",
    "--dns-name",
    "web.example.org",
    "--hint",
    "h",
    "--expires-at",
    "2100-01-01T00:00:00Z",
    "--jwt-jti",
    "--entry-id",
    "web-1",
  );
  t.match(entry, {
    id: "web-1",
    spiffeId: id,
    parentId: parent,
    selectors: [`unix:uid:${uid}`],
    x509SvidTtl: 600,
    jwtSvidTtl: 60,
    dnsNames: ["web.example.org"],
    federatesWith: { length: 0 },
    hint: "h",
    admin: false,
    jwtSvidIncludeJti: true,
    disableX509SvidPrefetch: false,
    revisionNumber: 0,
    expiresAt: "2100-01-01T00:00:00Z",
    createdAt: /^\d{4}-/,
  });
  t.match(await run(create, env), {
    code: 1,
    err: /^assay: entry web-1 already gives .*; change it with 'assay entry update web-1'\n$/,
  });
  t.same(await json("entry", "show", "web-1"), entry);
  t.match(
    await ok("entry", "show", "--id", "web-1"),
    /^spiffe:\/\/example\.org\/web\n {2}id .* web-1\n/,
  );
  t.notMatch(await ok("entry", "show", "web-1"), /tokens alone/);
  const vm = ["--spiffe-id", `${id}-vm`, "--parent-id", parent, "--selector", "token:kube:job:a"];
  t.match(await ok("entry", "create", "--entry-id", "vm", ...vm), /proven by +tokens alone/);
  await ok("entry", "delete", "vm");
  const updated = await json(
    "entry",
    "update",
    "web-1",
    "--hint",
    "i",
    "--no-x509-prefetch",
    "true",
    "--admin",
    "true",
  );
  t.match(updated, {
    hint: "i",
    admin: true,
    disableX509SvidPrefetch: true,
    jwtSvidIncludeJti: true,
    x509SvidTtl: 600,
    revisionNumber: 1,
  });
  t.match(await json("entry", "update", "web-1", "--admin", "false"), { admin: false, hint: "i" });
  t.same(await json("entry", "count", "--spiffe-id", id), { count: 1 });
  t.same(await json("entry", "count", "--hint", "h"), { count: 0 });
  t.equal((await json<unknown[]>("entry", "list", "--selector", `unix:uid:${uid}`)).length, 1);
  t.same(await json("entry", "list", "--selector", "unix:uid:424242"), []);
  t.equal((await json<unknown[]>("entry", "list")).length, 2, "with the alias of the first token");
  t.match(await run(["entry", "delete", "web-1", "web-2", "--output", "json"], env), {
    code: 1,
    out: /^\[\n {2}\{\n {4}"id": "web-1"/,
    err: /^assay: entry web-2: .*; 'assay entry list' shows what there is\n$/,
  });
  t.match(await run(["entry", "show", "web-1"], env), {
    code: 1,
    err: /'assay entry list' shows what there is\n$/,
  });
  t.match(
    await run(
      [
        "entry",
        "create",
        "--spiffe-id",
        "spiffe://b.org/x",
        "--parent-id",
        parent,
        "--selector",
        "a:b",
      ],
      env,
    ),
    {
      code: 1,
      err: /not a member of trust domain/,
    },
  );
});

t.test("2.1 an agent joins with the token; the token is not in the process list", async (t) => {
  await ok(
    "token",
    "generate",
    "--spiffe-id",
    "spiffe://example.org/host",
    "--write",
    `${dir}/token`,
  );
  const agent = start(
    [
      "agent",
      "--trust-domain=example.org",
      `--server=127.0.0.1:${serverPort}`,
      `--data-dir=${dir}/agent`,
      `--socket=${dir}/api.sock`,
      `--trust-bundle=${dir}/bundle.pem`,
      `--join-token-file=${dir}/token`,
      "--sync-interval=100ms",
    ],
    env,
  );
  running.push(agent);
  t.match(await json("health", "agent", "--wait", "5m"), { status: "serving" });
  await agent.said(/attested/, "err");
  t.notMatch((await run(["version"], env)).err, /./, "no warning from the runtime");
});

t.test("2.2 agents are listed and shown", async (t) => {
  const agents = await json<{ spiffeId: string }[]>("agents", "list");
  t.match(agents, [
    {
      attestationType: "join_token",
      banned: false,
      canReattest: false,
      serialNumber: /./,
      expiresAt: /^\d{4}-/,
    },
  ]);
  const id = agents[0]?.spiffeId ?? "";
  t.match(await json("agents", "show", id), { spiffeId: id, attestationType: "join_token" });
  t.match(await ok("agents", "list"), /state\s+active/);
  t.same(await json("agents", "list", "--banned", "true"), []);
  t.match(await run(["agents", "show", "spiffe://example.org/spire/agent/none"], env), {
    code: 1,
    err: /'assay agents list' shows what there is\n$/,
  });
});

t.test("3.1 a process without an entry is told how to get one", async (t) => {
  for (const line of [
    "fetch x509",
    "fetch jwt --audience db",
    "fetch bundle",
    `init-certificate --dir ${dir}/certificate --server 127.0.0.1:1 --wait 0s`,
  ]) {
    t.match(
      await run(line.split(" "), env),
      {
        code: 1,
        out: "",
        err: new RegExp(
          `no identity issued; register this process with 'assay entry create', for example with --selector unix:uid:${uid}; why it has none, an administrator of this host is told by 'assay explain --pid N', of a process that should have one\n$`,
        ),
      },
      line,
    );
  }
});

t.test("3.2 with an entry it fetches, and writes files that belong together", async (t) => {
  await ok(
    "entry",
    "create",
    "--spiffe-id",
    "spiffe://example.org/me",
    "--parent-id",
    "spiffe://example.org/host",
    "--selector",
    `unix:uid:${uid}`,
  );
  const svids = await json<{ x509Svid: string; bundle: string; serialNumber: string }[]>(
    "fetch",
    "x509",
    "--wait",
    "5m",
  );
  t.match(svids, [
    {
      spiffeId: "spiffe://example.org/me",
      hint: "",
      keyType: "ec-p256",
      dnsNames: [],
      expiresAt: /^\d{4}-/,
    },
  ]);
  t.notMatch(JSON.stringify(svids), /PRIVATE/, "the key is never printed");
  t.match(
    await ok("fetch", "x509", "--write", `${dir}/id`),
    /^spiffe:\/\/example\.org\/me\n[^]*wrote .*svid\.pem\n$/,
  );
  const leaf = new X509Certificate(readFileSync(`${dir}/id/svid.pem`));
  t.equal(leaf.subjectAltName, "URI:spiffe://example.org/me");
  t.ok(leaf.verify(new X509Certificate(readFileSync(`${dir}/id/bundle.pem`)).publicKey));
  const { createPrivateKey } = await import("node:crypto");
  t.ok(leaf.checkPrivateKey(createPrivateKey(readFileSync(`${dir}/id/key.pem`))));
  t.equal(statSync(`${dir}/id/key.pem`).mode & 0o777, 0o600);
  const one = ["fetch", "x509", "--spiffe-id", "spiffe://example.org/me"];
  t.match(await json(...one), [{ spiffeId: "spiffe://example.org/me" }]);
  t.match(await run(["fetch", "x509", "--spiffe-id", "spiffe://example.org/you"], env), {
    code: 1,
    err: /no SVID with spiffe:\/\/example\.org\/you, but spiffe:\/\/example\.org\/me\n$/,
  });
  t.match(await run(["fetch", "x509", "--hint", "none"], env), {
    code: 2,
    err: /no SVID has the hint 'none'; none has any/,
  });
});

t.test("3.3 a JWT-SVID is fetched and validated", async (t) => {
  const tokens = await json<{ token: string }[]>(
    "fetch",
    "jwt",
    "--audience",
    "a",
    "--audience",
    "b",
  );
  t.match(tokens, [
    { spiffeId: "spiffe://example.org/me", hint: "", expiresAt: /^\d{4}-/, token: /^ey/ },
  ]);
  const token = tokens[0]?.token ?? "";
  writeFileSync(`${dir}/jwt`, token);
  const valid = await json("validate", "jwt", "--audience", "b", "--token-file", `${dir}/jwt`);
  t.match(valid, {
    spiffeId: "spiffe://example.org/me",
    claims: { sub: "spiffe://example.org/me", aud: ["a", "b"] },
  });
  t.match(
    await run(["validate", "jwt", "--audience", "b", "--token-file", "-"], env, `${token}\n`),
    { code: 0, out: /^valid: / },
  );
  t.match(await run(["validate", "jwt", "--audience", "c", "--token-file", `${dir}/jwt`], env), {
    code: 1,
    err: /^assay: not valid: /,
  });
  t.match(
    await run(["fetch", "jwt", "--audience", "a", "--spiffe-id", "spiffe://example.org/you"], env),
    { code: 1 },
  );
});

t.test("3.4 bundles", async (t) => {
  const bundles = await json<{ trustDomain: string; jwks: { keys: unknown[] } }[]>(
    "fetch",
    "bundle",
  );
  t.match(bundles, [{ trustDomain: "spiffe://example.org", x509: /^-----BEGIN CERTIFICATE/ }]);
  t.equal(bundles[0]?.jwks.keys.length, 1);
});

t.test("3.5 watch prints one line for each change and ends with 0", async (t) => {
  const watch = start(["watch", "--output", "json"], env);
  await watch.said(/^\[.*"spiffe:\/\/example\.org\/me".*\]\n/);
  await ok(
    "entry",
    "create",
    "--spiffe-id",
    "spiffe://example.org/second",
    "--parent-id",
    "spiffe://example.org/host",
    "--selector",
    `unix:uid:${uid}`,
  );
  await watch.said(/^\[.*\]\n\[.*"spiffe:\/\/example\.org\/second".*\]\n/);
  t.match(await watch.stop("SIGINT"), { code: 0 });
});

t.test("3.6 the agent ends in order, and starts again without token and bundle", async (t) => {
  const agent = running.pop();
  t.match(await agent?.stop(), { code: 0 });
  t.notOk(existsSync(`${dir}/api.sock`));
  const again = start(
    [
      "agent",
      "--trust-domain=example.org",
      `--server=127.0.0.1:${serverPort}`,
      `--data-dir=${dir}/agent`,
      `--socket=${dir}/api.sock`,
      "--sync-interval=100ms",
    ],
    env,
  );
  running.push(again);
  t.match(await json("fetch", "x509", "--wait", "5m"), [
    { spiffeId: "spiffe://example.org/me" },
    {},
  ]);
});

t.test("4 a banned agent ends with the reason", async (t) => {
  const agent = running.pop();
  const [{ spiffeId }] = await json<[{ spiffeId: string }]>("agents", "list");
  t.same(await json("agents", "ban", spiffeId), { spiffeId, banned: true });
  const ended = await agent?.ended;
  t.equal(ended?.code, 1);
  t.match(ended?.err.trim().split("\n").at(-1), /^assay: .*banned/);
  t.match(await json("agents", "list", "--banned", "true"), [{ spiffeId, banned: true }]);
});

t.test("5 SIGTERM ends the server with 0 and takes its socket away", async (t) => {
  const server = running.pop();
  t.match(await server?.stop(), { code: 0 });
  t.notOk(existsSync(`${dir}/server.sock`));
});
