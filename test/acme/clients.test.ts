/** Clients that others wrote, each as its users run it: lego, dehydrated and acme-tiny. */
import { spawn } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import t, { type Test } from "tap";
import { readChain } from "../server/frontends/acme-rig.ts";
import { csrFor } from "../support/csr.ts";
import { makeAcmeKey } from "../support/acme-client.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { installMissing } from "../trust/debian.ts";
import { type Rig, startRig } from "./rig.ts";
import { pythonProgram } from "./tools.ts";

t.test("lego: names by http-01 and tls-alpn-01, renewal, revocation", async (t) => {
  await installMissing({ lego: "lego" });
  const acme = await startRig(t);
  const { dir, directory, serverRoot, httpPort, tlsPort } = acme;
  const lego = async (title: string, ...args: string[]): Promise<void> => {
    const common = [`--server=${directory}`, "--accept-tos", "--email=a@example.org"];
    const { code, output } = await runClient("lego", [...common, `--path=${dir}`, ...args], {
      cwd: dir,
      env: { LEGO_CA_CERTIFICATES: serverRoot },
    });
    t.equal(code, 0, `${title}\n${code === 0 ? "" : output}`);
  };
  const file = (name: string): Promise<string> =>
    readFile(join(dir, `certificates/${name}.crt`), "utf8");
  const http = ["--http", `--http.port=127.0.0.1:${httpPort}`];
  const names = ["--domains=a.example.org", "--domains=b.example.org"];
  await lego("http-01", ...http, ...names, "run");
  const { leaf } = readChain(await file("a.example.org"));
  t.same(leaf.dnsNames, ["a.example.org", "b.example.org"]);
  const tls = ["--tls", `--tls.port=127.0.0.1:${tlsPort}`, "--domains=b.example.org"];
  await lego("tls-alpn-01", ...tls, "run");
  t.same(readChain(await file("b.example.org")).leaf.dnsNames, ["b.example.org"]);
  await lego("renew", ...http, ...names, "renew", "--days=90", "--no-random-sleep");
  t.not(readChain(await file("a.example.org")).leaf.serial, leaf.serial);
  await lego("revoke", ...names, "revoke", "--keep", "--reason=4");
});

t.test("dehydrated: names by http-01, and its account taken up again", async (t) => {
  await installMissing({ dehydrated: "dehydrated", curl: "curl" });
  const acme = await startRig(t);
  const { dir, directory, serverRoot } = acme;
  const wellKnown = await serveChallenges(t, acme);
  const config = [
    `CA="${directory}"`,
    `BASEDIR="${dir}"`,
    `WELLKNOWN="${wellKnown}"`,
    `CURL_OPTS="--cacert ${serverRoot}"`,
    `CONTACT_EMAIL=a@example.org`,
    `DOMAINS_TXT="${dir}/domains.txt"`,
    `CERTDIR="${dir}/certs"`,
    `ACCOUNTDIR="${dir}/accounts"`,
  ];
  await writeFile(join(dir, "config"), `${config.join("\n")}\n`);
  await writeFile(join(dir, "domains.txt"), "a.example.org b.example.org\n");
  const dehydrated = async (title: string, ...args: string[]): Promise<void> => {
    const all = [...args, "--config", join(dir, "config")];
    const { code, output } = await runClient("dehydrated", all, { cwd: dir });
    t.equal(code, 0, `${title}\n${code === 0 ? "" : output}`);
  };
  await dehydrated("register", "--register", "--accept-terms");
  await dehydrated("issue", "--cron");
  const chain = join(dir, "certs/a.example.org/fullchain.pem");
  const { leaf } = readChain(await readFile(chain, "utf8"));
  t.same(leaf.dnsNames, ["a.example.org", "b.example.org"]);
  await dehydrated("again", "--cron", "--force");
  t.not(readChain(await readFile(chain, "utf8")).leaf.serial, leaf.serial);
  await dehydrated("revoke", "--revoke", join(dir, "certs/a.example.org/cert.pem"));
});

t.test("acme-tiny: a CSR of its own, by http-01", async (t) => {
  const acmeTiny = await pythonProgram("acme-tiny");
  const acme = await startRig(t);
  const { dir, directory, serverRoot } = acme;
  const wellKnown = await serveChallenges(t, acme);
  const account = makeAcmeKey("RS256").privateKey.export({ format: "pem", type: "pkcs8" });
  await writeFile(join(dir, "account.key"), account);
  const csr = Buffer.from(csrFor({ names: ["a.example.org"] }), "base64url");
  await writeFile(join(dir, "a.csr"), encodePem("CERTIFICATE REQUEST", csr));
  const args = [
    `--account-key=${dir}/account.key`,
    `--csr=${dir}/a.csr`,
    `--acme-dir=${wellKnown}`,
    `--directory-url=${directory}`,
    "--disable-check",
    "--quiet",
  ];
  const { code, output } = await runClient(acmeTiny, args, {
    cwd: dir,
    env: { SSL_CERT_FILE: serverRoot },
  });
  t.equal(code, 0, code === 0 ? "issued" : output);
  t.same(readChain(output).leaf.dnsNames, ["a.example.org"]);
});

interface Outcome {
  readonly code: number | null;
  /** Both streams, as they came. */
  readonly output: string;
}

/** Runs a client to its end, two minutes at most. */
async function runClient(
  command: string,
  args: readonly string[],
  { env = {}, cwd }: { readonly env?: Readonly<Record<string, string>>; readonly cwd: string },
): Promise<Outcome> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  return { code, output: Buffer.concat(chunks).toString() };
}

/** Serves what a client puts into a folder as answers of http-01. @returns the folder */
async function serveChallenges(t: Test, { dir, httpPort }: Rig): Promise<string> {
  const folder = join(dir, "challenges");
  await mkdir(folder);
  const answer = async (token: string): Promise<Buffer | string> =>
    (await readdir(folder)).includes(token) ? readFile(join(folder, token)) : "";
  const server = createServer(({ url = "" }, response) => {
    void answer(url.slice(url.lastIndexOf("/") + 1)).then((body) => response.end(body));
  });
  await new Promise<void>((resolve) => server.listen(httpPort, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return folder;
}
