/**
 * `kill -9` at each step of an order:
 * - what was answered is there after the restart, and the client goes on where it was;
 * - a challenge that was being looked at is looked at again, unasked;
 * - an order leads to one certificate, for the key of its first finalization that counted.
 * A disk that is full, and then has room for a few writes only: what was begun is made once.
 * And a key manager that hangs: the client is told `processing`, and the certificate is made as soon as it can be, by the
 * process that follows one that was killed, too.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import {
  type AcmeAuthorization,
  AcmeClient,
  type AcmeOrder,
  makeAcmeKey,
} from "../support/acme-client.ts";
import { csrFor } from "../support/csr.ts";
import { auditRecords } from "../support/fault-history.ts";
import { fill, giveBack, smallDisk } from "../support/small-disk.ts";
import { startServerProcess } from "../support/server-process.ts";
import { meet, readChain } from "../server/frontends/acme-rig.ts";
import { openBao } from "../trust/openbao.ts";
import { freePort } from "../support/free-port.ts";

/** How to start a server with the front end. @param more of its file */
async function acmeServer(t: Test, dir: string, more: object = {}) {
  const responder = await startResponder(t);
  const port = await freePort();
  const config = join(dir, "server.json");
  const acme = {
    listen: `127.0.0.1:${port}`,
    profiles: ["server-7d"],
    names: { ip: ["127.0.0.0/8"] },
    validation: { httpPort: responder.port, allowedNetworks: ["127.0.0.0/8"] },
  };
  await writeFile(config, JSON.stringify({ ...more, frontends: { acme } }));
  const start = () => startServerProcess(t, dir, [`--config=${config}`]);
  return { responder, directory: `http://127.0.0.1:${port}/directory`, start };
}

t.test("a server that is killed at each step of an order", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "assay-acme-kill-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const { responder, directory, start } = await acmeServer(t, dir);
  let server = await start();
  const again = async (step: string): Promise<void> => {
    await server.kill();
    server = await start();
    t.comment(`killed ${step}`);
  };
  const client = await AcmeClient.open(directory);
  t.teardown(() => client[Symbol.dispose]());

  await client.register();
  await again("after the account was made");
  t.equal((await client.ask(client.kid, "")).status, 200, "the account is there");
  const identifiers = ["127.0.0.1", "127.0.0.2"].map((value) => ({ type: "ip", value }));
  const made = await client.ask<AcmeOrder>(client.url("newOrder"), { identifiers });
  t.equal(made.status, 201, made.text);
  const url = made.headers.location ?? "";
  await again("after the order was made");
  t.match((await client.ask<AcmeOrder>(url, "")).body, { ...made.body, status: "pending" });

  for (const authorization of made.body.authorizations) {
    const { body } = await client.ask<AcmeAuthorization>(authorization, "");
    const challenge = body.challenges.find(({ type }) => type === "http-01");
    if (challenge === undefined) throw new Error("there is no http-01");
    responder.answers.set(challenge.token, client.keyAuthorization(challenge.token));
    const asked = responder.hold();
    t.equal((await client.ask(challenge.url, {})).body["status"], "processing");
    await asked;
    await again("while a challenge was looked at");
    const met = await client.until<AcmeAuthorization>(authorization, ["valid", "invalid"]);
    t.equal(met.body.status, "valid", "it was looked at again");
  }
  await again("after the challenges were met");
  t.equal((await client.ask<AcmeOrder>(url, "")).body.status, "ready");

  const names = identifiers.map(({ value }) => value);
  const key = makeAcmeKey();
  const csr = csrFor({ names, key: key.privateKey });
  await client.nonce();
  const lost = client.post(made.body.finalize, { csr }).catch(() => undefined);
  await again("while the order was finalized");
  await lost;
  const asked = await client.ask<AcmeOrder>(made.body.finalize, { csr });
  t.match(asked.body.status, /^(processing|valid)$/, asked.text);
  const order = await client.until<AcmeOrder>(url, ["valid", "invalid"]);
  t.equal(order.body.status, "valid", order.text);
  await again("after it was finalized");
  t.equal((await client.ask<AcmeOrder>(url, "")).body.certificate, order.body.certificate);
  const twice = await client.ask<AcmeOrder>(made.body.finalize, { csr });
  t.equal(twice.body.certificate, order.body.certificate, "one certificate");
  const pem = await client.ask(order.body.certificate ?? "", "");
  const { leaf, der } = readChain(pem.text);
  t.same([...leaf.ipAddresses].toSorted(), names);
  const spki = Buffer.from(leaf.publicKey).subarray(-64);
  const point = [key.jwk.x, key.jwk.y].map((part) => Buffer.from(part ?? "", "base64url"));
  t.same(spki, Buffer.concat(point), "for the key that was asked for");
  t.equal((await client.ask(client.url("revokeCert"), { certificate: der })).status, 200);
  await again("after the certificate was revoked");
  const revoked = await client.ask(client.url("revokeCert"), { certificate: der });
  t.match(revoked.body, { type: /:alreadyRevoked$/ });
});

t.test("a disk that is full while orders are finalized", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), "assay-acme-full-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const data = join(dir, "data");
  using _ = smallDisk(data, 8);
  const { responder, directory, start } = await acmeServer(t, dir);
  let server = await start();
  const client = await AcmeClient.open(directory);
  t.teardown(() => client[Symbol.dispose]());
  await client.register();
  const orders: { readonly url: string; readonly finalize: string; readonly csr: string }[] = [];
  for (let at = 1; at <= 24; at++) {
    const value = `127.0.1.${at}`;
    const made = await client.ask<AcmeOrder>(client.url("newOrder"), {
      identifiers: [{ type: "ip", value }],
    });
    await meet(responder, client, made.body);
    const csr = csrFor({ names: [value] });
    orders.push({ url: made.headers.location ?? "", finalize: made.body.finalize, csr });
  }
  const room = fill(data);
  const told = new Set<string>();
  for (const { finalize, csr } of orders) {
    const { status, body } = await client.ask<AcmeOrder>(finalize, { csr });
    told.add(status === 200 ? body.status : String(status));
    // Enough for one write, or for two, or for none.
    giveBack(data, 4096);
  }
  t.comment(`told ${[...told].join(", ")}`);
  t.ok(told.has("503"), "come again");
  t.same(
    [...told].filter((each) => !/^(503|processing|valid)$/.test(each)),
    [],
  );
  await server.kill();
  room();
  server = await start();
  const serials = new Set<string>();
  for (const { url, finalize, csr } of orders) {
    const now = async (): Promise<AcmeOrder> => (await client.ask<AcmeOrder>(url, "")).body;
    if ((await now()).status === "ready") await client.ask(finalize, { csr });
    let order = await now();
    while (order.status === "processing") order = await now();
    t.equal(order.status, "valid");
    serials.add(readChain((await client.ask(order.certificate ?? "", "")).text).leaf.serial);
  }
  t.equal(serials.size, orders.length);
  const signed = auditRecords(data).filter(({ action }) => action === "x509.acme");
  t.same(new Set(signed.map(({ subject }) => subject?.serial)), serials, "no other was signed");
  t.comment(`${signed.length} signatures for ${serials.size} certificates`);
});

t.test("a key manager that hangs", async (t) => {
  const bao = await openBao();
  t.teardown(() => bao[Symbol.asyncDispose]());
  await bao.request("POST", "sys/mounts/transit", { type: "transit" });
  const dir = await mkdtemp(join(tmpdir(), "assay-acme-hang-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const tokenFile = join(dir, "token");
  await writeFile(tokenFile, bao.token);
  const vault = { address: bao.address, tokenFile };
  const more = { keyManager: "vault", keyManagers: { vault } };
  const { responder, directory, start } = await acmeServer(t, dir, more);
  let server = await start();
  const client = await AcmeClient.open(directory);
  t.teardown(() => client[Symbol.dispose]());
  await client.register();
  const finalized = async (address: string): Promise<string> => {
    const identifiers = [{ type: "ip", value: address }];
    const made = await client.ask<AcmeOrder>(client.url("newOrder"), { identifiers });
    const [authorization = ""] = made.body.authorizations;
    const { body } = await client.ask<AcmeAuthorization>(authorization, "");
    const challenge = body.challenges.find(({ type }) => type === "http-01");
    if (challenge === undefined) throw new Error("there is no http-01");
    responder.answers.set(challenge.token, client.keyAuthorization(challenge.token));
    await client.ask(challenge.url, {});
    await client.until<AcmeAuthorization>(authorization, ["valid", "invalid"]);
    await bao.freeze();
    const csr = csrFor({ names: [address] });
    const answer = await client.ask<AcmeOrder>(made.body.finalize, { csr });
    t.equal(answer.body.status, "processing", answer.text);
    t.match(answer.headers["retry-after"], /^\d+$/);
    return made.headers.location ?? "";
  };
  const isMade = async (url: string, title: string): Promise<void> => {
    for (let status = "processing"; status !== "valid"; ) {
      ({ status } = (await client.ask<AcmeOrder>(url, "")).body);
      if (status !== "valid" && status !== "processing") return void t.fail(`${title}: ${status}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { certificate = "" } = (await client.ask<AcmeOrder>(url, "")).body;
    t.match((await client.ask(certificate, "")).text, /^-----BEGIN CERTIFICATE-----/, title);
  };
  const first = await finalized("127.0.0.1");
  bao.thaw();
  await isMade(first, "when the key manager answers again");
  const second = await finalized("127.0.0.2");
  await server.kill();
  bao.thaw();
  server = await start();
  await isMade(second, "by the next process");
});

interface Responder {
  readonly port: number;
  readonly answers: Map<string, string>;
  /** The next question is never answered. @returns resolves when it was asked */
  readonly hold: () => Promise<void>;
}

async function startResponder(t: { teardown(work: () => unknown): unknown }): Promise<Responder> {
  const answers = new Map<string, string>();
  let held: (() => void) | undefined;
  const server = createServer(({ url = "" }, response) => {
    const asked = held;
    held = undefined;
    if (asked !== undefined) return asked();
    response.end(answers.get(url.replace("/.well-known/acme-challenge/", "")));
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const hold = (): Promise<void> =>
    new Promise((resolve) => {
      held = resolve;
    });
  return { port, answers, hold };
}
