/** `assay init-certificate` as its users meet it: before a service, beside it, and when it may not (T6, T7, T8). */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:https";
import type { AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { Networks } from "../../src/base/networks.ts";
import {
  BUILT_IN_PROFILES,
  type CertificateProfile,
} from "../../src/config/certificate-profiles.ts";
import { checkAnswer } from "../../src/cli/init-certificate/request.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { readAuditLog } from "../support/audit-records.ts";
import { Domain, OWN_SELECTOR } from "../support/running.ts";
import { TestCa } from "../support/test-ca.ts";
import { type Ran, emptyEnvironment, run, start, temporaryFolder } from "./program.ts";

const folder = temporaryFolder();
const dir = folder.path;
const domain = await Domain.start({
  frontends: {
    certificates: {
      set: "trust-domain",
      profile: "spiffe",
      ttlSeconds: 0,
      networks: new Map([["/", Networks.parse(["127.0.0.0/8"])]]),
      clusters: new Map(),
    },
  },
});
const { server } = await domain.agentConfig();
await domain.startAgent();
const bundle = await domain.bundleFile();
const env: NodeJS.ProcessEnv = { ...emptyEnvironment(dir), ASSAY_SERVER: server };
t.teardown(async () => {
  await domain[Symbol.asyncDispose]();
  folder.remove();
});

let made = 0;

/** A token for an entry of its own. */
async function onceToken(domain: Domain): Promise<string> {
  made += 1;
  const entryId = `vm${made}`;
  const parent_id = { trust_domain: "example.org", path: "/spire/once" };
  const more = { id: entryId, parent_id, dns_names: [`${entryId}.test`] };
  await domain.entry({ path: `/${entryId}`, selectors: [`token:once:entry:${entryId}`], more });
  using admin = connectUnix(`${domain.dir}/server.sock`);
  const request = { entry_id: entryId, ttl: 600 };
  const { token } = await admin.unary<{ token: string }>(
    "assay.token.v1.OneTime",
    "Create",
    request,
  );
  const file = `${dir}/${entryId}.token`;
  writeFileSync(file, token);
  return file;
}

const init = (...args: readonly string[]): Promise<Ran> =>
  run(["init-certificate", ...(args.includes("--wait") ? [] : ["--wait", "5m"]), ...args], env);

async function viaOnce(): Promise<readonly string[]> {
  return ["--via", "once", "--token-file", await onceToken(domain), "--trust-bundle", bundle];
}

function certificateIn(where: string): X509Certificate {
  return new X509Certificate(readFileSync(`${where}/cert.pem`));
}

/** What a client that knows the bundle alone gets from a service with these files. */
async function reach(t: Test, where: string, host: string): Promise<string> {
  const service = createServer({
    cert: readFileSync(`${where}/cert.pem`),
    key: readFileSync(`${where}/key.pem`),
  });
  service.on("request", (_request, response) => response.end("hello"));
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  t.teardown(() => service.close());
  const { port } = service.address() as AddressInfo;
  const ca = readFileSync(`${where}/bundle.pem`);
  // Connects to the one address that there is, and verifies as if it had asked for the other.
  const request = get({
    host: "127.0.0.1",
    port,
    ca,
    agent: false,
    servername: "",
    checkServerIdentity: (_host, { raw }) =>
      new X509Certificate(raw).checkIP(host) === undefined
        ? new Error(`not for ${host}`)
        : undefined,
  });
  const [response] = (await once(request, "response")) as [AsyncIterable<Buffer>];
  let text = "";
  for await (const part of response) text += part.toString();
  return text;
}

t.test("T6, T8: files for a service that is known by its address", async (t) => {
  const where = `${dir}/volume/web`;
  const ran = await init(
    "--dir",
    where,
    ...(await viaOnce()),
    "--ip-address",
    "127.0.0.2",
    "--key-mode",
    "0640",
  );
  t.match(
    ran,
    { code: 0, out: /wrote .*DNS:vm1\.test, IP Address:127\.0\.0\.2, URI:spiffe:/ },
    ran.err,
  );
  t.equal(statSync(`${where}/key.pem`).mode & 0o777, 0o640);
  t.equal(statSync(`${where}/cert.pem`).mode & 0o777, 0o644);
  t.same(
    readdirSync(`${where}/current/`).sort(),
    ["bundle.pem", "cert.pem", "key.pem"],
    "and nothing else",
  );
  const certificate = certificateIn(where);
  t.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(`${where}/key.pem`))));
  t.notOk(certificate.ca);
  t.equal(readFileSync(`${where}/bundle.pem`, "utf8"), readFileSync(bundle, "utf8"));
  t.equal(await reach(t, where, "127.0.0.2"), "hello");
  await t.rejects(
    reach(t, where, "127.0.0.3"),
    { message: /not for/ },
    "it is not for another address",
  );
});

t.test("by the agent's SVID, which it waits for", async (t) => {
  const where = `${dir}/near`;
  const args = ["--dir", where, "--socket", `${domain.dir}/api.sock`, "--ip-address", "127.0.0.9"];
  t.match(await init(...args, "--wait", "0s"), { code: 1, err: /no identity/ });
  const [ran] = await Promise.all([
    init(...args, "--output", "json"),
    domain.entry({ path: "/near", more: { dns_names: ["near.test"] } }),
  ]);
  t.equal(ran.code, 0, ran.err);
  t.match(JSON.parse(ran.out), {
    dir: where,
    names: ["DNS:near.test", "IP Address:127.0.0.9", "URI:spiffe://example.org/near"],
  });
  t.equal(await reach(t, where, "127.0.0.9"), "hello");
});

t.test("by the agent's SVID of a family's member", async (t) => {
  const uid = process.geteuid?.();
  using admin = connectUnix(`${domain.dir}/server.sock`);
  const { results } = await admin.unary<{ results: { entry: { id: string } }[] }>(
    "assay.template.v1.Templates",
    "BatchCreateEntry",
    {
      entries: [
        {
          entry: {
            spiffe_id: { trust_domain: "example.org", path: "/u" },
            parent_id: { trust_domain: "example.org", path: "/host" },
            selectors: [parseSelector(OWN_SELECTOR)],
            dns_names: ["users.test"],
          },
          template: { id: "spiffe://example.org/u/{{unix.uid}}", trust_agent: true },
        },
      ],
    },
  );
  const where = `${dir}/member`;
  const socket = ["--socket", `${domain.dir}/api.sock`];
  const args = ["--dir", where, ...socket, "--spiffe-id", `spiffe://example.org/u/${uid}`];
  const ran = await init(...args);
  t.match(ran, { code: 0 }, ran.err);
  t.equal(certificateIn(where).subjectAltName, `DNS:users.test, URI:spiffe://example.org/u/${uid}`);
  await domain.deleteEntry(results[0]?.entry.id ?? "");
});

t.test("what is refused leaves no file, and says the next step", async (t) => {
  const token = await viaOnce();
  const where = `${dir}/refused`;
  const ca = await TestCa.create();
  const foreign = `${dir}/foreign.pem`;
  writeFileSync(foreign, ca.pem);
  const bad = `${dir}/bad.token`;
  writeFileSync(bad, "once-x");
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["--dir", where, ...token, "--ip-address", "10.0.0.1"], 1, /10\.0\.0\.1 is in no network/],
    [["--dir", where, ...token, "--dns-name", "db.test"], 1, /dns name db\.test is none of entry/],
    [
      ["--dir", where, "--via", "once", "--token-file", bad, "--trust-bundle", bundle],
      1,
      /gives no certificate here/,
    ],
    [
      ["--dir", where, "--via", "once", "--token-file", `${dir}/none`, "--trust-bundle", bundle],
      1,
      /there is no file .*\/none$/m,
    ],
    [
      ["--dir", where, "--via", "once", "--token-file", bundle, "--trust-bundle", bundle],
      1,
      /is no token|no one-time token/,
    ],
    [
      ["--dir", where, ...token.slice(0, 4), "--trust-bundle", foreign, "--wait", "0s"],
      1,
      /signed by no authority of the trust bundle/,
    ],
    [
      ["--dir", where, ...token, "--trust-domain", "other.org", "--wait", "0s"],
      1,
      /not spiffe:\/\/other\.org/,
    ],
    [["--dir", where, ...token, "--server", "127.0.0.1:1", "--wait", "0s"], 1, /127\.0\.0\.1:1/],
    [["--dir", "/proc/1/x", ...token], 1, /\/proc\/1/],
    [["--dir", where, "--via", "once"], 2, /needs --trust-bundle; .assay bundle show > FILE./],
    [
      ["--dir", where, "--via", "pod", "--trust-bundle", bundle],
      2,
      /needs --cluster; it is named as/,
    ],
    [
      ["--dir", where, "--via", "once", "--trust-bundle", bundle],
      2,
      /needs --token-file; .assay token generate --entry ID --write FILE./,
    ],
    [["--dir", where, ...token, "--cluster", "demo"], 2, /--via pod only/],
    [["--dir", where, ...token, "--socket", "/x"], 2, /--socket has no meaning/],
    [["--dir", where, "--token-file", bad], 2, /with --via pod, oidc or once only/],
    [["--dir", where, "--via", "magic"], 2, /agent or pod or oidc or once/],
    [["--dir", where, ...token, "--key-mode", "999"], 2, /--key-mode/],
    [[...token], 2, /--dir is missing/],
  ];
  for (const [args, code, message] of cases) {
    const ran = await init(...args);
    t.equal(ran.code, code, `${args.join(" ")}: ${ran.err}`);
    t.match(ran.err, message);
    t.notOk(existsSync(`${where}/cert.pem`), args.join(" "));
  }
  t.match(await init("--dir", where, ...token), { code: 0 }, "and the token still counts");
});

t.test("an answer that is not what was asked for is not written", async (t) => {
  const now = Math.floor(Date.now() / 1000);
  const life = { notBefore: now - 10, notAfter: now + 3600 };
  const ca = await TestCa.create(life);
  const other = await TestCa.create(life);
  const below = await ca.intermediate(life);
  const leaf = await below.leaf({ ...life, dnsNames: ["web.test"] });
  const late = await ca.leaf({ ...life, notAfter: now - 5, dnsNames: ["web.test"] });
  const wanted = {
    keyType: "ec-p256",
    dnsNames: ["Web.test"],
    ipAddresses: [],
    ttlSeconds: 0,
  } as const;
  const bundle = [Buffer.from(ca.der)];
  const chain = [leaf.der, below.der].map((der) => Buffer.from(der));
  const good = { chain, bundle, dns_names: ["web.test"], ip_addresses: [], server_bundle: [] };
  t.match(await checkAnswer(good, leaf.pkcs8, wanted), { serialNumber: /^[0-9a-f]+$/ });
  const cases: readonly (readonly [string, object, Uint8Array, RegExp])[] = [
    ["no certificate", { chain: [] }, leaf.pkcs8, /it has no certificate/],
    ["no certificate's bytes", { chain: [Buffer.from("x")] }, leaf.pkcs8, /cannot be used/],
    ["another key", {}, late.pkcs8, /for another key/],
    ["another root", { bundle: [Buffer.from(other.der)] }, leaf.pkcs8, /does not fit its issuer/],
    ["no intermediate", { chain: chain.slice(0, 1) }, leaf.pkcs8, /no authority/],
    ["an old one", { chain: [Buffer.from(late.der)] }, late.pkcs8, /expired/],
    ["less than it says", { dns_names: ["db.test"] }, leaf.pkcs8, /not for db\.test/],
    ["no address", { ip_addresses: ["10.0.0.1"] }, leaf.pkcs8, /not for 10\.0\.0\.1/],
  ];
  for (const [name, change, key, message] of cases) {
    await t.rejects(
      checkAnswer({ ...good, ...change }, key, wanted),
      { kind: "internal", message },
      name,
    );
  }
  const less = checkAnswer(good, leaf.pkcs8, { ...wanted, ipAddresses: ["10.0.0.1"] });
  await t.rejects(
    less,
    { kind: "internal", message: /not for 10\.0\.0\.1/ },
    "less than was asked for",
  );
});

t.test("--renew stays, and renews a one-time token's certificate by itself", async (t) => {
  const where = `${dir}/sidecar`;
  const args = [...(await viaOnce()), "--ip-address", "127.0.0.4", "--ttl", "20s", "--renew"];
  const log = `${dir}/told`;
  const sidecar = start(
    [
      "init-certificate",
      "--dir",
      where,
      ...args,
      "--run",
      `cat ${where}/key.pem >> ${log}; echo >> ${log}.times`,
    ],
    env,
  );
  t.teardown(() => sidecar.stop("SIGKILL"));
  await sidecar.said(/(wrote[^]*){3}/);
  const { validToDate } = certificateIn(where);
  t.ok(validToDate.getTime() > Date.now(), "the files are of now");
  t.ok(certificateIn(where).checkIP("127.0.0.4") !== undefined);
  t.match(await sidecar.stop(), { code: 0, err: "" });
  const again = await init("--dir", where, ...args.slice(0, -1));
  t.match(again, { code: 0 }, "after a restart its files are its proof, the token being spent");
  const keys = new Set(readFileSync(log, "utf8").split("-----BEGIN PRIVATE KEY-----").slice(1));
  t.ok(keys.size >= 2, "a key of its own each time");
  const records = await readAuditLog(`${domain.dir}/server`);
  const entryId = `vm${made}`;
  const rules = records.flatMap(({ kind, subject }) =>
    kind === "issuance" && subject?.entryId === entryId ? [subject.rule] : [],
  );
  t.same(rules.slice(0, 3), ["once", "svid", "svid"]);
});

t.test("--renew of another set's certificate, which names no SPIFFE ID", async (t) => {
  const profile = { ...BUILT_IN_PROFILES.get("server-7d"), ttlSeconds: 20, maxTtlSeconds: 60 };
  await using web = await Domain.start({
    authoritySets: new Map([
      [
        "web",
        { keyType: "ec-p256", ttlSeconds: 86_400, upstreamAuthority: {}, profiles: ["short"] },
      ],
    ]),
    certificateProfiles: new Map([["short", profile as CertificateProfile]]),
    frontends: {
      certificates: {
        set: "web",
        profile: "short",
        ttlSeconds: 0,
        networks: new Map([["/", Networks.parse(["::1"])]]),
        clusters: new Map(),
      },
    },
  });
  const { server } = await web.agentConfig();
  const where = `${dir}/web`;
  const file = `${dir}/bundle-of-web.pem`;
  writeFileSync(file, readFileSync(await web.bundleFile()));
  const args = ["--via", "once", "--token-file", await onceToken(web), "--trust-bundle", file];
  const all = ["--dir", where, "--server", server, ...args, "--ip-address", "::1"];
  const sidecar = start(["init-certificate", ...all, "--renew"], env);
  t.teardown(() => sidecar.stop("SIGKILL"));
  await sidecar.said(/(wrote[^]*){3}/);
  const { subjectAltName = "" } = certificateIn(where);
  t.equal(subjectAltName, `DNS:vm${made}.test, IP Address:0:0:0:0:0:0:0:1`);
  t.equal(await reach(t, where, "::1"), "hello", "known by its IPv6 address");
  t.match(await sidecar.stop(), { code: 0, err: "" });
  t.match(await init(...all), { code: 0 }, "after a restart its files are its proof");
  const records = await readAuditLog(`${web.dir}/server`);
  const rules = records.flatMap(({ kind, subject }) =>
    kind === "issuance" && subject?.entryId === `vm${made}` ? [subject.rule] : [],
  );
  t.same(rules.slice(0, 3), ["once", "certificate", "certificate"]);
});
