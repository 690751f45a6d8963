// A folder that is a whole CA: made by one command, served, moved, edited; and a server that finds its own configuration.
import { X509Certificate } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { decodePem } from "../../src/x509/pem.ts";
import { Program, ASSAY, emptyEnvironment, run, start, temporaryFolder } from "./program.ts";

const folder = temporaryFolder();
const shm = mkdtempSync("/dev/shm/assay-ca-");
t.teardown(() => {
  folder.remove();
  rmSync(shm, { recursive: true });
});
const env = emptyEnvironment(folder.path);
mkdirSync(join(folder.path, "run"), { mode: 0o700 });
const socket = join(folder.path, "s.sock");

/** On free ports, and on nothing but the folder. */
async function serve(
  dir: string,
  ...more: readonly string[]
): Promise<{ program: Program; url: string }> {
  const program = start(
    ["server", "--data-dir", dir, "--socket", socket, "--listen", "127.0.0.1:0", ...more],
    env,
  );
  const [, port] = await program.said(/provision front end listens .*port=(\d+)/, "err");
  await program.said(/server started/, "err");
  return { program, url: `https://localhost:${port}` };
}

let names = 0;

/** A certificate for one token. */
async function provision(url: string, ca: string): Promise<{ leaf: X509Certificate; pem: string }> {
  names += 1;
  const dir = join(shm, `${names}`);
  const shown = join(shm, `${names}.pem`);
  const ran = await run(
    [
      "provision",
      "exec",
      "--socket",
      socket,
      "--server",
      url,
      "--ca-file",
      ca,
      "--name",
      `web-${names}`,
      "--",
      "sh",
      "-c",
      // An engine that takes the mount's source out of its words, as one that is real would mount it.
      `while [ "$1" != --mount ]; do shift; done; from=\${2#*source=}; cp -rL "\${from%%,*}" ${dir}; cat ${dir}/id.crt > ${shown}`,
      "sh",
      "run",
      "image",
    ],
    env,
  );
  t.match(ran, { code: 0 }, ran.err);
  const pem = readFileSync(shown, "utf8");
  return { leaf: new X509Certificate(pem), pem };
}

t.test(
  "P7 P8 one command makes a CA; the folder is its whole state; its configuration counts",
  async (t) => {
    const dir = join(folder.path, "ca");
    const made = await run(
      ["ca", "init", dir, "--host", "localhost", "--listen", "127.0.0.1:0", "--output", "json"],
      env,
    );
    const { fingerprint } = JSON.parse(made.out) as { fingerprint: string };
    const ca = join(dir, "cacert.pem");
    const root = new X509Certificate(readFileSync(ca));
    t.equal(root.fingerprint256.replaceAll(":", "").toLowerCase(), fingerprint);
    t.equal(statSync(dir).mode & 0o777, 0o700);
    t.equal(statSync(join(dir, "cakey.pem")).mode & 0o777, 0o400);
    t.same(readdirSync(dir).sort(), ["cacert.pem", "cakey.pem", "server.yaml"]);
    const validate = `cd ${dir} && ${ASSAY} config validate server.yaml`;
    t.match(await new Program("sh", ["-c", validate], env).ended, { code: 0 });
    t.match(await run(["ca", "init", dir], env), {
      code: 1,
      err: /cakey.pem is there already; a CA is never overwritten: take another folder/,
    });

    const first = await serve(dir);
    const one = await provision(first.url, ca);
    await first.program.stop();
    t.ok(
      Date.parse(one.leaf.validTo) - Date.now() > 23 * 3600_000,
      "a day, as the configuration says",
    );

    const moved = join(folder.path, "elsewhere");
    renameSync(dir, moved);
    const file = join(moved, "server.yaml");
    const edited = readFileSync(file, "utf8").replace("life: 24h", "life: 2h");
    writeFileSync(file, edited);
    const second = await serve(moved);
    const two = await provision(second.url, join(moved, "cacert.pem"));
    const life = Date.parse(two.leaf.validTo) - Date.now();
    t.ok(life > 7000_000 && life < 7300_000, `two hours: ${life}`);
    t.not(two.leaf.serialNumber, one.leaf.serialNumber);
    const chain = (pem: string) => decodePem(pem).map(({ der }) => parseCertificate(der));
    t.equal(chain(two.pem)[1]?.serial, chain(one.pem)[1]?.serial, "the same authority signed both");
    for (const { pem } of [one, two]) {
      const leafFile = join(folder.path, "leaf.pem");
      writeFileSync(leafFile, pem);
      const verify = [
        "verify",
        "-CAfile",
        join(moved, "cacert.pem"),
        "-untrusted",
        leafFile,
        leafFile,
      ];
      t.match(execFileSync("openssl", verify, { encoding: "utf8" }), /: OK/);
    }
    // A reload reads the same file, though the command line's paths are those of another folder.
    writeFileSync(file, `${edited}x509Ttl: 30m\n`);
    second.program.child.kill("SIGHUP");
    await second.program.said(/configuration read again .*x509Ttl/, "err");
    writeFileSync(file, "trustDomain: [\n");
    second.program.child.kill("SIGHUP");
    await second.program.said(/configuration not taken, nothing changed/, "err");
    await second.program.stop();
  },
);

t.test("P13 exec authorizes with an API token; what is refused starts nothing", async (t) => {
  const dir = join(folder.path, "api");
  await run(["ca", "init", dir, "--host", "localhost", "--listen", "127.0.0.1:0"], env);
  const { program, url } = await serve(dir);
  t.teardown(() => program.stop());
  const token = join(folder.path, "api.token");
  const made = [
    "provision",
    "token",
    "--api",
    "ci",
    "--allow-name",
    "*.example.org",
    "--write",
    token,
  ];
  t.match(await run([...made, "--socket", socket], env), { code: 0 });
  const ca = join(dir, "cacert.pem");
  const base = ["provision", "exec", "--server", url, "--ca-file", ca, "--api-token-file", token];
  const exec = (name: string, ...more: readonly string[]) =>
    run([...base, "--name", name, ...more, "--", "echo", "run", "image"], env);
  const ran = await exec("web.example.org");
  const words =
    /^run --mount type=bind,source=(\S+)\/given,target=\/run\/assay\/identity,readonly .* image$/m;
  t.match(ran, { code: 0, out: words }, ran.err);
  t.match(
    ran.out,
    /--env COMMON_NAME=web.example.org --env ASSAY_KEY_FILE=\/run\/assay\/identity\/id.key/,
  );
  const room = words.exec(ran.out)?.[1] ?? "";
  t.notOk(existsSync(room), "no container runs: the key is gone");
  t.match(await exec("web.other.org"), { code: 1, out: "", err: /refuses \(403\)/ });
  const long = await exec("web.example.org", "--max-life", "1h");
  t.match(long, { code: 1, out: "", err: /lasts longer than 3600 s/ });
  const life = await exec("web.example.org", "--life", "300d");
  t.match(life, { code: 1, out: "", err: /\(400\): --life: 25920000 s is more than/ });
  const both = await exec("web.example.org", "--socket", socket);
  t.match(both, { code: 2, err: /no meaning with --api-token-file/ });
});

t.test(
  "--init makes it where nothing is; a folder with a server's state is left alone",
  async (t) => {
    const dir = join(folder.path, "fresh");
    mkdirSync(dir, { mode: 0o700 });
    writeFileSync(join(dir, "README"), "whatever else lies there\n");
    const first = await serve(dir, "--init", "--provision-listen", "127.0.0.1:0");
    t.ok(existsSync(join(dir, "cacert.pem")));
    const ca = readFileSync(join(dir, "cacert.pem"), "utf8");
    t.match(await first.program.stop(), { err: /made a CA in .*fresh/ });
    const again = await serve(dir, "--init", "--provision-listen", "127.0.0.1:0");
    t.notMatch((await again.program.stop()).err, /made a CA/);
    t.equal(readFileSync(join(dir, "cacert.pem"), "utf8"), ca);
  },
);

t.test(
  "--as-owner: a server that root starts on another user's folder is that user's",
  async (t) => {
    const home = join(folder.path, "home");
    mkdirSync(home, { mode: 0o755 });
    chmodSync(folder.path, 0o755);
    chownSync(home, 12345, 12345);
    const program = new Program(
      ASSAY,
      [
        "server",
        "--data-dir",
        home,
        "--init",
        "--as-owner",
        "--listen",
        "127.0.0.1:0",
        "--provision-listen",
        "127.0.0.1:0",
        "--socket",
        join(folder.path, "sock/s.sock"),
      ],
      env,
    );
    await program.said(/server started/, "err");
    const status = readFileSync(`/proc/${program.child.pid}/status`, "utf8");
    t.match(status, /^Uid:\s+12345\s+12345\s+12345\s+12345$/m);
    t.match(status, /^Gid:\s+12345\s+12345\s+12345\s+12345$/m);
    t.match(status, /^Groups:\s+12345\s*$/m);
    t.equal(statSync(join(home, "cakey.pem")).uid, 12345);
    await program.stop();
  },
);

t.test("what cannot be is said", async (t) => {
  const dir = join(folder.path, "odd");
  mkdirSync(dir, { mode: 0o700 });
  const file = join(dir, "server.yaml");
  const server = ["server", "--data-dir", dir, "--socket", socket];
  writeFileSync(file, "listen: nowhere\n");
  t.match(await run(server, env), { code: 2, err: /listen in .*odd\/server.yaml/ });
  chmodSync(dir, 0o777);
  t.match(await run(server, env), { code: 1, err: /others may write to .*odd/ });
  chmodSync(dir, 0o700);
  for (const [args, err] of [
    [["server", "--config", file, "--init"], /--init has no meaning with --config/],
    [["server", "--config", file, "--as-owner"], /--as-owner has no meaning with --config/],
    [["ca", "init", dir, "--host", "a b"], /neither a DNS name/],
    [["ca", "init", dir, "--listen", "33004"], /--listen: '33004' is not host:port/],
    [["ca", "init", dir, "--trust-domain", "UPPER"], /trust domain/],
  ] as const) {
    t.match(await run(args, env), { code: 2, err }, args.join(" "));
  }
  t.match(await run(["ca", "init", dir], env), { code: 1, err: /server.yaml is there already/ });
  const open = join(folder.path, "open");
  mkdirSync(open, { mode: 0o755 });
  writeFileSync(join(open, "theirs"), "");
  const refusal = { code: 1, err: /open to others and not empty; take an empty folder/ };
  t.match(await run(["ca", "init", open], env), refusal);
  t.match(await run(["server", "--data-dir", open, "--socket", socket, "--init"], env), refusal);
  t.same(readdirSync(open), ["theirs"]);
});
