/**
 * What foreign trust domains cost: `node bench/federation.ts [DOMAINS]`, 200 unless given. A server that fetches the
 * bundles of so many domains every minute, and an agent whose workload federates with all of them, beside a server
 * and an agent without any: resident memory, and how long a mint and a first X.509 message take meanwhile.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { generateKey } from "../src/keys/software-signer.ts";
import { type Channel, connectUnix } from "../src/rpc/channel.ts";
import { encodeBundleDocument } from "../src/spiffe/bundle-document.ts";
import { createCsr } from "../src/x509/csr.ts";
import { encodePem } from "../src/x509/pem.ts";
import { TestCa } from "../test/support/test-ca.ts";
import { WorkloadClient } from "../test/support/workload-client.ts";

const ASSAY = join(import.meta.dirname, "../bin/assay");
const DOMAINS = Number(process.argv[2] ?? 200);
const SETTLE_MS = 90_000;
const CALLS = 300;
/** Seconds: the least that SPIRE takes. */
const HINT = 60;

// In a process of its own: what is measured here is not to wait for it.
const [, , , role, folder] = process.argv;
if (role === "serve" && folder !== undefined) {
  say(await serveBundles(folder));
  await new Promise(() => undefined); // until it is killed
}

const dir = mkdtempSync(join(tmpdir(), "assay-bench-"));
const children: ChildProcess[] = [];
try {
  const args = [import.meta.filename, `${DOMAINS}`, "serve", dir];
  const endpoint = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(endpoint);
  const [line] = (await once(endpoint.stdout, "data")) as [Buffer];
  const url = line.toString().trim();
  const alone = await measure("alone", 0, url);
  const many = await measure("many", DOMAINS, url);
  const mb = (kb: number): string => (kb / 1024).toFixed(1);
  for (const what of ["server", "agent"] as const) {
    say(
      `${what}: ${mb(alone[what])} MB alone, ${mb(many[what])} MB with ${DOMAINS} domains: ${mb(many[what] - alone[what])} MB more`,
    );
  }
  for (const what of ["mint", "fetch"] as const) {
    say(`${what}: ${shown(alone[what])} alone, ${shown(many[what])} with ${DOMAINS} domains`);
  }
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0);

interface Measured {
  /** Resident, kB. */
  readonly server: number;
  readonly agent: number;
  /** Milliseconds, sorted. */
  readonly mint: readonly number[];
  readonly fetch: readonly number[];
}

async function measure(name: string, count: number, url: string): Promise<Measured> {
  const home = join(dir, name);
  mkdirSync(home);
  const port = await freePort();
  const domains = Array.from(
    { length: count },
    (_, i) =>
      `    d${i}.example: { endpointUrl: "${url}d${i}.example", profile: https_web, caFile: ${dir}/web.pem }\n`,
  );
  writeFileSync(
    join(home, "server.yaml"),
    `trustDomain: example.org\ndataDir: ${home}/server\nlisten: 127.0.0.1:${port}\nsocket: ${home}/server.sock\nlogLevel: warn\n${
      count === 0 ? "" : `federation:\n  federatesWith:\n${domains.join("")}`
    }`,
  );
  const server = start("server", "--config", join(home, "server.yaml"));
  const admin = await connected(join(home, "server.sock"));
  const token = await call<{ value: string }>(admin, "agent.v1.Agent", "CreateJoinToken", {
    ttl: 600,
    agent_id: { trust_domain: "example.org", path: "/host" },
  });
  await admin.unary("assay.entry.v1.Entry", "BatchCreateEntry", {
    entries: [
      {
        spiffe_id: { trust_domain: "example.org", path: "/bench" },
        parent_id: { trust_domain: "example.org", path: "/host" },
        selectors: [{ type: "unix", value: `uid:${process.getuid?.() ?? 0}` }],
        federates_with: count === 0 ? [] : ["*"],
      },
    ],
  });
  const own = await call<{ x509_authorities: { asn1: Uint8Array }[] }>(
    admin,
    "bundle.v1.Bundle",
    "GetBundle",
    {},
  );
  writeFileSync(
    join(home, "bundle.pem"),
    own.x509_authorities.map(({ asn1 }) => encodePem("CERTIFICATE", asn1)).join(""),
  );
  writeFileSync(join(home, "token"), token.value, { mode: 0o600 });
  const agent = start(
    "agent",
    "--trust-domain=example.org",
    `--server=127.0.0.1:${port}`,
    `--trust-bundle=${home}/bundle.pem`,
    `--join-token-file=${home}/token`,
    `--data-dir=${home}/agent`,
    `--socket=${home}/run/api.sock`,
    "--log-level=warn",
  );
  await connected(join(home, "run/api.sock"));
  await wait(SETTLE_MS);
  const { count: known } = await call<{ count: number }>(
    admin,
    "bundle.v1.Bundle",
    "CountBundles",
    {},
  );
  // The own one is counted, too.
  if (known !== count + 1) throw new Error(`${known} bundles instead of ${count + 1}`);
  const { signer } = await generateKey("ec-p256");
  const csr = await createCsr({ uris: ["spiffe://example.org/minted"], signer });
  const mint = await times(() => call(admin, "svid.v1.SVID", "MintX509SVID", { csr }));
  using workload = new WorkloadClient(join(home, "run/api.sock"));
  const fetch = await times(() => workload.fetchX509());
  const memory = [server, agent].map(({ pid }) => residentKb(pid ?? 0));
  for (const child of [agent, server]) child.kill("SIGTERM");
  admin.close();
  return { server: memory[0] ?? 0, agent: memory[1] ?? 0, mint, fetch };
}

/** One endpoint for all of them; each has two X.509 and two JWT authorities. */
async function serveBundles(folder: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const today = { notBefore: now - 60, notAfter: now + 86_400 };
  const web = await TestCa.create({ trustDomain: "web.example", ...today });
  writeFileSync(join(folder, "web.pem"), encodePem("CERTIFICATE", web.der));
  const leaf = await web.leaf({ uris: [], dnsNames: ["localhost"], ...today });
  const documents = new Map<string, string>();
  for (let i = 0; i < DOMAINS; i++) {
    const trustDomain = `d${i}.example`;
    const authorities = [1, 2].map(() => TestCa.create({ trustDomain, ...today }));
    const keys = await Promise.all([1, 2].map(() => generateKey("ec-p256")));
    documents.set(
      `/${trustDomain}`,
      encodeBundleDocument({
        trustDomain,
        x509Authorities: (await Promise.all(authorities)).map(({ der }) => ({
          der,
          tainted: false,
        })),
        jwtAuthorities: keys.map(({ signer }, n) => ({
          keyId: `key-${n}`,
          publicKey: signer.publicKey,
          expiresAt: 0,
          tainted: false,
        })),
        refreshHint: HINT,
        sequence: 1,
      }),
    );
  }
  const server = createServer({ cert: leaf.certPem, key: leaf.keyPem }, (request, response) =>
    response.end(documents.get(request.url ?? "")),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `https://localhost:${(server.address() as AddressInfo).port}/`;
}

function start(...args: readonly string[]): ChildProcess {
  const child = spawn(ASSAY, args, { stdio: ["ignore", "inherit", "inherit"] });
  children.push(child);
  return child;
}

async function connected(socket: string): Promise<Channel> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const channel = connectUnix(socket);
    try {
      await channel.unary("grpc.health.v1.Health", "Check", {});
      return channel;
    } catch {
      channel.close(); // it is still starting
      await wait(100);
    }
  }
  throw new Error(`nobody answers at ${socket}`);
}

function call<T extends object>(
  admin: Channel,
  service: string,
  method: string,
  request: object,
): Promise<T> {
  return admin.unary<T>(`spire.api.server.${service}`, method, request);
}

async function times(work: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const startMs = performance.now();
    await work();
    taken.push(performance.now() - startMs);
    await wait(10);
  }
  return taken.sort((a, b) => a - b);
}

function shown(sorted: readonly number[]): string {
  const at = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1);
  return `${at(0.5)} ms (p50), ${at(0.99)} ms (p99)`;
}

function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
