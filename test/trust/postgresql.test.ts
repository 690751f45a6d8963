// PostgreSQL, which reads its key as a group's member and reloads on SIGHUP, as doc/delivery.md has it.
import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
} from "node:fs";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { emptyEnvironment, run, start, temporaryFolder } from "../cli/program.ts";
import { needPackages } from "../support/debian.ts";
import { Domain, id } from "../support/running.ts";
import { serialOf } from "./tls-load.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/patience.ts";

await needPackages(["postgresql"]);

t.test("PostgreSQL shows the new certificate after a rotation", async (t) => {
  const folder = temporaryFolder();
  t.teardown(() => folder.remove());
  const dir = folder.path;
  chmodSync(dir, 0o755);
  await using domain = await Domain.start();
  await domain.startAgent();
  const entry = await domain.entry({ path: "/db" });
  const env = {
    ...emptyEnvironment(dir),
    SPIFFE_ENDPOINT_SOCKET: `unix://${domain.dir}/api.sock`,
    ASSAY_SERVER_SOCKET: `${domain.dir}/server.sock`,
  };
  const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"]))) as [
    number,
    number,
  ];
  const data = `${dir}/postgres/data`;
  mkdirSync(`${dir}/postgres`);
  chownSync(`${dir}/postgres`, uid, gid);
  const [version = ""] = readdirSync("/usr/lib/postgresql");
  const as = { uid, gid, cwd: "/" };
  const program = (name: string): string => `/usr/lib/postgresql/${version}/bin/${name}`;
  execFileSync(program("initdb"), ["-D", data, "-A", "trust"], { ...as, stdio: "ignore" });
  const port = await freePort();
  const watching = start(
    [
      "watch",
      "--dir",
      `${dir}/identity`,
      "--group=postgres",
      "--key-mode=0640",
      `--signal=${data}/postmaster.pid`,
    ],
    env,
  );
  t.teardown(() => watching.stop());
  await watching.said(/wrote/);
  appendFileSync(
    `${data}/postgresql.conf`,
    `
port = ${port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '${dir}/postgres'
ssl = on
ssl_cert_file = '${dir}/identity/svid.pem'
ssl_key_file = '${dir}/identity/key.pem'
ssl_ca_file = '${dir}/identity/bundle.pem'
`,
  );
  const server = spawn(program("postgres"), ["-D", data], { ...as, stdio: "ignore" });
  const ended = new Promise((resolve) => server.on("close", resolve));
  t.teardown(async () => {
    server.kill("SIGINT");
    await ended;
  });
  const identity = `${dir}/identity`;
  const shown = (): Promise<string> => serverSerial(port, identity, id("/db"));
  const first = await shownOnce(shown, (serial) => serial !== "");
  t.equal(first, serialOf(readFileSync(`${identity}/svid.pem`, "utf8")));
  t.match(await run(["entry", "rotate", "--id", entry], env), { code: 0 });
  const second = await shownOnce(shown, (serial) => serial !== first);
  t.equal(second, serialOf(readFileSync(`${identity}/svid.pem`, "utf8")));
});

async function shownOnce(
  attempt: () => Promise<string>,
  done: (value: string) => boolean,
): Promise<string> {
  let value = "";
  await until("the certificate is shown", async () => {
    // Until it listens, nobody answers.
    value = await attempt().catch(() => "");
    return value !== "" && done(value);
  });
  return value;
}

/** PostgreSQL's own request for TLS (protocol 3, SSLRequest), then the handshake. */
function serverSerial(port: number, identity: string, spiffeId: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, "127.0.0.1", () => {
      const request = Buffer.alloc(8);
      request.writeInt32BE(8);
      request.writeInt32BE(80_877_103, 4);
      socket.write(request);
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection ended")));
    socket.once("data", () => {
      const secure = connectTls(
        {
          socket,
          ca: readFileSync(`${identity}/bundle.pem`),
          checkServerIdentity: (_host, { subjectaltname }) =>
            subjectaltname === `URI:${spiffeId}` ? undefined : new Error(`not ${spiffeId}`),
        },
        () => {
          resolve(serialOf(secure.getPeerCertificate().raw));
          secure.destroy();
        },
      );
      secure.on("error", reject);
    });
  });
}
