// One-time tokens with real processes: the commands, and the scripts of old with curl and openssl.
import { execFile } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { makeRequest } from "../server/frontends/provision-rig.ts";
import { emptyEnvironment, run } from "./program.ts";
import { folderOf, put, startServer } from "./provision-server.ts";

const exec = promisify(execFile);

const environment = (dir: string): NodeJS.ProcessEnv => ({
  ...emptyEnvironment(dir),
  ASSAY_SERVER_SOCKET: `${dir}/server.sock`,
});

t.test("P12 P17: Pollendina's own steps, with curl and openssl", async (t) => {
  const dir = folderOf(t);
  const server = await startServer(t, dir, "--anonymous-authorize", "--plain-http");
  t.match(server.log(), /WARN.*anyone who reaches the front end provision may authorize any name/i);
  t.match(server.log(), /WARN.*plain http/i);
  const base = `http://127.0.0.1:${server.port}`;
  // As its guides have them: a provisioner, and a container's entrypoint.
  const script = [
    "set -eu",
    `cd ${dir}`,
    'TOKEN="$(openssl rand -hex 32)"',
    `curl -sS --fail --data "cn=app.example.org&token=$TOKEN&lifeInSeconds=600" ${base}/v1/authorize`,
    "openssl genrsa -out id.key 2048 2>/dev/null",
    'openssl req -new -key id.key -out id.csr -subj "/C=US/ST=WA/L=Seattle/O=Acme Co/CN=app.example.org"',
    `curl -sS --fail --upload-file id.csr ${base}/v1/sign/$TOKEN > id.crt`,
    `curl -sS --fail ${base}/v1/ca > cacert.pem`,
    "openssl verify -CAfile cacert.pem -untrusted id.crt id.crt",
    "openssl x509 -in id.crt -noout -subject -checkhost app.example.org",
    "openssl x509 -in id.crt -noout -pubkey > crt.pub; openssl pkey -in id.key -pubout | cmp - crt.pub",
    `curl -sS -o /dev/null -w '%{http_code}' --upload-file id.csr ${base}/v1/sign/`,
    "echo",
    `curl -sS -o /dev/null -w '%{http_code}' --upload-file id.csr ${base}/v1/sign/$TOKEN`,
    "echo",
    // Renewal over plain HTTP, as doc/provision.md has it.
    "openssl req -new -newkey rsa:2048 -nodes -keyout new.key -subj /CN=app.example.org -out new.csr 2>/dev/null",
    "sha() { openssl sha256 -r | cut -d ' ' -f 1; }",
    "REQUEST=$(openssl req -in new.csr -outform DER | sha)",
    "NEWEST=$(openssl x509 -in id.crt -outform DER | sha)",
    'SIGNATURE=$(printf \'assay provision renewal 1\\n%s\\n%s\\n\' "$REQUEST" "$NEWEST" | openssl dgst -sha256 -sign id.key | base64 -w 0)',
    `cat new.csr id.crt | curl -sS --fail -T - -H "Renewal-Proof: $NEWEST $SIGNATURE" ${base}/v1/renew > new.crt`,
    "openssl verify -CAfile cacert.pem -untrusted new.crt new.crt",
    "openssl x509 -in new.crt -noout -pubkey > crt.pub; openssl pkey -in new.key -pubout | cmp - crt.pub",
  ].join("\n");
  const { stdout } = await exec("bash", ["-c", script]);
  t.match(stdout, /id\.crt: OK/);
  t.match(stdout, /subject=CN = app\.example\.org/, "of the subject the common name alone");
  t.match(stdout, /does match certificate/);
  t.match(
    stdout,
    /\n401\n200\nnew.crt: OK\n$/,
    "curl appends the file's name, which is no token; the key has its own again",
  );
});

t.test("P4: requests of openssl's that nobody should sign", async (t) => {
  const dir = folderOf(t);
  const { port } = await startServer(t, dir, "--anonymous-authorize", "--plain-http");
  const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const san = (names: string): string[] => ["-addext", `subjectAltName=${names}`];
  const cases: readonly [name: string, args: readonly string[], status: number][] = [
    ["a plain one", EC, 200],
    ["what was authorized", [...EC, ...san("DNS:app.example.org,IP:10.0.0.1")], 200],
    ["CRLs and usages are passed over", [...EC, "-addext", "extendedKeyUsage=codeSigning"], 200],
    ["a CA", [...EC, "-addext", "basicConstraints=critical,CA:TRUE"], 400],
    ["the keys of a CA", [...EC, "-addext", "keyUsage=keyCertSign"], 400],
    ["a short RSA key", ["-newkey", "rsa:1024"], 400],
    ["a key that is not for the web", ["-newkey", "ed448"], 400],
    ["a mail address", [...EC, ...san("email:root@example.org")], 401],
    ["another address", [...EC, ...san("IP:10.0.0.2")], 401],
    ["a name to be registered", [...EC, ...san("RID:1.2.3.4")], 401],
    ["two common names", [...EC, "-subj", "/CN=app.example.org/CN=evil.example.org"], 401],
  ];
  for (const [at, [name, args, status]] of cases.entries()) {
    const token = `token-${at}-${"x".repeat(32)}`;
    const query = `cn=app.example.org&san=10.0.0.1&token=${token}`;
    await fetch(`http://127.0.0.1:${port}/v1/authorize?${query}`, { method: "POST" });
    const subject = args.includes("-subj") ? [] : ["-subj", "/CN=app.example.org"];
    const made = await exec("openssl", [
      "req",
      "-new",
      "-nodes",
      "-keyout",
      join(dir, "key"),
      ...subject,
      ...args,
    ]);
    const answer = await fetch(`http://127.0.0.1:${port}/v1/sign/${token}`, {
      method: "PUT",
      // As Windows writes it, and as some tools name it.
      body: made.stdout
        .replaceAll("\n", "\r\n")
        .replaceAll("CERTIFICATE REQ", "NEW CERTIFICATE REQ"),
    });
    const text = await answer.text();
    t.equal(answer.status, status, `${name}: ${text.slice(0, 200)}`);
    if (status !== 200) continue;
    writeFileSync(join(dir, "crt"), text);
    const shown = await exec("openssl", ["x509", "-in", join(dir, "crt"), "-noout", "-text"]);
    t.match(shown.stdout, /CA:FALSE/);
    t.match(shown.stdout, /TLS Web Server Authentication, TLS Web Client Authentication\n/);
    t.match(shown.stdout, /DNS:app\.example\.org, IP Address:10\.0\.0\.1\n/);
  }
});

t.test("the commands", async (t) => {
  const dir = folderOf(t);
  await startServer(t, dir);
  const env = environment(dir);
  const json = async (...args: string[]) => {
    const ran = await run([...args, "--output", "json"], env);
    if (ran.code !== 0) throw new Error(ran.err);
    return JSON.parse(ran.out);
  };
  const file = join(dir, "token");
  const made = await json(
    "provision",
    "token",
    "--name",
    "web",
    "--san",
    "10.0.0.7",
    "--write",
    file,
  );
  t.match(made, { file, cn: "web", tokenHash: /^[0-9a-f]{64}$/, expiresAt: /Z$/ });
  t.match(made.caFingerprints, [/^[0-9a-f]{64}$/]);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const token = readFileSync(file, "utf8").trim();
  const shown = await run(["provision", "token", "--name", "db", "--ttl", "5m"], env);
  t.match(
    shown.out,
    /^token +prov-[\w-]{43}\nname +db\nexpires +\S+ \(in [45]m.*\)\nca fingerprint +[0-9a-f]{64}\n$/,
  );
  const list = await json("provision", "list");
  t.equal(list.length, 2);
  t.ok(list.every((each: { state: string }) => each.state === "waiting"));
  t.notOk(JSON.stringify(list).includes(token));
  const listed = (await run(["provision", "list"], env)).out;
  t.match(listed, `${made.tokenHash}  web  waiting  until `, "as revoke --hash takes it");
  t.same(await json("provision", "revoke", "--hash", made.tokenHash), { count: 1 });
  t.match(await run(["provision", "revoke", "--hash", made.tokenHash], env), {
    code: 1,
    err: /there is no such authorization; 'assay provision list --output json' shows/,
  });
  const api = await json("provision", "token", "--api", "ci", "--allow-name", "*.example.org");
  t.match(api, { name: "ci", token: /^papi-/ });
  t.match(await json("provision", "list", "--api"), [
    { name: "ci", allowNames: ["*.example.org"] },
  ]);
  t.match((await run(["provision", "list", "--api"], env)).out, /^ci {2}\*\.example\.org {2}until/);
  t.same(await json("provision", "revoke", "--api", "ci"), { count: 1, withdrawn: 0 });
  for (const wrong of [
    ["provision", "token"],
    ["provision", "token", "--name", "a", "--allow-name", "b"],
    ["provision", "token", "--api", "a", "--name", "b"],
    ["provision", "revoke"],
    ["provision", "revoke", "--name", "a", "--api", "b"],
  ]) {
    t.equal((await run(wrong, env)).code, 2, wrong.join(" "));
  }
  for (const words of ["token", "revoke"]) {
    t.match(await run(["provision", words, "--cn", "a"], env), {
      code: 2,
      err: /^assay: --cn is --name now\n$/,
    });
  }
  t.match(await run(["provision", "token", "--name", "a b".repeat(25)], env), {
    code: 1,
    err: /^assay: --name: is longer than 64 characters and no dns name/,
  });
  t.match(await run(["provision", "token", "--name", "a", "--life", "300d"], env), {
    code: 1,
    err: /^assay: --life: 25920000 s is more than the 7776000 s that may be authorized/,
  });
  t.match(await run(["provision", "token", "--name", "a", "--life", "20h"], env), {
    code: 1,
    err: /^assay: --life: the trust domain signs \d+ s at most.* \(caTtl\)/,
  });
  t.match(await run(["provision", "token", "--name", "a", "--ttl", "31d"], env), {
    code: 1,
    err: /^assay: --ttl: is not from 1 to 2592000 seconds/,
  });
  t.match(
    await run(
      ["provision", "token", "--name", "a", "--spiffe-id", "spiffe://other.example/a"],
      env,
    ),
    { code: 1, err: /^assay: --spiffe-id: is not of the server's trust domain/ },
  );
});

t.test("P8: an edited configuration changes what is issued; P7: by the same CA", async (t) => {
  const dir = folderOf(t);
  const config = join(dir, "server.yaml");
  const request = await makeRequest("a");
  const issued = async (life: string) => {
    writeFileSync(config, `frontends:\n  provision:\n    plainHttp: true\n    life: ${life}\n`);
    const server = await startServer(t, dir, `--config=${config}`);
    const { out } = await run(
      ["provision", "token", "--name", "a", "--output", "json"],
      environment(dir),
    );
    const body = await put(server.port, JSON.parse(out).token, request.csr);
    const ca = (await fetch(`http://127.0.0.1:${server.port}/v1/ca`)).text();
    await server.kill("SIGTERM");
    writeFileSync(join(dir, "crt"), body ?? "");
    const { stdout } = await exec("openssl", [
      "x509",
      "-in",
      join(dir, "crt"),
      "-noout",
      "-checkend",
      "1200",
    ]).catch((failure: { stdout: string }) => failure);
    return { ca: await ca, long: /will not expire/.test(stdout) };
  };
  const first = await issued("10m");
  const second = await issued("30m");
  t.same([first.long, second.long], [false, true]);
  t.equal(second.ca, first.ca);
});
