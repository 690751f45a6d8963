// SVID stores: the contract with `file`, and an agent that keeps what entries ask for. Secrets of a cluster and OpenBao
// pass the same suite in test/trust/stores.test.ts.
import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { FileBackend } from "../../../src/agent/stores/file-backend.ts";
import type { Place } from "../../../src/agent/stores/contract.ts";
import { placeOf } from "../../../src/agent/stores/place.ts";
import { systemRandom } from "../../../src/base/random.ts";
import type { AgentConfig } from "../../../src/config/agent/agent-config.ts";
import { createLogger } from "../../../src/observe/logger.ts";
import { connectUnix } from "../../../src/rpc/channel.ts";
import { parseSelector } from "../../../src/spiffe/selector.ts";
import { refused } from "../../support/refused.ts";
import { until } from "../../support/patience.ts";
import { Domain, id } from "../../support/running.ts";
import { WorkloadClient } from "../../support/workload-client.ts";
import { TestCa } from "../../support/test-ca.ts";
import { checkBackend } from "./conformance.ts";
import { lyingIn } from "./file-lying.ts";

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), "assay-stores-"));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function at(values: Readonly<Record<string, string>>): Place {
  return new Map(Object.entries(values));
}

t.test("the contract: file", async (t) => {
  const base = folder(t);
  await checkBackend(t, {
    backend: new FileBackend({ folder: base, keyMode: 0o600, random: systemRandom }),
    place: (number) => at({ name: `web-${number}` }),
    read: async (place) => lyingIn(`${base}/${place.get("name")}`),
    badPlaces: [
      [at({}), /selector file:name is missing/],
      [at({ name: "a", path: "b" }), /selector type file has no 'path'/],
      [at({ name: ".." }), /selector file:name has no such value/],
      [at({ name: "../etc" }), /no such value/],
      [at({ name: "a/b" }), /no such value/],
      [at({ name: "/etc" }), /no such value/],
      [at({ name: ".hidden" }), /no such value/],
      [at({ name: "a\0b" }), /no such value/],
      [at({ name: "x".repeat(129) }), /no such value/],
    ],
  });
  t.equal(existsSync(`${base}/web-1`), false, "an empty folder goes, too");
});

t.test("where selectors have an SVID go", async (t) => {
  const parse = (...texts: string[]): unknown => placeOf(texts.map(parseSelector));
  t.same(parse("vault:path:a/b"), { store: "vault", place: at({ path: "a/b" }) });
  t.same(parse("x:arn:aws:iam::1"), { store: "x", place: at({ arn: "aws:iam::1" }) });
  for (const [texts, message] of [
    [["file:name:a", "vault:path:b"], /not all of one type/],
    [["file:name:a", "file:name:b"], /file:name stands there twice/],
    [["file:name"], /file:name has no value/],
    [[], /not all of one type/],
  ] as const) {
    t.throws(() => parse(...texts), { message });
  }
});

t.test("an agent stores what entries ask for, renews it, and takes it away", async (t) => {
  const base = folder(t);
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "json",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  await using domain = await Domain.start({}, logger);
  const change = { svidStores: { file: { folder: base, keyMode: "0640" } } };
  let agent = await domain.startAgent(change);
  const entry = (name: string, selectors: readonly string[]): Promise<string> =>
    domain.entry({ path: `/${name}`, selectors, more: { store_svid: true } });
  const serial = (name: string): string =>
    new X509Certificate(readFileSync(`${base}/${name}/svid.pem`)).serialNumber;

  const web = await entry("web", ["file:name:web"]);
  await until("web is stored", () => existsSync(`${base}/web/svid.pem`));
  t.equal(
    new X509Certificate(readFileSync(`${base}/web/svid.pem`)).subjectAltName,
    `URI:${id("/web")}`,
  );
  t.equal(statSync(`${base}/web/key.pem`).mode & 0o777, 0o640);
  await domain.entry({ path: "/mine" });
  {
    using client = new WorkloadClient(agent.socket);
    using watch = client.x509();
    const { svids } = await watch.next();
    t.same(
      svids.map(({ spiffe_id }) => spiffe_id),
      [id("/mine")],
      "no workload gets it",
    );
  }

  const first = serial("web");
  await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: web, dns_names: ["web.example.org"] }],
    input_mask: { dns_names: true },
  });
  await until("web is stored anew", () => serial("web") !== first);

  // Another place: the old one is cleared.
  await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: web, selectors: [{ type: "file", value: "name:moved" }] }],
    input_mask: { selectors: true },
  });
  await until(
    "web has moved",
    () => existsSync(`${base}/moved/svid.pem`) && !existsSync(`${base}/web`),
  );

  // Whom its holder may talk to.
  const partner = await TestCa.create({ trustDomain: "partner.example" });
  await domain.call("bundle.v1.Bundle", "BatchSetFederatedBundle", {
    bundle: [{ trust_domain: "partner.example", x509_authorities: [{ asn1: partner.der }] }],
  });
  using admin = connectUnix(domain.server.socket);
  for (const [name, federates_with] of [
    ["every", ["*"]],
    ["named", ["partner.example"]],
  ] as const) {
    await admin.unary("assay.entry.v1.Entry", "BatchCreateEntry", {
      entries: [
        {
          spiffe_id: { trust_domain: "example.org", path: `/${name}` },
          parent_id: { trust_domain: "example.org", path: "/host" },
          selectors: [{ type: "file", value: `name:${name}` }],
          store_svid: true,
          federates_with,
        },
      ],
    });
    const file = `${base}/${name}/federated/partner.example.pem`;
    await until(`${name} has the foreign bundle`, () => existsSync(file));
    t.same(new X509Certificate(readFileSync(file)).raw, Buffer.from(partner.der));
  }

  // One place for two, a store that there is not, and a name that leads out: each is said, none harms the others.
  await entry("second", ["file:name:moved"]);
  await entry("elsewhere", ["aws_secretsmanager:secretname:web"]);
  const fourth = await entry("fourth", ["file:name:fourth"]);
  await until("fourth is stored", () => existsSync(`${base}/fourth/svid.pem`));
  await until("a store that there is not is said", () =>
    lines.some((line) => line.includes("no SVID store of the entry's type is configured")),
  );
  await until("one place for two is said", () =>
    lines.some((line) => /entry \S+ has its SVID at the same place/.test(line)),
  );
  t.equal(
    new X509Certificate(readFileSync(`${base}/moved/svid.pem`)).subjectAltName?.includes("web"),
    true,
  );

  // What went while the agent was away is taken away when it is back.
  await agent[Symbol.asyncDispose]();
  t.ok(existsSync(`${base}/fourth/svid.pem`), "it stays while the agent is away");
  await domain.deleteEntry(fourth);
  agent = await domain.startAgent({ ...change, joinToken: undefined });
  await until("fourth is taken away", () => !existsSync(`${base}/fourth`));
  await domain.deleteEntry(web);
  await until(
    "second has the place",
    () =>
      existsSync(`${base}/moved/svid.pem`) &&
      /second/.test(
        new X509Certificate(readFileSync(`${base}/moved/svid.pem`)).subjectAltName ?? "",
      ),
  );
  const { svidStores: _, ...config } = await domain.agentConfig();
  t.equal(statSync(`${config.dataDir}/stored-svids.json`).mode & 0o777, 0o600);
  t.notMatch(readFileSync(`${config.dataDir}/stored-svids.json`, "utf8"), /PRIVATE KEY/);
  t.notMatch(lines.join(""), /PRIVATE KEY|BEGIN/);
});

t.test("a store that cannot be written to: said, tried again, and nobody else waits", async (t) => {
  const base = folder(t);
  const lines: string[] = [];
  const logger = createLogger({
    level: "warn",
    format: "json",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  writeFileSync(`${base}/blocked`, "a file");
  await using domain = await Domain.start({}, logger);
  const agent = await domain.startAgent({
    svidStores: { file: { folder: base, keyMode: "0600" } },
  });
  await domain.entry({
    path: "/blocked",
    selectors: ["file:name:blocked"],
    more: { store_svid: true },
  });
  await domain.entry({ path: "/free", selectors: ["file:name:free"], more: { store_svid: true } });
  await until("free is stored", () => existsSync(`${base}/free/svid.pem`));
  await until("blocked is said", () =>
    lines.some((line) => /SVID not stored.*is a link or a file/.test(line)),
  );
  t.equal(readFileSync(`${base}/blocked`, "utf8"), "a file");
  await agent[Symbol.asyncDispose]();
});

t.test("other stores take over while the agent runs", async (t) => {
  const [first, second] = [folder(t), folder(t)];
  const lines: string[] = [];
  const logger = createLogger({
    level: "warn",
    format: "json",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  await using domain = await Domain.start({}, logger);
  const agent = await domain.startAgent();
  const config = await domain.agentConfig();
  const reload = (svidStores: AgentConfig["svidStores"]): Promise<void> =>
    agent.reload(async () => ({ config: { ...config, svidStores }, settings: ["svidStores"] }));
  const cluster = { namespaces: ["a"], apiServer: "", caFile: "", tokenFile: "" };
  const file = (at: string) => ({ file: { folder: at, keyMode: "0600" } });
  const web = await domain.entry({
    path: "/web",
    selectors: ["file:name:web"],
    more: { store_svid: true },
  });
  await until("it asks for a store", () =>
    lines.some((line) => line.includes("set it in svidStores")),
  );
  await reload(file(first));
  await until("web is in the first", () => existsSync(`${first}/web/svid.pem`));
  const before = readFileSync(`${first}/web/svid.pem`, "utf8");

  await reload(file(second));
  await until("web is in the second", () => existsSync(`${second}/web/svid.pem`));
  t.equal(readFileSync(`${second}/web/svid.pem`, "utf8"), before, "not signed anew for that");
  t.ok(existsSync(`${first}/web/svid.pem`), "what lies elsewhere stays");

  await refused(
    t,
    reload({ ...file(first), kubernetesSecret: { ...cluster, kubeconfig: "/nowhere" } }),
    {},
    "none changes when one does not do",
  );
  await domain.deleteEntry(web);
  await until("web is gone", () => !existsSync(`${second}/web`));
  await Promise.all([reload(file(first)), reload({}), reload(file(second))]);
  await domain.entry({
    path: "/next",
    selectors: ["file:name:next"],
    more: { store_svid: true },
  });
  await until("next is in the second", () => existsSync(`${second}/next/svid.pem`));
  t.notOk(existsSync(`${first}/next`));
  await reload({});
  await until("what lies there is said", () =>
    lines.some((line) => line.includes("lies in a store that is not configured")),
  );
});

t.test("a list of stored SVIDs that cannot be read is said, and no end", async (t) => {
  const base = folder(t);
  const lines: string[] = [];
  const logger = createLogger({
    level: "warn",
    format: "json",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  await using domain = await Domain.start({}, logger);
  const { dataDir } = await domain.agentConfig();
  const change = { svidStores: { file: { folder: base, keyMode: "0600" } } };
  const agent = await domain.startAgent(change);
  await agent[Symbol.asyncDispose]();
  for (const text of ["{", "[{}]", '[{"entryId":"a","selectors":[]}]', "7"]) {
    writeFileSync(`${dataDir}/stored-svids.json`, text);
    chmodSync(`${dataDir}/stored-svids.json`, 0o600);
    lines.length = 0;
    const again = await domain.startAgent({ ...change, joinToken: undefined });
    t.ok(
      lines.some((line) => line.includes("the list of stored SVIDs cannot be read")),
      text,
    );
    await again[Symbol.asyncDispose]();
  }
  t.same(readdirSync(base), []);
});
