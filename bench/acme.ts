/**
 * ACME: `node bench/acme.ts [seconds]`. A server process of its own with its database on disk, one account that has shown its
 * name, and 32 orders in flight, each with new order, finalization and download: full orders a second. Then what
 * 10,000 outstanding authorizations cost in memory.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { type AcmeAuthorization, AcmeClient, type AcmeOrder } from "../test/support/acme-client.ts";
import { csrFor } from "../test/support/csr.ts";
import { spawnServer } from "../test/support/server-process.ts";

const SECONDS = Number(process.argv[2] ?? 10);
const IN_FLIGHT = 32;
const OUTSTANDING = 10_000;
const NAME = "127.0.0.1";
const PORT = 14_999;

const dir = mkdtempSync(join(tmpdir(), "assay-bench-acme-"));
const answers = new Map<string, string>();
const responder = createServer(({ url = "" }, response) =>
  response.end(answers.get(url.replace("/.well-known/acme-challenge/", ""))),
).listen(0, "127.0.0.1");
await once(responder, "listening");
const child = await startServer();
try {
  const client = await AcmeClient.open(`http://127.0.0.1:${PORT}/directory`);
  await client.register();
  await showName(client);
  const csrs = Array.from({ length: 200 }, () => csrFor({ names: [NAME] }));
  await orders(client, csrs, 2);
  const { made, failed, seconds } = await orders(client, csrs, SECONDS);
  console.log(`full orders: ${(made / seconds).toFixed(0)}/s, ${failed} failed`);
  const before = memory(child.pid);
  await outstanding(client);
  await wait(2000);
  const grown = (memory(child.pid) - before) / 1024;
  console.log(`${OUTSTANDING} outstanding authorizations: ${grown.toFixed(1)} MB more`);
} finally {
  child.kill("SIGKILL");
  responder.closeAllConnections();
  responder.close();
  rmSync(dir, { recursive: true, force: true });
}
process.exit();

async function startServer() {
  const config = join(dir, "server.json");
  const { port: httpPort } = responder.address() as AddressInfo;
  const none = {
    accountsPerAddressPerHour: 0,
    ordersPerAccountPerHour: 0,
    duplicatesPerDay: 0,
    failedValidationsPerHour: 0,
  };
  const acme = {
    listen: `127.0.0.1:${PORT}`,
    names: { ip: ["127.0.0.0/8", "10.0.0.0/8"] },
    validation: { httpPort, allowedNetworks: ["127.0.0.0/8"] },
    limits: none,
  };
  writeFileSync(config, JSON.stringify({ frontends: { acme } }));
  const { child: made, ready } = spawnServer(dir, [`--config=${config}`, "--log-level=error"]);
  await ready;
  return made;
}

async function showName(client: AcmeClient): Promise<void> {
  const order = await client.order([NAME]);
  const [url = ""] = order.body.authorizations;
  const { body } = await client.post<AcmeAuthorization>(url, "");
  const challenge = body.challenges.find(({ type }) => type === "http-01");
  if (challenge === undefined) throw new Error("there is no http-01");
  answers.set(challenge.token, client.keyAuthorization(challenge.token));
  await client.post(challenge.url, {});
  await client.until(url, ["valid"]);
}

async function orders(client: AcmeClient, csrs: readonly string[], seconds: number) {
  const start = performance.now();
  const end = start + seconds * 1000;
  let made = 0;
  let failed = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      const order = await client.order([NAME]);
      const csr = csrs[made % csrs.length];
      const done = await client.post<AcmeOrder>(order.body.finalize, { csr });
      const pem = await client.post(done.body.certificate ?? "", "");
      if (pem.text.includes("BEGIN CERTIFICATE")) made += 1;
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return { made, failed, seconds: (performance.now() - start) / 1000 };
}

/** 300 of each account at most: a new one for each hundred names. */
async function outstanding({ directory }: AcmeClient): Promise<void> {
  const url = directory["newNonce"]?.replace("/acme/new-nonce", "/directory") ?? "";
  for (let at = 0; at < OUTSTANDING; at += 100) {
    const client = await AcmeClient.open(url);
    await client.register();
    const names = Array.from({ length: 100 }, (_, i) => `10.1.${at / 100}.${i}`);
    const order = await client.order(names);
    if (order.status !== 201) throw new Error(order.text);
    client[Symbol.dispose]();
  }
}

/** KiB resident. */
function memory(pid = 0): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}
