/** Every error of RFC 8555 §6.7 that is no request's own fault, nonces, other chains, TLS and authority sets. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { Certificates } from "../../../src/server/frontends/acme/certificates.ts";
import { Nonces } from "../../../src/server/frontends/acme/nonces.ts";
import type { AccountRequest } from "../../../src/server/frontends/acme/request.ts";
import { Validations } from "../../../src/server/frontends/acme/validations.ts";
import { AcmeUrls } from "../../../src/server/frontends/acme/urls.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import {
  type AcmeAuthorization,
  AcmeClient,
  type AcmeOrder,
  type AcmeProblemBody,
  type AcmeReply,
} from "../../support/acme-client.ts";
import { csrFor } from "../../support/csr.ts";
import { TestCa } from "../../support/test-ca.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { startDnsServer } from "../../support/dns-server.ts";
import { freePort } from "../../support/free-port.ts";
import { type TestServer, startTestServer } from "../../support/server.ts";
import { sampleAuthorization, sampleChallenge } from "../datastore/acme-samples.ts";
import { PROVISION } from "./provision-rig.ts";
import { WEB, acmeConfig, acmeRig, issue, meet, problem, readChain } from "./acme-rig.ts";

t.test("nonces: once each, of this process, and not older than the window", (t) => {
  const nonces = new Nonces({ random: systemRandom, window: 16 });
  const first = nonces.make();
  t.equal(nonces.use(first), "fresh");
  t.equal(nonces.use(first), "spent");
  const others = Array.from({ length: 16 }, () => nonces.make());
  t.equal(new Set(others).size, 16);
  for (const nonce of others) t.equal(nonces.use(nonce), "fresh");
  for (const nonce of others) t.equal(nonces.use(nonce), "spent");
  const late = nonces.make();
  for (let at = 0; at < 16; at++) nonces.make();
  t.equal(nonces.use(late), "spent", "too old");
  t.equal(new Nonces({ random: systemRandom }).use(nonces.make()), "foreign");
  for (const odd of ["", "x", `${nonces.make()}A`, nonces.make().slice(0, -1), "=".repeat(32)]) {
    t.equal(nonces.use(odd), "malformed", odd);
  }
  const bytes = Buffer.from(nonces.make(), "base64url");
  for (let bit = 6 * 8; bit < bytes.length * 8; bit++) {
    const forged = Buffer.from(bytes);
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    t.equal(nonces.use(forged.toString("base64url")), "malformed", `bit ${bit}`);
  }
  t.equal(nonces.use(bytes.toString("base64url")), "fresh");
  t.end();
});

t.test("RFC 8555 §6.7: what is said of challenges that are not met", async (t) => {
  const rig = await acmeRig(t);
  const { dns } = rig;
  dns.zone.set("refused.example.org", { a: ["10.9.9.9"] });
  dns.zone.set("broken.example.org", { rcode: 2 });
  const client = await rig.client();
  const cases: [string, string, string, string][] = [
    ["no such name", "gone.example.org", "http-01", "dns"],
    ["a resolver that fails", "broken.example.org", "http-01", "dns"],
    ["an address that is refused", "refused.example.org", "http-01", "connection"],
    ["nobody there", "a.example.org", "tls-alpn-01", "connection"],
    ["another answer", "b.example.org", "http-01", "incorrectResponse"],
    ["no record", "c.example.org", "dns-01", "unauthorized"],
  ];
  for (const [title, name, type, want] of cases) {
    const order = await client.order([name]);
    const [url = ""] = order.body.authorizations;
    const { body } = await client.post<AcmeAuthorization>(url, "");
    const challenge = body.challenges.find((each) => each.type === type);
    rig.answers.set(challenge?.token ?? "", "another answer");
    const begun = await client.post(challenge?.url ?? "", {});
    t.match(begun.headers["retry-after"], /^\d+$/, title);
    const { body: failed } = await client.until<AcmeAuthorization>(url, ["invalid", "valid"]);
    t.match(failed.challenges[0]?.error, {
      type: `urn:ietf:params:acme:error:${want}`,
      detail: String,
      status: Number,
      identifier: { type: "dns", value: name },
    });
  }
});

t.test("an account may have so many pending authorizations, and others go on", async (t) => {
  const rig = await acmeRig(t);
  const client = await rig.client();
  const block = (at: number): string[] => Array.from({ length: 100 }, (_, i) => `127.0.${at}.${i}`);
  for (const at of [0, 1, 2]) t.equal((await client.order(block(at))).status, 201);
  const reply = (await client.order(block(3))) as unknown as AcmeReply<AcmeProblemBody>;
  problem(t, reply, ["rateLimited", 429], "the three hundred and first");
  t.match(reply.headers["retry-after"], /^\d+$/);
  t.equal((await client.order(block(1))).status, 201, "those that are there are used again");
  t.equal((await (await rig.client()).order(block(3))).status, 201, "another account");
});

t.test("what cannot be signed now stays ready, and says when to come again", async (t) => {
  // Its root is in a safe, and has signed nothing yet.
  const web = { ...WEB, upstreamAuthority: { offline: {} } };
  const rig = await acmeRig(t, {
    acme: { set: "web" },
    server: { authoritySets: new Map([["web", web]]) },
  });
  const client = await rig.client();
  const order = await client.order(["a.example.org"]);
  t.equal(order.status, 201, order.text);
  await meet(rig, client, order.body);
  const csr = csrFor({ names: ["a.example.org"] });
  const reply = await client.post<AcmeProblemBody>(order.body.finalize, { csr });
  problem(t, reply, ["serverInternal", 503], "no authority yet");
  t.match(reply.headers["retry-after"], /^\d+$/);
  const shown = await client.post(order.headers.location ?? "", "");
  t.equal(shown.body["status"], "ready");
});

t.test("RFC 8555 §7.4: the certificate has the times of its order", async (t) => {
  const rig = await acmeRig(t, {
    acme: { set: "web" },
    server: { authoritySets: new Map([["web", WEB]]) },
  });
  const { clock } = rig.server;
  clock.step(7200 * 1000);
  const client = await rig.client();
  const now = Math.floor(clock.nowMs() / 1000);
  const text = (seconds: number): string => new Date(seconds * 1000).toISOString();
  for (const [begin, end] of [
    [-600, 86_400],
    [0, 3600],
    [240, undefined],
  ] as const) {
    const asked = {
      notBefore: text(now + begin),
      ...(end === undefined ? {} : { notAfter: text(now + end) }),
    };
    const { order, pem } = await issue(rig, client, ["a.example.org"], asked);
    const { leaf } = readChain(pem);
    t.equal(leaf.notBefore, now + begin);
    t.equal(leaf.notAfter, now + (end ?? begin + 7 * 86_400));
    const shown = order.body as AcmeOrder & { readonly notBefore?: string };
    t.same([shown.notBefore, shown.notAfter], [asked.notBefore, asked.notAfter].map(shortTime));
  }
  const whole = { notBefore: text(now - 600), notAfter: text(now - 599 + 7 * 86_400) };
  const long = await client.post<AcmeProblemBody>(client.url("newOrder"), {
    identifiers: [{ type: "dns", value: "a.example.org" }],
    ...whole,
  });
  problem(t, long, ["malformed", 400], "longer than the profile has it, from its begin on");
});

t.test(
  "a set of its own: its authority signs, for the profile's life, and not SPIFFE IDs",
  async (t) => {
    const rig = await acmeRig(t, {
      acme: { set: "web", profiles: ["server-90d", "server-7d"] },
      server: { authoritySets: new Map([["web", WEB]]) },
    });
    const client = await rig.client();
    const lives: [object, number][] = [
      [{}, 90 * 24 * 3600],
      [{ profile: "server-7d" }, 7 * 24 * 3600],
    ];
    const roots = await rig.server.rootsPem();
    for (const [fields, seconds] of lives) {
      const { pem } = await issue(rig, client, ["a.example.org"], fields);
      const { leaf, chain } = readChain(pem);
      t.ok(Math.abs(leaf.notAfter - leaf.notBefore - seconds) <= 60, `${seconds} s`);
      t.equal(chain.length, 2, "with its root: some clients want two");
      t.notOk(roots.includes(encodePem("CERTIFICATE", chain[1]?.raw ?? new Uint8Array())));
    }
    const end = new Date(rig.server.clock.nowMs() + 48 * 3600 * 1000).toISOString();
    const { order, pem } = await issue(rig, client, ["a.example.org"], { notAfter: end });
    t.equal(order.body.notAfter, end.replace(/\.\d+Z$/, "Z"));
    const asked = Math.floor(Date.parse(end) / 1000);
    t.ok(Math.abs(readChain(pem).leaf.notAfter - asked) <= 1, "the end that was asked for");

    const made = await client.order(["b.example.org"], { notAfter: end });
    await meet(rig, client, made.body);
    rig.server.clock.step(asked * 1000 - rig.server.clock.nowMs());
    const csr = csrFor({ names: ["b.example.org"] });
    const late = await client.post<AcmeProblemBody>(made.body.finalize, { csr });
    problem(t, late, ["malformed", 400], "no life is left, which is not the profile's own");
  },
);

t.test("TLS, and an address with a path", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "assay-acme-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const ca = await TestCa.create({ notBefore: NOW - 60, notAfter: NOW + 3600 });
  const leaf = await ca.leaf({
    uris: [],
    dnsNames: ["localhost"],
    notBefore: NOW - 60,
    notAfter: NOW + 3600,
  });
  const [certificateFile, keyFile] = ["tls.crt", "tls.key"].map((name) => join(dir, name));
  if (certificateFile === undefined || keyFile === undefined) throw new Error("two files");
  writeFileSync(certificateFile, leaf.certPem);
  writeFileSync(keyFile, leaf.keyPem);
  const port = 20_000 + Math.floor(systemRandom.unit() * 20_000);
  await acmeRig(t, {
    acme: {
      listen: { host: "127.0.0.1", port },
      url: `https://localhost:${port}/pki`,
      tls: { kind: "files", certificateFile, keyFile },
    },
  });
  const pem = encodePem("CERTIFICATE", ca.der);
  const client = await AcmeClient.open(`https://localhost:${port}/pki/directory`, { ca: pem });
  t.teardown(() => client[Symbol.dispose]());
  t.equal(client.directory["newNonce"], `https://localhost:${port}/pki/acme/new-nonce`);
  t.equal((await client.register()).status, 201);
  t.match(client.kid, /\/pki\/acme\/account\//);
  t.equal((await client.post(client.kid, "")).status, 200);
  t.equal((await client.get(`https://localhost:${port}/directory`)).status, 404);
});

t.test("challenges: so many at once, fewer of one account, and none lost at the end", async (t) => {
  const clock = new VirtualClock();
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  const running = new Map<string, number>();
  let most = 0;
  const held: (() => void)[] = [];
  const validations = new Validations({
    store,
    validator: {
      async validate({ accountUri, signal }) {
        running.set(accountUri, (running.get(accountUri) ?? 0) + 1);
        most = Math.max(
          most,
          [...running.values()].reduce((a, b) => a + b, 0),
        );
        await new Promise<void>((resolve, reject) => {
          held.push(resolve);
          signal.addEventListener("abort", () => reject(new Error("aborted")));
        });
        running.set(accountUri, (running.get(accountUri) ?? 1) - 1);
        return undefined;
      },
    },
    limits: { failed: () => undefined },
    urls: new AcmeUrls("https://acme.example.org"),
    settings: () => ({ authorizationTtlSeconds: 3600 }),
    clock,
    logger: silentLogger,
    metrics: new Metrics(),
  });
  const begin = async (accountId: string, at: number): Promise<void> => {
    const authorization = sampleAuthorization(`${accountId}-${at}`, {
      accountId,
      value: `${at}.example.org`,
      expiresAt: clock.nowMs() / 1000 + 3600,
      challenges: [sampleChallenge({ status: "processing" })],
    });
    await store.transaction((writers) => writers.acme.createAuthorization(authorization));
    validations.start({ authorization, type: "http-01", thumbprint: "x" });
  };
  for (let at = 0; at < 40; at++) await begin("greedy", at);
  t.equal(most, 16, "of one account");
  for (const account of ["b", "c", "d", "e"]) {
    for (let at = 0; at < 14; at++) await begin(account, at);
  }
  t.equal(most, 64, "in all");
  t.equal(validations.waiting, 40 + 56 - 64);
  held.splice(0, 40).forEach((done) => done());
  while ((await store.acme.processing(1000)).length > 56) await new Promise(setImmediate);
  t.equal(most, 64);
  await validations[Symbol.asyncDispose]();
  const left = await store.acme.processing(1000);
  t.equal(left.length, 56, "what was not looked at to its end is there for the next process");
});

t.test("RFC 8555 §7.4.2: other chains of the same certificate", async (t) => {
  const clock = new VirtualClock();
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  const [a, b, c] = ["AAAA", "BBBB", "CCCC"];
  await store.transaction((writers) =>
    writers.acme.createCertificate({
      id: "id",
      accountId: "account",
      orderId: "order",
      serial: "1",
      authorityId: "aa",
      spiffeId: "",
      chain: [a, b],
      alternates: [[a, c], [a]],
      identifiers: [],
      notBefore: 0,
      notAfter: 1,
      replacedBy: "",
      revokedAt: 0,
    }),
  );
  const urls = new AcmeUrls("https://acme.example.org");
  const certificates = new Certificates({
    store,
    urls,
    revoke: async () => undefined,
    issuance: { isWithdrawn: () => false, hasAlternate: (_, [above]) => above !== dropped },
    clock,
    logger: silentLogger,
  });
  let dropped = "none";
  const request = { payload: "", account: { id: "account" } } as AccountRequest;
  const base = urls.certificate("id");
  const link = (url: string): string => `<${url}>;rel="alternate"`;
  const cases: [string, string[], string[]][] = [
    ["", [a, b], [link(`${base}/1`), link(`${base}/2`)]],
    ["1", [a, c], [link(base), link(`${base}/2`)]],
    ["2", [a], [link(base), link(`${base}/1`)]],
  ];
  for (const [alternate, chain, links] of cases) {
    const answer = await certificates.download(request, "id", alternate);
    const pem = chain.map((der) => encodePem("CERTIFICATE", Buffer.from(der, "base64"))).join("");
    t.equal(answer.text?.body, pem);
    t.same(answer.links, links);
  }
  await t.rejects(certificates.download(request, "id", "3"), { message: /no such certificate/ });
  // The others keep their numbers.
  dropped = c;
  t.same((await certificates.download(request, "id", "")).links, [link(`${base}/2`)]);
  t.same((await certificates.download(request, "id", "2")).links, [link(base)]);
  await t.rejects(certificates.download(request, "id", "1"), { message: /no such certificate/ });
});

const NOW = Math.floor(Date.now() / 1000);

/** Why a validation of http-01 failed. */
async function failure(server: TestServer): Promise<string> {
  const { host, port } = server.server.acmeAddress ?? { host: "", port: 0 };
  using client = await AcmeClient.open(`http://${host}:${port}/directory`);
  await client.register({});
  const { body: order } = await client.order(["a.example.org"]);
  const [url = ""] = order.authorizations;
  const { body } = await client.post<AcmeAuthorization>(url, "");
  const challenge = body.challenges.find(({ type }) => type === "http-01");
  await client.post(challenge?.url ?? "", {});
  await client.until(url, ["valid", "invalid"]);
  const failed = await client.post<{ error: AcmeProblemBody }>(challenge?.url ?? "", "");
  return failed.body.error.detail;
}

t.test("the front end provision is no target of validation, whatever is allowed", async (t) => {
  await using dns = await startDnsServer();
  dns.zone.set("a.example.org", { a: ["127.0.0.1"] });
  const port = await freePort();
  const acme = acmeConfig({}, dns, port);
  const provision = { ...PROVISION, listen: { host: "127.0.0.1", port } };
  const server = await startTestServer(t, { config: { frontends: { acme, provision } } });
  t.match(await failure(server), /this server listens there/);
});

t.test("nor is the bundle endpoint, wherever it moved", async (t) => {
  await using dns = await startDnsServer();
  dns.zone.set("a.example.org", { a: ["127.0.0.1"] });
  const port = await freePort();
  const frontends = { acme: acmeConfig({}, dns, port) };
  const server = await startTestServer(t, { config: { frontends } });
  t.match(await failure(server), /refused|ECONNREFUSED|connect/i);
  const move = (to: number | undefined): Promise<void> => {
    const bundleEndpoint = { listen: `127.0.0.1:${to}`, profile: "https_spiffe", refreshHint: 300 };
    const federation = {
      federatesWith: new Map(),
      ...(to === undefined ? {} : { bundleEndpoint }),
    } as ServerConfig["federation"];
    const config = { ...server.config, ...(federation && { federation }) };
    return server.server.reload(async () => ({ config, settings: [] }));
  };
  await move(port);
  t.match(await failure(server), /this server listens there/);
  await move(undefined);
  t.notMatch(await failure(server), /this server listens there/);
});

/** As the server writes it. */
function shortTime(text: string | undefined): string | undefined {
  return text?.replace(".000", "");
}
