// `assay provision client` as the first process of a container meets it: files, the command, signals, exit codes.
import { X509Certificate, createPrivateKey } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { OddProvisioner } from "../support/odd-provisioner.ts";
import { ASSAY, Program, type Ran, emptyEnvironment, temporaryFolder } from "./program.ts";

const server = await OddProvisioner.start();
const plain = server.answer;
const folder = temporaryFolder();
const shm = mkdtempSync("/dev/shm/assay-client-");
t.teardown(async () => {
  await server[Symbol.asyncDispose]();
  folder.remove();
  rmSync(shm, { recursive: true });
});
const TOKEN = "0123456789abcdef0123456789abcdef";
const ca = join(folder.path, "ca.pem");
const token = join(folder.path, "token");
writeFileSync(ca, server.ca.pem);
writeFileSync(token, `${TOKEN}\n`, { mode: 0o600 });
let folders = 0;

function dir(): string {
  folders += 1;
  return join(shm, `${folders}`);
}

interface Given {
  readonly options?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const USUAL = ["--server", server.url, "--name", "web.example.org", "--ca-file", ca];

function start({ options = [], command, env = {} }: Given): Program {
  const args = ["provision", "client", ...options, ...(command === undefined ? [] : ["--"])];
  const all = { ...emptyEnvironment(folder.path), ...env };
  return new Program(ASSAY, [...args, ...(command ?? [])], all);
}

const run = (given: Given): Promise<Ran> => start(given).ended;

function usual(path: string, ...more: readonly string[]): readonly string[] {
  return [...USUAL, "--token-file", token, "--dir", path, ...more];
}

t.beforeEach(() => {
  server.answer = plain;
  server.asked.length = 0;
});

t.test("P3 P17 without a command: files, and nothing of the key anywhere else", async (t) => {
  const path = dir();
  const options = usual(
    path,
    "--san",
    "10.0.0.7",
    "--key-type",
    "rsa-2048",
    "--key-name",
    "tls.key",
  );
  const ran = await run({ options });
  t.match(ran, { code: 0, err: "", out: /^wrote .*\/id\.crt, until 20\d\d-.* \(in .*\)\n$/ });
  const certificate = new X509Certificate(readFileSync(join(path, "id.crt")));
  t.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(path, "tls.key")))));
  t.equal(certificate.subjectAltName, "DNS:web.example.org, IP Address:10.0.0.7");
  t.equal(readFileSync(join(path, "cacert.pem"), "utf8"), server.ca.pem);
  t.match(server.asked, [{ method: "PUT", authorization: `Bearer ${TOKEN}` }]);
  t.notMatch(Buffer.from(server.asked[0]?.csr ?? []).toString("latin1"), "PRIVATE");
});

t.test("P9 the command: its words, its environment, its exit code", async (t) => {
  for (const more of [[], ["--no-renew"]]) {
    const path = dir();
    const script =
      'printf "<%s>" "$@"; echo; env; cat "$ASSAY_KEY_FILE" "$ASSAY_CERT_FILE" "$ASSAY_CA_FILE" >/dev/null || exit 9; exit 7';
    const ran = await run({
      options: [...USUAL, "--dir", path, ...more],
      command: ["sh", "-c", script, "sh", "", "--help", "a b"],
      env: { ASSAY_PROVISION_TOKEN: TOKEN, KEPT: "yes" },
    });
    t.equal(ran.code, 7, ran.err);
    t.match(ran.out, /^<><--help><a b>\n/);
    t.match(ran.out, `ASSAY_KEY_FILE=${path}/id.key\n`);
    t.match(ran.out, "KEPT=yes\n");
    t.notMatch(ran.out, TOKEN, "the command does not see the token");
    t.equal(ran.err, "");
  }
});

t.test(
  "P9 every signal reaches the command, and the signal that ends it is what is seen",
  async (t) => {
    const names = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const;
    const script = `for (const name of ${JSON.stringify(names)}) process.on(name, () => console.log(name));
    process.on("SIGINT", () => process.exit(3)); setInterval(() => {}, 1e6); console.log("ready");`;
    const program = start({ options: usual(dir()), command: [process.execPath, "-e", script] });
    await program.said(/ready/);
    for (const name of names) {
      program.child.kill(name);
      await program.said(new RegExp(name));
    }
    program.child.kill("SIGTERM");
    await program.said(/SIGTERM\nSIGTERM/);
    t.equal((await program.stop("SIGINT")).code, 3, "a second signal ends nothing by itself");
    for (const more of [[], ["--no-renew"]]) {
      const killed = start({
        options: usual(dir(), ...more),
        command: ["sh", "-c", "echo ready; exec sleep 1000"],
      });
      await killed.said(/ready/);
      await killed.stop("SIGTERM");
      t.equal(killed.child.signalCode, "SIGTERM");
    }
  },
);

t.test(
  "as the first process of a PID namespace: orphans are collected, a signal is a code",
  async (t) => {
    const script = `const { execFileSync } = require("node:child_process");
    const orphan = execFileSync("sh", ["-c", "sleep 0.3 >/dev/null 2>&1 & echo $!"]).toString().trim();
    const timer = setInterval(() => {
      if (require("node:fs").existsSync("/proc/" + orphan)) return;
      console.log("collected", orphan);
      clearInterval(timer);
      setInterval(() => {}, 1e6);
    }, 20);`;
    const command = [process.execPath, "-e", script];
    const args = [ASSAY, "provision", "client", ...usual(dir()), "--", ...command];
    const inNamespace = ["--pid", "--fork", "--mount-proc", "--kill-child", ...args];
    const program = new Program("unshare", inNamespace, emptyEnvironment(folder.path));
    await program.said(/collected \d+/);
    const { pid } = program.child;
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    process.kill(Number(first), "SIGTERM");
    t.equal((await program.ended).code, 143);
  },
);

t.test("with --no-renew it becomes the command: the same process, pipes that end it", async (t) => {
  const program = start({
    options: usual(dir(), "--no-renew"),
    command: [
      "sh",
      "-c",
      "echo pid $$; trap '' TERM; yes | head -1; grep SigIgn /proc/self/status",
    ],
  });
  const ran = await program.ended;
  t.match(ran.out, `pid ${program.child.pid}\ny\n`);
  const [, ignored = ""] = /SigIgn:\s*([0-9a-f]+)/.exec(ran.out) ?? [];
  t.equal(BigInt(`0x${ignored}`) & (1n << 12n), 0n, "SIGPIPE is not ignored");
});

t.test("a command that cannot be started", async (t) => {
  for (const more of [[], ["--no-renew"]]) {
    const none = await run({ options: usual(dir(), ...more), command: ["assay-no-such"] });
    t.match(none, { code: 127, err: /there is no program 'assay-no-such' in / });
    const data = await run({ options: usual(dir(), ...more), command: [ca] });
    t.match(data, { code: 126, err: /may not be run/ });
  }
});

t.test("P15 what is not right: an exit code, no file, and no command", async (t) => {
  const cases: [string, typeof plain][] = [
    ["another name", async ({ csr }) => server.signed(csr, { commonName: "db" })],
    [
      "another key",
      async () => server.signed(undefined, { sans: { dnsNames: ["web.example.org"] } }),
    ],
    ["refused", async () => ({ status: 401 })],
    ["another type", async ({ csr }) => ({ ...(await server.signed(csr)), type: "text/html" })],
  ];
  for (const [name, answer] of cases) {
    server.answer = answer;
    const path = dir();
    const ran = await run({ options: usual(path), command: ["sh", "-c", "echo ran"] });
    t.match(ran, { code: 1, out: "", err: /^assay: the server/ }, name);
    t.same(readdirSync(path), [], name);
  }
});

t.test("it renews while the command runs, and tells it", async (t) => {
  server.answer = async ({ csr, path }) => {
    const life = path === "/v1/sign" ? 4 : 3600;
    return server.signed(csr, { notAfter: Math.floor(Date.now() / 1000) + life });
  };
  const path = dir();
  const script =
    'cp "$ASSAY_KEY_FILE" "$ASSAY_CERT_FILE" "$0"; trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done';
  const before = join(folder.path, "before");
  const ran = await run({
    options: usual(path, "--reload-signal", "USR1"),
    command: ["sh", "-c", `mkdir ${before}; ${script}`, before],
  });
  t.equal(ran.code, 5, ran.err);
  const [old, now] = [before, path].map(
    (at) => new X509Certificate(readFileSync(join(at, "id.crt"))),
  );
  t.match(server.asked, [{ path: "/v1/sign" }, { path: "/v1/renew", authorization: undefined }]);
  t.equal(server.asked[1]?.client, old?.serialNumber.toLowerCase().replace(/^0+/, ""));
  t.not(now?.serialNumber, old?.serialNumber);
  t.ok(now?.checkPrivateKey(createPrivateKey(readFileSync(join(path, "id.key")))));
});

t.test(
  "P6 P19 the key on a tmpfs of its own; elsewhere in memory; or on no disk at all",
  async (t) => {
    const mounted = join(folder.path, "mounted");
    const command = ["sh", "-c", "grep ' /' /proc/self/mountinfo; ls -l $ASSAY_KEY_FILE"];
    const args = [ASSAY, "provision", "client", ...usual(mounted), "--", ...command];
    const env = emptyEnvironment(folder.path);
    const own = await new Program("unshare", ["--mount", ...args], env).ended;
    t.equal(own.code, 0, own.err);
    t.match(
      own.out,
      new RegExp(` / ${mounted} rw,nosuid,nodev,noexec,.* - tmpfs tmpfs rw,size=1024k`),
    );
    t.same(readdirSync(mounted), [], "it went with the mount");
    // As a user who may not mount: /dev/shm, with a link from the wanted place.
    const home = join(folder.path, "nobody");
    const may = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
    const wanted = join(home, "identity");
    const linkArgs = [
      ...may,
      ASSAY,
      "provision",
      "client",
      ...usual(wanted),
      "--",
      "sh",
      "-c",
      "readlink -f $ASSAY_KEY_FILE",
    ];
    const linked = await new Program("setpriv", linkArgs, { ...env, XDG_RUNTIME_DIR: shm }).ended;
    t.equal(linked.code, 0, linked.err);
    t.match(
      linked.out,
      new RegExp(`^${shm}/assay-identity-[0-9a-f]{16}/\\.generation-[0-9a-f]{16}/id\\.key\n`),
    );
    t.ok(existsSync(join(wanted, "id.key")), "the link leads there");
  },
);

t.test("P6 a key on a volume, encrypted", async (t) => {
  const volume = join(folder.path, "volume");
  const file = join(folder.path, "passphrase");
  writeFileSync(file, "correct horse battery\n");
  const ran = await run({ options: usual(volume, "--key-passphrase-file", file) });
  t.match(ran, { code: 0, err: "" });
  const key = readFileSync(join(volume, "id.key"), "utf8");
  t.match(key, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
  const certificate = new X509Certificate(readFileSync(join(volume, "id.crt")));
  const opened = createPrivateKey({ key, passphrase: "correct horse battery" });
  t.ok(certificate.checkPrivateKey(opened));
  writeFileSync(file, "short\n");
  const short = await run({ options: usual(volume, "--key-passphrase-file", file) });
  t.match(short, { code: 2, err: /fewer than 12 characters/ });
});

t.test("Pollendina's names: COMMON_NAME, CA_IP, and its token under both spellings", async (t) => {
  for (const name of ["POLLENDINA_TOKEN", "POLLENDINA_TOCKEN"]) {
    const env = {
      COMMON_NAME: "web.example.org",
      CA_IP: server.url.replace("https://", ""),
      [name]: TOKEN,
    };
    const options = ["--ca-file", ca, "--dir", dir()];
    const ran = await run({ options, command: ["sh", "-c", "env; exit 4"], env });
    t.equal(ran.code, 4, ran.err);
    t.notMatch(ran.out, TOKEN);
    t.match(server.asked.at(-1), { authorization: `Bearer ${TOKEN}` });
  }
});

t.test("wrong use is said before anything is asked", async (t) => {
  const path = dir();
  const without = (...names: string[]): string[] => {
    const all = usual(path);
    return all.filter((word, at) => !names.includes(word) && !names.includes(all[at - 1] ?? ""));
  };
  const cases: [readonly string[], RegExp][] = [
    [without("--server"), /--server is missing/],
    [without("--name"), /--name is missing/],
    [without("--ca-file"), /authority is not known; give --ca-file, or --ca-fingerprint/],
    [without("--token-file"), /--token-file is missing/],
    [[...without("--server"), "--server", "http://localhost:1"], /add --plain-http/],
    [usual(path, "--plain-http"), /--plain-http has no meaning with https/],
    [[...without("--server"), "--server", "ftp://localhost"], /is no address/],
    [usual(path, "--ca-fingerprint", "00"), /both given/],
    [[...without("--ca-file"), "--ca-fingerprint", "00"], /no SHA-256 in hexadecimal/],
    [usual(path, "--san", "a b"), /neither a DNS name nor an IP address/],
    [usual(path, "--key-name", "../key"), /no name of a file/],
    [usual(path, "--key-name", "id.crt"), /are the same/],
    [usual(path, "--reload-signal", "KILL"), /none of HUP/],
    [usual(path, "--token", TOKEN), /unknown option --token/],
    [usual(path, "sh"), /unexpected word 'sh'; write the command behind '--'/],
    [usual(path, "--owner", "assay-no-such"), /owner: \/etc\/passwd has no/],
  ];
  for (const [options, err] of cases) {
    t.match(await run({ options }), { code: 2, out: "", err }, options.join(" "));
  }
  t.same(server.asked, []);
  t.notOk(existsSync(path));
});
