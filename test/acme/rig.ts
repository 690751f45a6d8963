/**
 * A server as an operator runs it, with the front end `acme` under a root that is kept elsewhere, and a DNS server that
 * sends every name to this machine.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Test } from "tap";
import { challengeTestServer } from "./tools.ts";
import { freePort } from "../support/free-port.ts";

const exec = promisify(execFile);
const ASSAY = join(import.meta.dirname, "../../bin/assay");

export interface Rig {
  readonly dir: string;
  /** Address of the ACME directory. */
  readonly directory: string;
  /** PEM file of what the ACME server's own certificate is verified by. */
  readonly serverRoot: string;
  /** PEM file of the root above all certificates that are ordered. */
  readonly root: string;
  /** Where challenges are looked for. */
  readonly httpPort: number;
  readonly tlsPort: number;
  readonly assay: (...args: string[]) => Promise<string>;
  /** Address of the DNS server's management interface. */
  readonly dnsControl: string;
  /** Asks it. */
  readonly dns: (path: string, body: object) => Promise<void>;
}

export interface RigOptions {
  /** Lines below `frontends.acme.validation`. */
  readonly validation?: readonly string[];
  /** More of `frontends.acme.names`. */
  readonly names?: string;
  /** Lines below `frontends.acme` of the server's file. */
  readonly acme?: readonly string[];
  /** Lines of the file behind the authority set `web`. */
  readonly set?: readonly string[];
  /** Where names lead, and who says so, in place of this machine's loopback and a DNS server of the rig's own. */
  readonly target?: {
    readonly resolver: string;
    readonly network: string;
    readonly httpPort: number;
  };
}

export async function startRig(t: Test, options: RigOptions = {}): Promise<Rig> {
  // Not tap's folder, which is too deep for a socket's path.
  const dir = mkdtempSync(join(tmpdir(), "assay-acme-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, "passphrase"), "a root in a safe\n");
  const listen = await freePort();
  const [dnsPort, dnsControl, tlsPort] = [await freePort(), await freePort(), await freePort()];
  if (options.target === undefined) await startDns(t, dnsPort, dnsControl);
  const {
    resolver = `127.0.0.1:${dnsPort}`,
    network = "127.0.0.0/8",
    httpPort = await freePort(),
  } = options.target ?? {};
  const config = join(dir, "server.yaml");
  writeFileSync(
    config,
    [
      "trustDomain: example.org",
      `dataDir: ${dir}/data`,
      `socket: ${dir}/server.sock`,
      "listen: 127.0.0.1:0",
      "authoritySets:",
      "  web:",
      "    upstreamAuthority: { offline: {} }",
      ...(options.set ?? []),
      "frontends:",
      "  acme:",
      `    listen: 127.0.0.1:${listen}`,
      `    url: https://localhost:${listen}`,
      "    svid: true",
      "    set: web",
      `    names: { dns: [.example.org, "*.example.org"], ip: [127.0.0.1], ${options.names ?? ""} }`,
      "    validation:",
      `      resolvers: ["${resolver}"]`,
      `      httpPort: ${httpPort}`,
      `      tlsPort: ${tlsPort}`,
      `      allowedNetworks: [${network}]`,
      ...(options.validation ?? []).map((line) => `      ${line}`),
      ...(options.acme ?? []).map((line) => `    ${line}`),
      "",
    ].join("\n"),
  );
  const assay = async (...args: string[]): Promise<string> => {
    const { stdout } = await exec(ASSAY, args, {
      env: { ...process.env, ASSAY_SERVER_SOCKET: join(dir, "server.sock") },
    });
    return stdout;
  };
  await started(
    t,
    spawn(ASSAY, ["server", "--config", config, "--log-level=warn", "--ready-fd=3"], {
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    }),
  );
  const root = await signIntermediate(dir, assay);
  const serverRoot = join(dir, "server-root.pem");
  writeFileSync(serverRoot, await assay("bundle", "show"));
  return {
    dir,
    directory: `https://localhost:${listen}/directory`,
    serverRoot,
    root,
    httpPort,
    tlsPort,
    assay,
    dnsControl: `http://127.0.0.1:${dnsControl}`,
    async dns(path, body) {
      const answer = await fetch(`http://127.0.0.1:${dnsControl}/${path}`, {
        method: "POST",
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    },
  };
}

/** As it is done with a root in a safe; the safe's folder is then taken away. @returns the root's PEM file */
async function signIntermediate(
  dir: string,
  assay: (...args: string[]) => Promise<string>,
): Promise<string> {
  const safe = ["--dir", join(dir, "safe"), "--passphrase-file", join(dir, "passphrase")];
  await assay("ca", "root", "create", ...safe, "--trust-domain", "example.org");
  const request = join(dir, "web.csr");
  writeFileSync(request, await assay("authority", "x509", "csr", "--set", "web"));
  const signed = join(dir, "web.pem");
  writeFileSync(signed, await assay("ca", "root", "sign", request, ...safe));
  await assay("authority", "x509", "import", signed, "--set", "web");
  rmSync(join(dir, "safe"), { recursive: true });
  const root = join(dir, "root.pem");
  writeFileSync(root, await assay("ca", "trust", "export", "--set", "web"));
  return root;
}

async function startDns(t: Test, port: number, control: number): Promise<void> {
  const none = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""];
  const child = spawn(
    await challengeTestServer(),
    [...none, "-dnsserver", `127.0.0.1:${port}`, "-management", `127.0.0.1:${control}`],
    { stdio: ["ignore", "ignore", "ignore"] },
  );
  endWith(t, child);
  for (;;) {
    if (child.exitCode !== null) throw new Error("the DNS server ended");
    const isUp = await fetch(`http://127.0.0.1:${control}/`).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Resolves when the server says that it is ready; it ends with the test. */
async function started(t: Test, child: ChildProcess): Promise<void> {
  endWith(t, child);
  const ready = await Promise.race([
    once(child.stdio[3] ?? child, "data"),
    once(child, "exit").then(() => undefined),
  ]);
  if (ready === undefined) throw new Error("the server ended before it was ready");
}

export function endWith(t: Test, child: ChildProcess): void {
  const gone = once(child, "exit");
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await gone;
  });
}

/** As OpenSSL sees the chain: verified up to the root, for the name. @throws with its words */
export async function verify(chain: string, root: string, name: string): Promise<string> {
  const isAddress = /^[\d.]+$/.test(name);
  const flags = [
    "-CAfile",
    root,
    "-untrusted",
    chain,
    isAddress ? "-verify_ip" : "-verify_hostname",
    name,
  ];
  await exec("openssl", ["verify", "-purpose", "sslserver", "-x509_strict", ...flags, chain]);
  const { stdout } = await exec("openssl", ["x509", "-in", chain, "-noout", "-serial"]);
  return stdout.trim();
}
