import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { parseAddress } from "../../src/config/address.ts";
import { AGENT_SETTINGS } from "../../src/config/agent/agent-settings.ts";
import { buildAgentConfig } from "../../src/config/agent/build-agent.ts";
import { buildServerConfig } from "../../src/config/server/build-server.ts";
import { readConfigFile } from "../../src/config/settings/config-file.ts";
import { formatDuration, parseDuration } from "../../src/config/settings/duration.ts";
import { makePrivateFolder, makeSocketFolder } from "../../src/config/folders.ts";
import { type PathContext, defaultPaths, socketPathOf } from "../../src/config/paths.ts";
import { problemsOf } from "../../src/config/settings/problems.ts";
import { readSecretFile, redacted } from "../../src/config/secret.ts";
import { SERVER_SETTINGS } from "../../src/config/server/server-settings.ts";
import { type SettingTable, isOption } from "../../src/config/settings/setting.ts";
import { Settings } from "../../src/config/settings/source.ts";

const user: PathContext = {
  uid: 1000,
  env: { HOME: "/home/u", XDG_RUNTIME_DIR: "/run/user/1000" },
};
const dir = mkdtempSync(join(tmpdir(), "assay-config-"));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

type Texts = Readonly<Record<string, string>>;

function settings<T extends SettingTable>(
  table: T,
  given: Texts,
  file: Readonly<Record<string, unknown>> = {},
  context = user,
): Settings<T> {
  return new Settings({
    table,
    given: (name) => given[name],
    fromEnv: () => undefined,
    file: { name: "server.yaml", root: file },
    context,
  });
}

function server(given: Texts, context = user, file: Readonly<Record<string, unknown>> = {}) {
  return buildServerConfig(settings(SERVER_SETTINGS, given, file, context), context);
}

function agent(given: Texts, env: Texts = {}, file: Readonly<Record<string, unknown>> = {}) {
  const context = { ...user, env: { ...user.env, ...env } };
  const withServer = { server: "127.0.0.1:8081", ...given };
  return buildAgentConfig(settings(AGENT_SETTINGS, withServer, file, context), context);
}

t.test("default paths: the system's for root, XDG's for everybody else", async (t) => {
  t.same(defaultPaths({ uid: 0, env: { HOME: "/root", XDG_RUNTIME_DIR: "/run/user/0" } }), {
    runtime: "/run/assay",
    serverSocket: "/run/assay/server.sock",
    agentSocket: "/run/assay/agent/api.sock",
    serverData: "/var/lib/assay/server",
    agentData: "/var/lib/assay/agent",
    devData: "/root/.local/state/assay/dev",
  });
  t.match(defaultPaths(user), {
    serverSocket: "/run/user/1000/assay/server.sock",
    agentSocket: "/run/user/1000/assay/agent/api.sock",
    serverData: "/home/u/.local/state/assay/server",
  });
  const bare = defaultPaths({
    uid: 7,
    env: { HOME: "/h", XDG_STATE_HOME: "/s", XDG_RUNTIME_DIR: "relative" },
  });
  t.equal(
    bare.serverSocket,
    join(tmpdir(), "assay-7/server.sock"),
    "relative XDG paths are ignored",
  );
  t.equal(bare.devData, "/s/assay/dev");
});

t.test("socket paths in each form, and those that cannot be", async (t) => {
  t.equal(socketPathOf("unix:///a/b", "--socket"), "/a/b");
  t.equal(socketPathOf("unix:/a/b", "--socket"), "/a/b");
  t.equal(socketPathOf("/a/b", "--socket"), "/a/b");
  t.equal(socketPathOf("b", "--socket"), join(process.cwd(), "b"));
  for (const [text, rule] of [
    ["unix://a/b", /names a host; write unix:\/\/\/path/],
    ["unix:a", /has a relative path/],
    ["tcp://127.0.0.1:1", /TCP endpoints are not served/],
    [`/${"x".repeat(200)}`, /the socket path has 201 bytes and the system allows 10[37]/],
  ] as const) {
    t.throws(() => socketPathOf(text, "--socket"), { kind: "invalid", message: rule }, text);
  }
});

t.test("a server's defaults", async (t) => {
  t.match(server({}), {
    trustDomain: "example.org",
    dataDir: "/home/u/.local/state/assay/server",
    listen: "127.0.0.1:8081",
    socket: "/run/user/1000/assay/server.sock",
    keyManager: {
      kind: "disk",
      keyFile: "/home/u/.local/state/assay/server/keys.key",
      keyText: undefined,
    },
    ca: { keyType: "ec-p256", ttlSeconds: 86_400, jwtIssuer: "" },
    ttl: { x509SvidSeconds: 3600, jwtSvidSeconds: 300, agentSvidSeconds: 3600 },
    limits: { attestPerSecond: 1, signPerSecond: 500 },
    logLevel: "info",
    logFormat: "text",
  });
});

t.test("a server's settings that cannot be are refused, with the name", async (t) => {
  const cases: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [
      { "trust-domain": "Example" },
      /^--trust-domain: 'Example' is no trust domain: 1 to 255 lower case/,
    ],
    [{ listen: "8081" }, /^--listen: '8081' is not host:port, for example 127.0.0.1:8081$/],
    [{ listen: "h:65536" }, /is not host:port/],
    [{ "x509-ttl": "13h" }, /^--x509-ttl \(13h\) is more than half of ca-ttl \(1d\)/],
    [{ "agent-ttl": "13h" }, /^--agent-ttl/],
    [{ "x509-ttl": "1s" }, /^--x509-ttl: is shorter than 5s$/],
    [{ "ca-ttl": "forever" }, /^--ca-ttl: 'forever' is no duration/],
    [{ "ca-key-type": "rsa-1024" }, /^--ca-key-type: takes ec-p256 or/],
    [{ "sign-limit": "0" }, /^--sign-limit: is a whole number from 1 to/],
    [
      { "key-manager": "memory", "key-file": "/k" },
      /^--key-file has no meaning with key-manager memory/,
    ],
    [{ "log-level": "loud" }, /^--log-level: takes debug or info/],
  ];
  for (const [given, rule] of cases) {
    t.throws(() => server(given), { kind: "invalid", message: rule }, JSON.stringify(given));
  }
  t.match(server({ listen: "[::1]:0", "x509-ttl": "12h" }), { listen: "[::1]:0" });
});

t.test("where the key-encryption key comes from", async (t) => {
  const env = { ...user.env, ASSAY_KEY_ENCRYPTION_KEY: "k" };
  t.match(server({}, { uid: 1000, env }).keyManager, { kind: "disk", keyText: "k" });
  t.throws(() => server({ "key-file": "/k" }, { uid: 1000, env }), {
    message: /both given; leave one out/,
  });
  t.match(server({ "key-file": "/k" }).keyManager, { keyFile: "/k" });
  const credentials = join(dir, "credentials");
  mkdirSync(credentials);
  const unit: PathContext = { uid: 0, env: { ...user.env, CREDENTIALS_DIRECTORY: credentials } };
  t.match(server({}, unit).keyManager, { keyFile: "/var/lib/assay/server/keys.key" }, "not for us");
  writeFileSync(join(credentials, "assay-key"), "k");
  t.match(server({}, unit).keyManager, { keyFile: join(credentials, "assay-key") });
});

t.test("an agent's defaults and forms of bootstrap", async (t) => {
  t.match(agent({}), {
    server: "127.0.0.1:8081",
    socket: "/run/user/1000/assay/agent/api.sock",
    dataDir: "/home/u/.local/state/assay/agent",
    bootstrap: { kind: "stored" },
    joinToken: undefined,
    syncIntervalMs: 5000,
    workloadKeyType: "ec-p256",
    allowedForeignJwtClaims: [],
  });
  const bundle = join(dir, "bundle.pem");
  writeFileSync(bundle, "x");
  t.same(agent({ "trust-bundle": bundle }).bootstrap, { kind: "bundle", file: bundle });
  t.same(agent({ "insecure-bootstrap": "true" }).bootstrap, { kind: "insecure" });
  t.equal(agent({ "sync-interval": "250ms" }).syncIntervalMs, 250);
  t.equal(agent({ "sync-interval": "2s" }).syncIntervalMs, 2000);
  t.equal(agent({}).adminSocket, undefined);
  const sockets = (admin: string) => ({ socket: "/run/x/api/api.sock", "admin-socket": admin });
  t.equal(agent(sockets("/run/x/admin.sock")).adminSocket, "/run/x/admin.sock");
  t.equal(agent(sockets("unix:///run/x/apis/a.sock")).adminSocket, "/run/x/apis/a.sock");
  for (const path of ["/run/x/api/a.sock", "/run/x/b/../api/a.sock"]) {
    t.throws(() => agent(sockets(path)), { message: /^--admin-socket: .* a folder of its own$/ });
  }
  const message = /^--admin-socket: .* is below \/run\/x\/api, .* not in that one$/;
  t.throws(() => agent(sockets("/run/x/api/b/a.sock")), { message });
  t.same(agent({ "allowed-foreign-jwt-claims": "a, b" }).allowedForeignJwtClaims, ["a", "b"]);
});

t.test("an agent's settings that cannot be are refused", async (t) => {
  const bundle = join(dir, "bundle2.pem");
  writeFileSync(bundle, "x");
  const both = { "trust-bundle": bundle, "insecure-bootstrap": "true" };
  t.throws(() => agent(both), { message: /both given; leave one out/ });
  t.throws(() => agent({ "trust-bundle": join(dir, "none") }), {
    kind: "not_found",
    message: /assay bundle show >/,
  });
  t.throws(() => agent({ server: "host" }), { message: /is not host:port/ });
  t.throws(() => agent({ server: "host:0" }), { message: /is not host:port/ });
  t.throws(() => buildAgentConfig(settings(AGENT_SETTINGS, {}), user), {
    message: /^--server is missing/,
  });
  t.throws(() => agent({ "join-token": "a" }, { ASSAY_JOIN_TOKEN: "b" }), {
    message: /^--join-token and ASSAY_JOIN_TOKEN are both given/,
  });
});

t.test("a join token by option, environment and file; never in an error", async (t) => {
  const file = join(dir, "token");
  t.equal(agent({ "join-token": "abc" }).joinToken, "abc");
  t.equal(agent({}, { ASSAY_JOIN_TOKEN: "abc" }).joinToken, "abc");
  writeFileSync(file, "abc\n");
  t.equal(agent({ "join-token-file": file }).joinToken, "abc");
  t.equal(agent({ "join-token-file": `${file}-deleted` }).joinToken, undefined, "spent, deleted");
  for (const [text, rule] of [
    ["", /is empty$/],
    ["secret-1\nsecret-2", /has more than one line$/],
    ["s".repeat(70_000), /is larger than 65536 bytes/],
  ] as const) {
    writeFileSync(file, text);
    t.throws(() => readSecretFile(file, "--join-token-file"), { message: rule });
    t.throws(() => readSecretFile(file, "--join-token-file"), { message: /^(?!.*secret-)/ });
  }
  t.throws(() => readSecretFile(join(dir, "no"), "--x"), {
    message: /^--x: there is no file \S+$/,
  });
});

t.test("secrets are not printed", async (t) => {
  const config = { ...agent({ "join-token": "tell-nobody" }), deep: [{ keyText: "tell-nobody" }] };
  const text = JSON.stringify(redacted(config));
  t.notMatch(text, /tell-nobody/);
  t.equal(text.match(/\[redacted\]/g)?.length, 2);
});

t.test("a configuration file: YAML or JSON, one mapping", async (t) => {
  const file = join(dir, "file.yaml");
  const read = async (text: string) => {
    writeFileSync(file, text);
    return (await readConfigFile(file)).root;
  };
  t.same(await read("trustDomain: a.org # why\nx509Ttl: 90\n"), {
    trustDomain: "a.org",
    x509Ttl: 90,
  });
  t.same(await read('{"insecureBootstrap": true}'), { insecureBootstrap: true });
  t.same(await read(""), {});
  for (const [text, rule] of [
    ["- a", /is not a mapping/],
    ["trustDomain: a\ntrustDomain: b", /key 'trustDomain' stands twice in one mapping$/],
    ['{"a": {"b": 1, "b": 2}}', /key 'b' stands twice in one mapping$/],
    ["a: &x [1]\nb: *x", /aliases \(\*name\) are not read$/],
    ["a: !secret b", /is neither YAML nor JSON: Unresolved tag/],
    ["a: 1\n---\nb: 2", /is neither YAML nor JSON/],
    [`a: ${"[".repeat(20_000)}`, /is neither YAML nor JSON/],
    ["{", /is neither YAML nor JSON/],
    [`trustDomain: ${"x".repeat(1_100_000)}`, /is larger than/],
  ] as const) {
    await t.rejects(read(text), { kind: "invalid", message: rule }, text.slice(0, 30));
  }
  t.same(Object.keys(await read("__proto__: {a: 1}\nconstructor: 2")), [
    "__proto__",
    "constructor",
  ]);
  const many = Array.from({ length: 60_000 }, (_, index) => `key${index}: 1\n`).join("");
  t.equal(Object.keys(await read(many)).length, 60_000, "in a moment, not in minutes");
  await t.rejects(readConfigFile(join(dir, "none")), {
    kind: "not_found",
    message: /^configuration file: /,
  });
});

t.test("the command line wins over the file, and an error names the place", async (t) => {
  const both = server({ "trust-domain": "a.org" }, user, { trustDomain: "b.org", x509Ttl: "30m" });
  t.match(both, { trustDomain: "a.org", ttl: { x509SvidSeconds: 1800 } });
  t.throws(() => server({}, user, { x509Ttl: "x" }), {
    message: /^x509Ttl in server.yaml: 'x' is no duration/,
  });
});

t.test("all that is wrong is said at once, each thing once", async (t) => {
  const file = {
    "trust-domain": "a.org",
    x509Ttl: true,
    signLimit: "many",
    caTtl: "2h",
    jwtTtl: 4000,
  };
  try {
    server({ listen: "x" }, user, file);
    t.fail("it was taken");
  } catch (error) {
    t.same(problemsOf(error), [
      "trust-domain in server.yaml: is unknown; did you mean 'trustDomain'?",
      "--listen: 'x' is not host:port, for example 127.0.0.1:8081",
      "x509Ttl in server.yaml: is not text; put it in quotes",
      "signLimit in server.yaml: is a whole number from 1 to 1000000, not 'many'",
      "jwtTtl in server.yaml (1h6m) is more than half of ca-ttl (2h), so authorities could not rotate before what they signed ends; lower it or raise --ca-ttl",
    ]);
  }
});

t.test("durations there and back", async (t) => {
  for (const [text, seconds] of [
    ["90", 90],
    ["90s", 90],
    ["5m", 300],
    ["1h30m", 5400],
    ["2d", 172_800],
  ] as const) {
    t.equal(parseDuration(text), seconds, text);
  }
  for (const text of ["", "1w", "-1s", "1.5h", "h", "1h 30m", "99999999999", "9999999999d"]) {
    t.throws(() => parseDuration(text), { kind: "invalid", message: /./ }, text);
  }
  t.same([0, 59, 3600, 5400, 90_061].map(formatDuration), ["0s", "59s", "1h", "1h30m", "1d1h"]);
});

t.test("addresses", async (t) => {
  t.same(parseAddress("a.b:1", "x", { zeroPort: false }), { host: "a.b", port: 1 });
  t.same(parseAddress("[::1]:80", "x", { zeroPort: false }), { host: "::1", port: 80 });
  for (const text of [
    "",
    "a",
    ":1",
    "a:",
    "a:b",
    "::1:80",
    "http://a:1",
    "a:99999",
    "a:0",
    "a b:1",
  ]) {
    t.throws(
      () => parseAddress(text, "x", { zeroPort: false }),
      { kind: "invalid", message: /./ },
      text,
    );
  }
});

t.test("a folder where none can be is refused at once", (t) => {
  t.throws(() => makePrivateFolder("/proc/assay/data", "--data-dir"), {
    kind: "invalid",
    message: "--data-dir: no folder can be made in /proc; choose another place",
  });
  t.throws(() => makePrivateFolder("/dev/null/data", "--data-dir"), { message: /is not a folder/ });
  t.end();
});

t.test("folders are private, and refused when they are not ours alone", async (t) => {
  const folder = join(dir, "a/b");
  makePrivateFolder(folder, "--data-dir");
  t.equal(statSync(folder).mode & 0o777, 0o700);
  chmodSync(folder, 0o777);
  t.throws(() => makePrivateFolder(folder, "--data-dir"), {
    kind: "denied",
    message: /chmod go-w/,
  });
  writeFileSync(join(dir, "file"), "");
  t.throws(() => makePrivateFolder(join(dir, "file"), "--data-dir"), {
    message: /is not a folder/,
  });
  makeSocketFolder(join(dir, "open/api.sock"), "/run/user/1000/assay", "--socket");
  t.equal(statSync(join(dir, "open")).mode & 0o777 & ~0o022, 0o755);
  chmodSync(join(dir, "open"), 0o777);
  t.throws(
    () => makeSocketFolder(join(dir, "open/api.sock"), "/run/user/1000/assay", "--socket"),
    { kind: "denied", message: /others may replace what lies in .*chmod go-w/ },
    "anybody could put another socket there",
  );
  chmodSync(join(dir, "open"), 0o775);
  const open = () =>
    makeSocketFolder(join(dir, "open/api.sock"), "/run/user/1000/assay", "--socket");
  if (process.getuid?.() === 0) {
    open(); // root's own group
    chownSync(join(dir, "open"), 0, 4711);
  }
  t.throws(open, { kind: "denied", message: /members of group \d+ may replace .*chmod g-w/ });
  chmodSync(join(dir, "open"), 0o1777);
  makeSocketFolder(join(dir, "open/api.sock"), "/run/user/1000/assay", "--socket");
  const runtime = join(dir, "runtime");
  makeSocketFolder(join(runtime, "agent/api.sock"), runtime, "--socket");
  t.equal(statSync(runtime).mode & 0o777, 0o700);
  symlinkSync(folder, join(dir, "swapped"));
  t.throws(
    () => makeSocketFolder(join(dir, "swapped/x.sock"), join(dir, "swapped"), "--socket"),
    { kind: "denied", message: /others may write/ },
    "a link to a folder that others write to",
  );
});

t.test("attestation by certificate, and bundles by address", async (t) => {
  const pop = { attestor: "x509pop", "x509pop-cert": "/c", "x509pop-key": "/k" };
  const pin = "Ab".repeat(32);
  const url = "https://example.org/bundle";
  t.same(agent({ ...pop, "x509pop-chain": "/i" }).x509pop, {
    certFile: "/c",
    keyFile: "/k",
    chainFile: "/i",
  });
  t.equal(agent({}).x509pop, undefined);
  t.same(agent({ "trust-bundle-url": url, "trust-bundle-sha256": pin }).bootstrap, {
    kind: "url",
    url,
    pin: pin.toLowerCase(),
  });
  t.same(agent({ "trust-bundle-url": url }).bootstrap, { kind: "url", url });
  const wrongAgents: Record<string, string>[] = [
    { attestor: "x509pop" },
    { attestor: "x509pop", "x509pop-cert": "/c" },
    { attestor: "other" },
    { "x509pop-cert": "/c" },
    { ...pop, "join-token": "abc" },
    { "trust-bundle-url": "http://example.org/bundle" },
    { "trust-bundle-url": "file:///etc/passwd" },
    { "trust-bundle-url": "https://a:b@example.org/" },
    { "trust-bundle-url": "x" },
    { "trust-bundle-url": url, "trust-bundle-sha256": "ab" },
    { "trust-bundle-url": url, "insecure-bootstrap": "true" },
    { "trust-bundle-sha256": pin },
  ];
  for (const wrong of wrongAgents) {
    t.throws(() => agent(wrong), { name: "AssayError", message: /x509pop|trust-bundle|attestor/ });
  }
  const caFile = import.meta.filename;
  t.same(server({ "x509pop-ca": caFile }).x509pop, { mode: "external_pki", caFile });
  t.same(server({ "x509pop-mode": "spiffe" }).x509pop, { mode: "spiffe" });
  t.same(server({ "x509pop-mode": "spiffe", "x509pop-svid-prefix": "/nodes" }).x509pop, {
    mode: "spiffe",
    svidPrefix: "/nodes/",
  });
  const pathTemplate = "x509pop/{{ .Subject.CommonName }}";
  t.same(server({ "x509pop-ca": caFile, "x509pop-path-template": pathTemplate }).x509pop, {
    mode: "external_pki",
    caFile,
    pathTemplate,
  });
  for (const wrong of [
    { "x509pop-path-template": pathTemplate },
    { "x509pop-ca": caFile, "x509pop-path-template": "{{ x }}" },
    { "x509pop-ca": caFile, "x509pop-svid-prefix": "/nodes/" },
    { "x509pop-mode": "spiffe", "x509pop-svid-prefix": "nodes" },
  ]) {
    t.throws(() => server(wrong), { name: "AssayError", message: /x509pop-/ });
  }
  t.equal(server({}).x509pop, undefined);
  t.throws(() => server({ "x509pop-mode": "spiffe", "x509pop-ca": caFile }), {
    message: /x509pop/,
  });
  t.throws(() => server({ "x509pop-mode": "external_pki" }), { message: /x509pop/ });
  t.throws(() => server({ "x509pop-ca": "/none/such" }), { message: /there is no file/ });
});

t.test("sds: SPIRE's names unless others are given, and no two the same", (t) => {
  const spires = {
    defaultSvidName: "default",
    defaultBundleName: "ROOTCA",
    defaultAllBundlesName: "ALL",
    disableSpiffeCertValidation: false,
  };
  t.same(agent({}).sds, spires);
  t.same(agent({}, {}, { sds: {} }).sds, spires, "an empty section is the defaults");
  t.same(agent({}, {}, { sds: { defaultSvidName: "me" } }).sds, {
    ...spires,
    defaultSvidName: "me",
  });
  for (const [sds, message] of [
    [{ defaultSvidName: "ROOTCA" }, /^sds in .*: two secrets have the same name/],
    [{ defaultSvidName: "" }, /defaultSvidName/],
    [{ defaultSvidName: "x".repeat(257) }, /defaultSvidName/],
    [{ defaultSvid: "me" }, /defaultSvid/],
  ] as const) {
    t.throws(() => agent({}, {}, { sds }), { message }, JSON.stringify(sds).slice(0, 40));
  }
  t.end();
});

t.test("what is tried out is named on the command line, too", async (t) => {
  t.ok(isOption(SERVER_SETTINGS.experimental));
  t.same(server({ experimental: "ml-dsa,wit-svid" }).experimental, ["ml-dsa", "wit-svid"]);
  t.same(agent({ experimental: "wit-svid" }).experimental, ["wit-svid"]);
  t.throws(() => server({ experimental: "wit" }), { message: /takes ml-dsa or wit-svid/ });
});

t.test("delegates are SPIFFE IDs, and need an admin socket", (t) => {
  const admin = { "admin-socket": "/run/x/admin.sock" };
  t.same(agent({}).authorizedDelegates, []);
  const ids = "spiffe://example.org/mesh,spiffe://example.org/cni";
  t.same(agent({ ...admin, "authorized-delegates": ids }).authorizedDelegates, ids.split(","));
  t.throws(() => agent({ "authorized-delegates": ids }), { message: /admin-socket only/ });
  for (const wrong of ["mesh", "spiffe://Example.org/x", "spiffe://example.org/a/"]) {
    const given = { ...admin, "authorized-delegates": wrong };
    t.throws(() => agent(given), { message: /^--authorized-delegates: / }, wrong);
  }
  t.end();
});
