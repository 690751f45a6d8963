/** Further ACME clients, each as its own documentation has it. lego in the gate; all of them with ACME_CLIENTS=all. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { pageOnce } from "./browse.ts";
import { certManager } from "./cert-manager/client.ts";
import { type Rig, endWith, startRig, verify } from "./rig.ts";
import { debianProgram, nodeModule, pythonProgram, wheelProgram } from "./tools.ts";

const exec = promisify(execFile);

/** Answers `http-01` with the files of a folder. */
async function serveFolder(t: Test, rig: Rig): Promise<string> {
  const folder = join(rig.dir, "challenges");
  mkdirSync(folder);
  const server = createServer(({ url = "" }, response) => {
    const token = url.replace("/.well-known/acme-challenge/", "");
    const isThere = readdirSync(folder).includes(token);
    response.writeHead(isThere ? 200 : 404).end(isThere ? readFileSync(join(folder, token)) : "");
  });
  server.listen(rig.httpPort, "127.0.0.1");
  await once(server, "listening");
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return folder;
}

interface Eab {
  readonly keyId: string;
  readonly macKey: string;
}

async function eab(rig: Rig, ...options: string[]): Promise<Eab> {
  return JSON.parse(
    await rig.assay("acme", "eab", "create", "--output", "json", ...options),
  ) as Eab;
}

async function lego(t: Test): Promise<void> {
  const program = await debianProgram("lego");
  const rig = await startRig(t, { names: "externalAccountRequired: true" });
  const { keyId, macKey } = await eab(rig, "--names", "lego.example.com,*.example.com");
  const path = join(rig.dir, "lego");
  const run = async (domain: string, challenge: readonly string[], ...args: string[]) => {
    const fixed = ["--server", rig.directory, "--path", path, "--email", "ops@example.org"];
    const all = [...fixed, "--accept-tos", "--domains", domain, ...challenge, ...args];
    await exec(program, all, { env: { ...process.env, LEGO_CA_CERTIFICATES: rig.serverRoot } });
  };
  const http = ["--http", "--http.port", `127.0.0.1:${rig.httpPort}`];
  const tls = ["--tls", "--tls.port", `127.0.0.1:${rig.tlsPort}`];
  await t.rejects(run("lego.example.com", http, "run"), /requires External Account Binding/);
  const bound = ["--eab", "--kid", keyId, "--hmac", macKey];
  await run("lego.example.com", [...http, ...bound], "run");
  const chain = join(path, "certificates/lego.example.com.crt");
  const first = await verify(chain, rig.root, "lego.example.com");
  await run("lego.example.com", [...tls, ...bound], "renew", "--days", "365", "--no-random-sleep");
  t.not(await verify(chain, rig.root, "lego.example.com"), first, "renewed, by tls-alpn-01");
  await t.rejects(run("www.example.org", [...http, ...bound], "run"), /not among the names/);
  await run("lego.example.com", bound, "revoke", "--reason", "4");
}

async function caddy(t: Test): Promise<void> {
  const program = await wheelProgram("caddy");
  const rig = await startRig(t);
  const config = join(rig.dir, "caddy.json");
  const log = join(rig.dir, "caddy.log");
  const site = "caddy.example.org";
  const issuer = {
    module: "acme",
    ca: rig.directory,
    email: "ops@example.org",
    trusted_roots_pem_files: [rig.serverRoot],
  };
  const route = {
    match: [{ host: [site] }],
    handle: [{ handler: "static_response", body: "hello" }],
  };
  writeFileSync(
    config,
    JSON.stringify({
      admin: { disabled: true, config: { persist: false } },
      logging: { logs: { default: { writer: { output: "file", filename: log }, level: "INFO" } } },
      storage: { module: "file_system", root: join(rig.dir, "caddy") },
      apps: {
        http: {
          http_port: rig.httpPort,
          https_port: rig.tlsPort,
          servers: { site: { listen: [`127.0.0.1:${rig.tlsPort}`], routes: [route] } },
        },
        tls: { automation: { policies: [{ subjects: [site], issuers: [issuer] }] } },
      },
    }),
  );
  endWith(t, spawn(program, ["run", "--config", config], { stdio: "ignore" }));
  const { body, certificate } = await pageOnce(rig, site, () => readFileSync(log, "utf8"));
  t.equal(body, "200 hello");
  t.equal(certificate.subjectaltname, `DNS:${site}`);
  t.match(readFileSync(log, "utf8"), /got renewal info/, "renewal information was asked for");
}

async function acmeTiny(t: Test): Promise<void> {
  const program = await pythonProgram("acme-tiny");
  const rig = await startRig(t);
  const folder = await serveFolder(t, rig);
  const at = (name: string): string => join(rig.dir, name);
  for (const name of ["account.key", "site.key"])
    await exec("openssl", ["genrsa", "-out", at(name), "2048"]);
  const subject = ["-subj", "/", "-addext", "subjectAltName=DNS:tiny.example.org"];
  await exec("openssl", [
    "req",
    "-new",
    "-key",
    at("site.key"),
    ...subject,
    "-out",
    at("site.csr"),
  ]);
  const files = ["--account-key", at("account.key"), "--csr", at("site.csr"), "--acme-dir", folder];
  const { stdout } = await exec(
    program,
    [...files, "--directory-url", rig.directory, "--disable-check", "--quiet"],
    { env: { ...process.env, SSL_CERT_FILE: rig.serverRoot } },
  );
  writeFileSync(at("site.pem"), stdout);
  t.match(await verify(at("site.pem"), rig.root, "tiny.example.org"), /serial=/);
}

async function dehydrated(t: Test): Promise<void> {
  const program = await debianProgram("dehydrated");
  const rig = await startRig(t);
  const folder = await serveFolder(t, rig);
  const config = join(rig.dir, "dehydrated.conf");
  writeFileSync(
    config,
    [
      `CA="${rig.directory}"`,
      `BASEDIR="${rig.dir}/dehydrated"`,
      `WELLKNOWN="${folder}"`,
      `CURL_OPTS="--cacert ${rig.serverRoot}"`,
      `CONTACT_EMAIL="ops@example.org"`,
      "",
    ].join("\n"),
  );
  mkdirSync(join(rig.dir, "dehydrated"));
  const run = (...args: string[]) => exec(program, [...args, "--config", config]);
  await run("--register", "--accept-terms");
  await run("--cron", "--domain", "dehydrated.example.org");
  const chain = join(rig.dir, "dehydrated/certs/dehydrated.example.org/fullchain.pem");
  const first = await verify(chain, rig.root, "dehydrated.example.org");
  await run("--cron", "--domain", "dehydrated.example.org", "--force");
  t.not(await verify(chain, rig.root, "dehydrated.example.org"), first);
  await run("--revoke", chain);
  await run("--account");
}

async function acmeClient(t: Test): Promise<void> {
  const module = await nodeModule("acme-client");
  const rig = await startRig(t);
  const folder = await serveFolder(t, rig);
  const child = join(import.meta.dirname, "acme-client-child.ts");
  const chain = join(rig.dir, "chain.pem");
  const { stdout } = await exec(process.execPath, [child, module, rig.directory, folder, chain], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: rig.serverRoot },
  });
  t.match(await verify(chain, rig.root, "node.example.org"), /serial=/);
  t.equal(stdout, "issued\nkey changed\nrevoked\ndeactivated\n");
}

/** It knows the system's roots alone: it has others there, in a mount namespace of its own. */
async function uacme(t: Test): Promise<void> {
  const program = await debianProgram("uacme");
  const rig = await startRig(t);
  const folder = await serveFolder(t, rig);
  const hook = join(rig.dir, "hook");
  // uacme: METHOD TYPE IDENTIFIER TOKEN AUTHORIZATION.
  const answer = `case "$1 $2" in "begin http-01") printf %s "$5" > "${folder}/$4" ;; begin*) exit 1 ;; esac`;
  writeFileSync(hook, `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
  const path = join(rig.dir, "uacme");
  const trusted = `mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"`;
  const run = (...args: string[]) => {
    const all = [program, "-a", rig.directory, "-c", path, "-h", hook, "-o", "-y", ...args];
    return exec("unshare", ["-rm", "sh", "-c", trusted, rig.serverRoot, ...all]);
  };
  await run("new", "ops@example.org");
  await run("issue", "uacme.example.org", "www.example.org");
  const chain = join(path, "uacme.example.org/cert.pem");
  const first = await verify(chain, rig.root, "uacme.example.org");
  await run("newkey");
  await run("-f", "issue", "uacme.example.org", "www.example.org");
  t.not(await verify(chain, rig.root, "uacme.example.org"), first, "with another account key");
  await run("revoke", chain);
  await run("deactivate");
}

const CLIENTS = {
  lego,
  caddy,
  "acme-tiny": acmeTiny,
  dehydrated,
  "acme-client": acmeClient,
  uacme,
  "cert-manager": certManager,
};
for (const [name, client] of Object.entries(CLIENTS)) {
  if (name !== "lego" && process.env["ACME_CLIENTS"] !== "all") continue;
  t.test(`T3, T9: ${name}`, client);
}
