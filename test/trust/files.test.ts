// Files of `assay watch --dir` as real programs use them: Debian's nginx and HAProxy through rotations under load, keytool
// and openssl on the PKCS #12 stores, and a full disk.
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { type Program, emptyEnvironment, run, start, temporaryFolder } from "../cli/program.ts";
import { needPackages } from "../support/debian.ts";
import { until } from "../support/patience.ts";
import { Domain, id } from "../support/running.ts";
import { TlsLoad, ask, serialOf, startBackend } from "./tls-load.ts";
import { freePort } from "../support/free-port.ts";

const exec = promisify(execFile);
await needPackages(["nginx-light", "haproxy", "openssl", "default-jre-headless", "libnss3-tools"]);

const folder = temporaryFolder();
const dir = folder.path;
const domain = await Domain.start();
await domain.startAgent();
const serverEntry = await domain.entry({ path: "/server", more: { hint: "server" } });
await domain.entry({ path: "/client", more: { hint: "client" } });
const rsa = await Domain.start({
  ca: { keyType: "rsa-2048", ttlSeconds: 86_400, jwtKeyType: "ec-p256", jwtIssuer: "" },
});
await rsa.startAgent({ workloadKeyType: "rsa-2048" });
await rsa.entry({ path: "/server" });
const backend = await startBackend();
const env: NodeJS.ProcessEnv = {
  ...emptyEnvironment(dir),
  SPIFFE_ENDPOINT_SOCKET: `unix://${domain.dir}/api.sock`,
  ASSAY_SERVER_SOCKET: `${domain.dir}/server.sock`,
};
const client = watch("client", ["--hint", "client"]);
await client.said(/wrote/);
t.teardown(async () => {
  await client.stop();
  backend.server.close();
  await rsa[Symbol.asyncDispose]();
  await domain[Symbol.asyncDispose]();
  folder.remove();
});

function watch(name: string, more: readonly string[]): Program {
  return start(["watch", "--dir", `${dir}/${name}`, ...more], env);
}

/**
 * Three rotations under load: each new certificate is shown, and no connection fails.
 * @param isReady before each: whether the server has taken over what it was told before
 */
async function rotateUnderLoad(
  t: Test,
  port: number,
  files: string,
  isReady: (rotation: number) => boolean = () => true,
): Promise<void> {
  const target = { port, identity: `${dir}/client`, serverId: id("/server") };
  await until("the server answers", () =>
    ask(target, "/").then(
      () => true,
      () => false,
    ),
  );
  const load = new TlsLoad({ ...target, workers: 8 });
  for (let rotation = 0; rotation < 3; rotation += 1) {
    await until("it has taken over what was before", () => isReady(rotation));
    const before = serialOf(readFileSync(files, "utf8"));
    const ran = await run(["entry", "rotate", "--id", serverEntry], env);
    t.equal(ran.code, 0, ran.err);
    await until("new files", () => serialOf(readFileSync(files, "utf8")) !== before);
    const now = serialOf(readFileSync(files, "utf8"));
    await until("the new certificate is shown", () => load.bySerial.has(now));
  }
  // Those that were held through the last reload are to end, too.
  const { answered } = load;
  await until("a hundred more answers", () => load.answered > answered + 100);
  await load.end();
  t.same(load.failures, []);
  t.equal(load.bySerial.size, 4);
  t.comment(`${load.answered} connections, ${load.failures.length} failed`);
}

t.test("nginx reloads through three rotations without a failed connection", async (t) => {
  const port = await freePort();
  const home = `${dir}/nginx`;
  mkdirSync(home);
  const files = `${dir}/nginx-identity`;
  writeFileSync(
    `${home}/nginx.conf`,
    `pid ${home}/pid; error_log ${home}/error.log; worker_processes 2; user root;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/fastcgi; uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${files}/svid.pem;
    ssl_certificate_key ${files}/key.pem;
    ssl_client_certificate ${files}/bundle.pem;
    ssl_verify_client on;
    location / { proxy_pass http://127.0.0.1:${backend.port}; }
  }
}
`,
  );
  const nginx = ["-p", home, "-c", `${home}/nginx.conf`];
  // As a supervisor would: the first files start it, later ones have it reload.
  const command = `if test -e ${home}/pid; then nginx ${nginx.join(" ")} -s reload; else nginx ${nginx.join(" ")}; fi`;
  const watching = watch("nginx-identity", ["--hint", "server", "--run", command]);
  t.teardown(async () => {
    await watching.stop();
    await exec("nginx", [...nginx, "-s", "stop"]);
  });
  await watching.said(/wrote/);
  await rotateUnderLoad(t, port, `${files}/svid.pem`);
  t.notMatch(readFileSync(`${home}/error.log`, "utf8"), /\[(emerg|crit|alert)\]/);
});

t.test("HAProxy reloads through three rotations without a failed connection", async (t) => {
  const port = await freePort();
  const home = `${dir}/haproxy`;
  const files = `${dir}/haproxy-identity`;
  mkdirSync(home);
  const watching = watch("haproxy-identity", [
    "--format=haproxy",
    "--hint=server",
    `--signal=${home}/pid`,
    "--signal-name=USR2",
  ]);
  t.teardown(() => watching.stop());
  await watching.said(/wrote/);
  // Nothing to signal yet: it says so, and tries again until there is.
  await watching.said(/cannot read the PID file .*pid \(ENOENT\); trying again/, "err");
  writeFileSync(
    `${home}/haproxy.cfg`,
    `global
  stats socket ${home}/admin.sock expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend tls
  bind 127.0.0.1:${port} ssl crt ${files}/haproxy.pem ca-file ${files}/bundle.pem verify required
  default_backend app
backend app
  server app 127.0.0.1:${backend.port}
`,
  );
  const haproxy = spawn("haproxy", ["-W", "-f", `${home}/haproxy.cfg`, "-p", `${home}/pid`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  haproxy.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  t.teardown(() => haproxy.kill("SIGKILL"));
  // A signal that finds HAProxy amid a reload is lost. It loads at its start, by the signal that waited, and each time.
  await rotateUnderLoad(
    t,
    port,
    `${files}/haproxy.pem`,
    (rotation) => said.split("Loading success").length - 1 >= rotation + 2,
  );
  t.notMatch(said, /\[ALERT\]/);
});

t.test(
  "keytool, openssl and NSS read the stores: EC, RSA, and RSA for old importers",
  async (t) => {
    const { keytool, openssl, nss } = readers();
    const cases: [string, string, string[], RegExp][] = [
      ["ec", domain.dir, ["--hint", "server"], /AES-256-CBC/],
      ["rsa", rsa.dir, [], /AES-256-CBC/],
      ["old", rsa.dir, ["--store-cipher", "3des"], /3-KeyTripleDES/],
    ];
    for (const [name, socketDir, more, cipher] of cases) {
      const to = `${dir}/stores-${name}`;
      const ran = await run(
        [
          "watch",
          "--dir",
          to,
          "--once",
          "--format",
          "pkcs12",
          "--socket",
          `${socketDir}/api.sock`,
          ...more,
        ],
        { ...env, ASSAY_PKCS12_PASSWORD: "changeit" },
      );
      t.match(ran, { code: 0, err: "" });
      t.match(
        keytool("-list", `${to}/keystore.p12`),
        /spiffe:\/\/example.org\/server, .*PrivateKeyEntry/s,
      );
      t.match(keytool("-list", `${to}/truststore.p12`), /root-1, .*trustedCertEntry/s);
      // It decrypts the key to write it anew.
      keytool(
        "-importkeystore",
        `${to}/copy.p12`,
        "-srckeystore",
        `${to}/keystore.p12`,
        "-srcstorepass",
        "changeit",
        "-noprompt",
      );
      t.match(openssl(`${to}/keystore.p12`, "-info", "-noout"), cipher);
      t.match(openssl(`${to}/keystore.p12`, "-nodes"), /BEGIN PRIVATE KEY/);
      t.throws(() => openssl(`${to}/keystore.p12`, "-nodes", "-passin", "pass:other!"));
      // What Firefox and Thunderbird import with.
      t.match(nss(`${to}/keystore.p12`), /spiffe:\/\/example.org\/server\s+u,u,u/);
    }
    t.match(
      await run(
        ["watch", "--dir", `${dir}/stores-no`, "--once", "--format=pkcs12", "--store-cipher=3des"],
        { ...env, ASSAY_PKCS12_PASSWORD: "changeit" },
      ),
      { code: 1, err: /holds RSA keys only, those of the authorities included; use aes256/ },
    );
  },
);

function readers(): {
  readonly keytool: (verb: string, store: string, ...more: string[]) => string;
  readonly openssl: (store: string, ...more: string[]) => string;
  /** Imports certificate and key into a database. @returns what it holds then */
  readonly nss: (store: string) => string;
} {
  return {
    keytool: (verb, store, ...more) => {
      const at =
        verb === "-importkeystore"
          ? ["-destkeystore", store, "-deststorepass", "changeit"]
          : ["-keystore", store, "-storepass", "changeit"];
      return execFileSync("keytool", [verb, ...at, ...more], { encoding: "utf8", stdio: "pipe" });
    },
    nss: (store) => {
      const at = `${store}.nss`;
      mkdirSync(at);
      const tool = (program: string, ...args: string[]): string =>
        execFileSync(program, ["-d", `sql:${at}`, ...args], { encoding: "utf8", stdio: "pipe" });
      tool("certutil", "-N", "--empty-password");
      tool("pk12util", "-i", store, "-W", "changeit");
      return tool("certutil", "-L");
    },
    openssl: (store, ...more) => {
      const password = more.includes("-passin") ? [] : ["-passin", "pass:changeit"];
      // What it says about the store goes to standard error.
      const line = ["openssl", "pkcs12", "-in", store, "-legacy", ...password, ...more].join(" ");
      return execFileSync("sh", ["-c", `${line} 2>&1`], { encoding: "utf8", stdio: "pipe" });
    },
  };
}

t.test(
  "a full disk: the files of before stay whole, it is said, and mended when there is space",
  async (t) => {
    const to = `${dir}/small`;
    mkdirSync(to);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k,mode=0755", "assay-files", to]);
    t.teardown(() => execFileSync("umount", ["-l", to]));
    const watching = start(["watch", "--dir", to, "--hint", "server"], env);
    t.teardown(() => watching.stop());
    await watching.said(/wrote/);
    const before = readFileSync(`${to}/svid.pem`, "utf8");
    execFileSync("sh", ["-c", `cat /dev/zero > ${to}/filler 2>/dev/null || true`]);
    await run(["entry", "rotate", "--id", serverEntry], env);
    await watching.said(
      /there is no space for new files in .*; those before stay; trying again/,
      "err",
    );
    t.equal(readFileSync(`${to}/svid.pem`, "utf8"), before);
    t.ok(existsSync(`${to}/key.pem`));
    t.equal(
      readdirSync(to).filter((name) => name.startsWith(".")).length,
      1,
      "no half generation is left",
    );
    rmSync(`${to}/filler`);
    await until("new files", () => readFileSync(`${to}/svid.pem`, "utf8") !== before);
  },
);
