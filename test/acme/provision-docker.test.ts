/** The image and `assay provision exec` on a real Docker Engine: P3, P6, P7, P9, P16, P19 as a container meets them. */
import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { Program, emptyEnvironment, run, start } from "../cli/program.ts";
import { assayImage } from "../kubernetes/cluster/deployment.ts";
import { IMAGE } from "../support/container-engine.ts";
import { DockerEngine } from "../support/docker-engine.ts";

const ASSAY_IMAGE = "localhost/assay:1";
const engine = await DockerEngine.start();
const folder = mkdtempSync(join(tmpdir(), "assay-provision-"));
chmodSync(folder, 0o755);
const env = { ...emptyEnvironment(folder), DOCKER_HOST: `unix://${engine.socket}` };
t.teardown(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The output of one docker command. */
async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("docker", [...args], { env, maxBuffer: 1 << 26 });
  return stdout.trim();
}

async function logged(container: string, pattern: RegExp): Promise<void> {
  const logs = new Program("docker", ["logs", "--follow", container], env);
  await Promise.any([logs.said(pattern, "err"), logs.said(pattern)]);
  await logs.stop();
}

t.test(
  "P7 docker run -v FOLDER:/data IMAGE makes the CA and serves; the next container goes on",
  async (t) => {
    await docker("load", "--quiet", "--input", await assayImage());
    const data = join(folder, "data");
    mkdirSync(data, { mode: 0o755 });
    chownSync(data, 12345, 12345);
    const serials = new Set<string>();
    let ca = "";
    for (const round of [1, 2]) {
      const server = await docker(
        "run",
        "--detach",
        "--network",
        "none",
        "--volume",
        `${data}:/data`,
        ASSAY_IMAGE,
      );
      await logged(server, /server started/);
      for (const name of ["cacert.pem", "cakey.pem", "server.yaml", "datastore.db"]) {
        t.equal(statSync(join(data, name)).uid, 12345, `${name} is its owner's`);
      }
      const pem = readFileSync(join(data, "cacert.pem"), "utf8");
      if (round === 2) t.equal(pem, ca, "the same CA");
      ca = pem;
      // A second container, of the same image, in the network of the first one: its key on a tmpfs that it mounts itself.
      const made = await docker(
        "exec",
        server,
        "assay",
        "provision",
        "token",
        "--name",
        "web.example.org",
        "--output",
        "json",
      );
      const { token } = JSON.parse(made) as { token: string };
      const tokens = mkdtempSync("/dev/shm/assay-token-");
      t.teardown(() => rmSync(tokens, { recursive: true, force: true }));
      const file = join(tokens, "token");
      await promisify(execFile)("sh", ["-c", `umask 077; printf %s ${token} > ${file}`]);
      const script = `const { readFileSync } = require("node:fs");
      console.log(readFileSync("/proc/self/mountinfo", "utf8").split("\\n").find((line) => line.includes(" /run/assay/identity ")));
      console.log("serial", new (require("node:crypto").X509Certificate)(readFileSync(process.env.ASSAY_CERT_FILE)).serialNumber);
      console.log("token in sight:", JSON.stringify(process.env).includes(readFileSync("/token", "utf8")));
      process.on("SIGUSR1", () => console.log("told"));
      setInterval(() => {}, 1e6);`;
      const client = await docker(
        "run",
        "--detach",
        "--network",
        `container:${server}`,
        "--cap-add",
        "SYS_ADMIN",
        "--security-opt",
        "apparmor=unconfined",
        "--volume",
        `${file}:/token:ro`,
        "--volume",
        `${join(data, "cacert.pem")}:/cacert.pem:ro`,
        ASSAY_IMAGE,
        "provision",
        "client",
        "--server",
        "https://localhost:33004",
        "--ca-file",
        "/cacert.pem",
        "--name",
        "web.example.org",
        "--token-file",
        "/token",
        "--",
        "/usr/bin/node",
        "-e",
        script,
      );
      await logged(client, /token in sight: false/);
      const said = await docker("logs", client);
      t.match(
        said,
        / \/run\/assay\/identity rw,nosuid,nodev,noexec,.* - tmpfs tmpfs rw,size=1024k/,
        "P19",
      );
      serials.add(/serial ([0-9A-F]+)/.exec(said)?.[1] ?? "");
      t.notMatch(await docker("inspect", client), token);
      await docker("kill", "--signal", "USR1", client);
      await logged(client, /told/);
      await docker("stop", client);
      const ended = await docker("inspect", "--format", "{{.State.ExitCode}}", client);
      t.equal(ended, "143", "P9 as the first process of a container ends by SIGTERM");
      const refused = await docker("start", "--attach", client).catch(
        (error: { stderr: string }) => error.stderr,
      );
      t.match(refused, /refuses \(401\)/, "P2 a token works once");
      await docker("stop", server);
      t.equal(await docker("inspect", "--format", "{{.State.ExitCode}}", server), "0");
      await docker("rm", "--force", server, client);
    }
    t.equal(serials.size, 2);
  },
);

t.test("P7 the CA of before goes on in the image", async (t) => {
  const old = join(folder, "pollendina");
  const data = join(folder, "taken-over");
  for (const dir of [old, data]) mkdirSync(dir, { mode: 0o700 });
  const files = ["-keyout", join(old, "cakey.pem"), "-out", join(old, "cacert.pem")];
  const extensions = ["-addext", "keyUsage=keyCertSign,cRLSign", "-subj", "/C=US/CN=Test CA"];
  const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"];
  await promisify(execFile)("openssl", [...made, ...extensions, ...files]);
  for (const name of ["", "cakey.pem", "cacert.pem"]) chownSync(join(old, name), 12345, 12345);
  chownSync(data, 12345, 12345);
  const volumes = ["--volume", `${data}:/data`, "--network", "none"];
  const from = ["--user", "12345:12345", "--volume", `${old}:/old:ro`];
  const init = ["ca", "init", "/data", "--from", "/old"];
  const said = await docker("run", "--rm", ...volumes, ...from, ASSAY_IMAGE, ...init);
  t.match(said, /took over the CA of \/old into \/data/);
  const server = await docker("run", "--detach", ...volumes, ASSAY_IMAGE);
  await logged(server, /server started/);
  const pem = (dir: string): string => readFileSync(join(dir, "cacert.pem"), "utf8");
  t.equal(pem(data), pem(old));
  const shown = ["authority", "x509", "show", "--set", "services", "--output", "json"];
  t.match(await docker("exec", server, "assay", ...shown), /active/);
  await docker("stop", server);
});

t.test(
  "P16 provision exec: an unmodified image, renewed and told, and nothing left behind",
  async (t) => {
    const ca = join(folder, "ca");
    const socket = join(folder, "s.sock");
    await run(["ca", "init", ca, "--host", "localhost", "--listen", "127.0.0.1:0"], env);
    const server = start(
      ["server", "--data-dir", ca, "--socket", socket, "--listen", "127.0.0.1:0"],
      env,
    );
    t.teardown(() => server.stop());
    const [, port] = await server.said(/provision front end listens .*port=(\d+)/, "err");
    await server.said(/server started/, "err");
    const options = [
      "provision",
      "exec",
      "--socket",
      socket,
      "--server",
      `https://localhost:${port}`,
      "--ca-file",
      join(ca, "cacert.pem"),
      "--name",
      "web.example.org",
    ];

    const failed = await run(
      [
        ...options,
        "--",
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        IMAGE,
        "/bin/sh",
        "-c",
        "ls -l $ASSAY_KEY_FILE; exit 42",
      ],
      env,
    );
    t.match(
      failed,
      { code: 42, out: /\/run\/assay\/identity\/id\.key/ },
      "its exit code and its output",
    );

    const line = "{ read a; read b; } </run/assay/identity/id.crt";
    const script = `trap '${line}; echo told $b' HUP; ${line}; echo first $b; while :; do sleep 0.1; done`;
    const beside = start(
      [
        ...options,
        "--life",
        "8s",
        "--reload-signal",
        "HUP",
        "--",
        "docker",
        "run",
        "--detach",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
        "/bin/sh",
        "-c",
        script,
      ],
      env,
    );
    await beside.said(/staying to renew/, "err");
    await logged("web", /told/);
    const said = await docker("logs", "web");
    const [, first] = /first (\S+)/.exec(said) ?? [];
    const [, second] = /told (\S+)/.exec(said) ?? [];
    t.ok(first !== undefined && second !== undefined && first !== second, "another certificate");
    const facts = JSON.parse(await docker("inspect", "web")) as [
      { Mounts: [{ Source: string; RW: boolean }]; Config: { Env: string[] } },
    ];
    const [{ Source: source, RW: isWritable }] = facts[0].Mounts;
    t.equal(isWritable, false);
    t.equal(statSync(join(source, "..")).mode & 0o777, 0o700, "closed to the others of this host");
    t.match(source, /^\/(run\/assay\/containers|dev\/shm)\/assay-/);
    t.ok(facts[0].Config.Env.includes("COMMON_NAME=web.example.org"));
    t.notMatch(
      JSON.stringify(facts),
      readFileSync(join(source, "id.key"), "utf8").split("\n")[1] ?? "",
    );
    await docker("rm", "--force", "web");
    t.equal((await beside.ended).code, 0);
    t.notOk(existsSync(source));

    const none = await run(
      [...options, "--", "docker", "run", "--network", "none", "assay-no-such-image:1"],
      env,
    );
    t.equal(none.code, 125, "docker's own");
    t.match(await run([...options, "--", "docker", "ps"], env), {
      code: 2,
      err: /no container is started by that command/,
    });
  },
);

t.test(
  "--give token: the token is a file in the container, and in nothing that inspect shows",
  async (t) => {
    const ca = join(folder, "ca");
    const socket = join(folder, "s.sock");
    const server = start(
      ["server", "--data-dir", ca, "--socket", socket, "--listen", "127.0.0.1:0"],
      env,
    );
    t.teardown(() => server.stop());
    const [, port] = await server.said(/provision front end listens .*port=(\d+)/, "err");
    await server.said(/server started/, "err");
    const ran = await run(
      [
        "provision",
        "exec",
        "--give",
        "token",
        "--socket",
        socket,
        "--server",
        `https://localhost:${port}`,
        "--ca-file",
        join(ca, "cacert.pem"),
        "--name",
        "job.example.org",
        "--san",
        "job",
        "--",
        "docker",
        "run",
        "--name",
        "job",
        "--network",
        "host",
        "--tmpfs",
        "/run/assay/identity",
        ASSAY_IMAGE,
        "provision",
        "client",
        "--no-renew",
        "--",
        "/usr/bin/node",
        "-e",
        `console.log(require("node:fs").readFileSync("/run/assay/provision/token", "utf8"), new (require("node:crypto").X509Certificate)(require("node:fs").readFileSync(process.env.ASSAY_CERT_FILE)).subjectAltName)`,
      ],
      env,
    );
    t.match(ran, { code: 0 }, ran.err);
    const [, token = "", names] = /^(\S+) (.*)$/m.exec(ran.out) ?? [];
    t.ok(token.length >= 32);
    t.equal(names, "DNS:job, DNS:job.example.org");
    t.notMatch(await docker("inspect", "job"), token);
  },
);
