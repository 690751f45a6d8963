/** A real Envoy refuses a revoked SVID: it gets revocation lists with the authorities. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import type { X509SVIDResponse__Output } from "../../src/rpc/gen/X509SVIDResponse.ts";
import { parseCertificates } from "../../src/x509/certificate.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { Domain, OWN_SELECTOR } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { needPrograms } from "../support/debian.ts";
import { envoyBinary } from "./envoy-binary.ts";
import { freePort } from "../support/free-port.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const exec = promisify(execFile);
const ASSAY = join(import.meta.dirname, "../../bin/assay");
const TEMPLATE = join(import.meta.dirname, "../../deploy/examples/envoy/server.yaml");

t.test("Envoy refuses a revoked SVID and takes the next one", async (t) => {
  await needPrograms({ curl: "curl" });
  const envoy = await envoyBinary();
  await using domain = await Domain.start({ revocation: { crlTtl: 86_400 } });
  await domain.entry({ path: "/server", selectors: [`unix:path:${envoy}`] });
  await domain.entry({
    path: "/client",
    selectors: [OWN_SELECTOR, `unix:path:${process.execPath}`],
  });
  const agent = await domain.startAgent();
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  const first = await watch.next();
  const save = (name: string, { svids }: X509SVIDResponse__Output): [string, string] => {
    const [svid] = svids;
    const chain = parseCertificates(svid?.x509_svid ?? Buffer.of());
    const file = join(domain.dir, `${name}.pem`);
    const key = encodePem("PRIVATE KEY", svid?.x509_svid_key ?? Buffer.of());
    writeFileSync(file, chain.map(({ raw }) => encodePem("CERTIFICATE", raw)).join("") + key);
    return [file, chain[0]?.serial ?? ""];
  };
  const [before, serial] = save("before", first);

  mkdirSync(join(domain.dir, "envoy"));
  const port = await freePort();
  const config = readFileSync(TEMPLATE, "utf8")
    .replaceAll("@dir@", join(domain.dir, "envoy"))
    .replaceAll("@port@", String(port))
    .replaceAll("@agent@", agent.socket)
    .replaceAll("@api_type@", "GRPC")
    .replaceAll("@near_domain@", "example.org");
  writeFileSync(join(domain.dir, "envoy.yaml"), config);
  const args = ["--config-path", join(domain.dir, "envoy.yaml"), "--concurrency", "1"];
  const proxy = spawn(envoy, [...args, "--disable-hot-restart", "--log-level", "error"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(proxy, "exit");
  t.teardown(() => proxy.kill("SIGKILL"));
  const status = async (svid: string): Promise<string> => {
    const show = [
      "--silent",
      "--insecure",
      "--max-time",
      `${PATIENCE_MS / 1000}`,
      "--write-out",
      "%{http_code}",
    ];
    const url = `https://127.0.0.1:${port}/`;
    const { stdout } = await exec("curl", [
      ...show,
      "--output",
      "/dev/null",
      "--cert",
      svid,
      url,
    ]).catch((error: { stdout: string }) => error);
    return stdout;
  };
  await until("the SVID is taken", async () => (await status(before)) === "200");

  const socket = join(domain.dir, "server.sock");
  await exec(ASSAY, ["x509", "revoke", "--serial", serial, "--socket", socket]);
  await until("the revoked SVID is refused", async () => (await status(before)) === "000");
  let next = await watch.next();
  while (save("next", next)[1] === serial) next = await watch.next();
  await until(
    "its successor is not",
    async () => (await status(join(domain.dir, "next.pem"))) === "200",
  );
  t.equal(await status(before), "000");

  proxy.kill("SIGTERM");
  await ended;
});
