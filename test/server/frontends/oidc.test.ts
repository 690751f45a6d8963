/** OIDC discovery as relying parties meet it: real listeners, a real agent's tokens, openid-client and jose. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { type AddressInfo, connect as connectPlain, createServer } from "node:net";
import { connect } from "node:tls";
import { once } from "node:events";
import { join } from "node:path";
import { type CustomFetch, customFetch, discovery } from "openid-client";
import {
  createRemoteJWKSet,
  customFetch as joseFetch,
  decodeProtectedHeader,
  jwtVerify,
} from "jose";
import t from "tap";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import type { OidcFrontEndConfig } from "../../../src/config/server/oidc-front-end.ts";
import { Domain, id } from "../../support/running.ts";
import { startTestServer } from "../../support/server.ts";
import { refused } from "../../support/refused.ts";
import { type IssuedLeaf, TestCa } from "../../support/test-ca.ts";
import { webFetch } from "../../support/web-fetch.ts";
import { WorkloadClient } from "../../support/workload-client.ts";
import { freePort } from "../../support/free-port.ts";

const NOW = Math.floor(Date.now() / 1000);
const DISCOVERY = "/.well-known/openid-configuration";

async function webCa(): Promise<TestCa> {
  return TestCa.create({ notBefore: NOW - 10, notAfter: NOW + 3600 });
}

function webLeaf(ca: TestCa, notAfter = NOW + 3600): Promise<IssuedLeaf> {
  return ca.leaf({ notBefore: NOW - 10, notAfter, uris: [], dnsNames: ["localhost"] });
}

/** A front end's configuration on a loopback port, in the clear unless told otherwise. */
function oidcConfig(change: Partial<OidcFrontEndConfig> & { readonly issuer: string }) {
  const oidc: OidcFrontEndConfig = {
    listen: { host: "127.0.0.1", port: 0 },
    jwksUri: `${change.issuer}/keys`,
    hosts: [],
    tls: { kind: "none" },
    maxAgeSeconds: 60,
    ...change,
  };
  const ca = { keyType: "ec-p256", ttlSeconds: 86_400, jwtKeyType: "ec-p256" } as const;
  return {
    frontends: { oidc },
    ca: { ...ca, jwtIssuer: change.issuer },
  } satisfies Partial<ServerConfig>;
}

t.test("a relying party checks tokens of the agent's, across a rotation", async (t) => {
  const ca = await webCa();
  const leaf = await webLeaf(ca);
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const dir = t.testdir({ "tls.pem": leaf.certPem, "tls.key": leaf.keyPem });
  const files = { certificateFile: join(dir, "tls.pem"), keyFile: join(dir, "tls.key") };
  const config = oidcConfig({
    issuer,
    listen: { host: "127.0.0.1", port },
    hosts: ["localhost"],
    tls: { kind: "files", ...files },
  });
  await using domain = await Domain.start(config);
  await domain.entry({ path: "/web" });
  await domain.startAgent();
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  const token = async (audience: string): Promise<string> => {
    const { svids } = await client.fetchJwt([audience]);
    return svids[0]?.svid ?? "";
  };

  const web = webFetch({ ca: ca.pem });
  const asClient: CustomFetch = (url, options) => web(url, { headers: { ...options.headers } });
  const relyingParty = await discovery(new URL(issuer), "sts.example.com", undefined, undefined, {
    [customFetch]: asClient,
  });
  const metadata = relyingParty.serverMetadata();
  t.equal(metadata.issuer, issuer);
  t.equal(metadata.jwks_uri, `${issuer}/keys`);
  t.same(metadata.response_types_supported, ["id_token"]);
  t.same(metadata.subject_types_supported, ["public"]);
  t.match(metadata.id_token_signing_alg_values_supported, ["RS256", "ES256", "ES384"]);

  const keysAsked: string[] = [];
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri ?? ""), {
    cooldownDuration: 0,
    [joseFetch]: (url) => {
      keysAsked.push(url);
      return web(url);
    },
  });
  const verify = (jwt: string, audience: string) => jwtVerify(jwt, keys, { issuer, audience });
  const first = await token("sts.example.com");
  const { payload } = await verify(first, "sts.example.com");
  t.match(payload, { sub: id("/web"), iss: issuer, aud: ["sts.example.com"] });
  t.equal(keysAsked.length, 1);

  // The next authority is in the key set before it signs, so that a relying party that looks now need not look again.
  const { authorities } = domain.server;
  const next = await authorities.prepare("jwt");
  const published = (await (await web(`${issuer}/keys`)).json()) as { keys: { kid: string }[] };
  t.ok(
    published.keys.some(({ kid }) => kid === next.id),
    "published before use",
  );
  t.not(decodeProtectedHeader(await token("before")).kid, next.id);
  await authorities.activate("jwt", next.id);
  const second = await token("after");
  t.equal(decodeProtectedHeader(second).kid, next.id);
  t.match((await verify(second, "after")).payload, { sub: id("/web") });
  t.match((await verify(first, "sts.example.com")).payload, { sub: id("/web") }, "the older, too");

  const { kid = "" } = decodeProtectedHeader(first);
  await authorities.taint("jwt", kid);
  await authorities.revoke("jwt", kid);
  const fresh = createRemoteJWKSet(new URL(`${issuer}/keys`), { [joseFetch]: (url) => web(url) });
  await t.rejects(jwtVerify(first, fresh, { issuer }), { code: "ERR_JWKS_NO_MATCHING_KEY" });
  t.match((await jwtVerify(second, fresh, { issuer })).payload, { sub: id("/web") });
});

t.test("what the documents and their headers say", async (t) => {
  const issuer = "https://oidc.example.org/tenant";
  const { server } = await startTestServer(t, { config: oidcConfig({ issuer }) });
  const base = `http://127.0.0.1:${server.oidcAddress?.port}`;
  const web = webFetch();
  const document = await web(`${base}${DISCOVERY}`);
  t.equal(document.status, 200);
  t.equal(document.headers.get("content-type"), "application/json");
  t.equal(document.headers.get("cache-control"), "public, max-age=60, must-revalidate");
  t.equal(document.headers.get("x-content-type-options"), "nosniff");
  const text = await document.text();
  t.strictSame(JSON.parse(text), {
    issuer,
    jwks_uri: `${issuer}/keys`,
    authorization_endpoint: "",
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256", "ES256", "ES384"],
    claims_supported: ["sub", "aud", "exp", "iat", "iss", "jti"],
  });
  t.equal(await (await web(`${base}/tenant${DISCOVERY}`)).text(), text, "below the issuer's path");

  const answer = await web(`${base}/keys`);
  const tag = answer.headers.get("etag") ?? "";
  t.match(tag, /^"[\w-]{27}"$/);
  const { keys } = (await answer.json()) as { keys: Record<string, string>[] };
  t.equal(keys.length, 1, "no X.509 authority among them");
  t.strictSame(Object.keys(keys[0] ?? {}), ["kid", "alg", "use", "kty", "crv", "x", "y"]);
  t.match(keys[0], { alg: "ES256", use: "sig", kty: "EC", crv: "P-256" });
  for (const path of ["/keys?x=1", "/tenant/keys"]) {
    t.equal((await web(`${base}${path}`)).headers.get("etag"), tag, path);
  }

  const head = await web(`${base}/keys`, { method: "HEAD" });
  t.equal(head.status, 200);
  t.equal(head.headers.get("etag"), tag);
  t.ok(Number(head.headers.get("content-length")) > 100);
  t.equal(await head.text(), "");
  for (const [sent, status] of [
    [tag, 304],
    [`W/${tag}`, 304],
    [`"other", ${tag}`, 304],
    ["*", 304],
    ['"other"', 200],
    [tag.slice(1, -1), 200],
  ] as const) {
    const again = await web(`${base}/keys`, { headers: { "if-none-match": sent } });
    t.equal(again.status, status, sent);
    t.equal(again.headers.get("etag"), tag);
  }
  await server.authorities.prepare("jwt");
  const changed = await web(`${base}/keys`, { headers: { "if-none-match": tag } });
  t.equal(changed.status, 200, "another content has another name");
  t.equal(((await changed.json()) as { keys: unknown[] }).keys.length, 2);
  t.not(changed.headers.get("etag"), tag);
});

t.test("nobody keeps a key set for longer than half of the time before a key signs", async (t) => {
  const issuer = "https://oidc.example.org";
  const config = oidcConfig({ issuer, maxAgeSeconds: 3600 });
  for (const [ttlSeconds, maxAge] of [
    [86_400, 480],
    [600, 50],
  ] as const) {
    const { server } = await startTestServer(t, {
      config: { ...config, ca: { ...config.ca, ttlSeconds } },
    });
    const answer = await webFetch()(`http://127.0.0.1:${server.oidcAddress?.port}/keys`);
    t.equal(answer.headers.get("cache-control"), `public, max-age=${maxAge}, must-revalidate`);
  }
});

t.test("requests that are refused", async (t) => {
  const issuer = "https://oidc.example.org";
  const config = oidcConfig({ issuer, hosts: ["oidc.example.org"] });
  const { server } = await startTestServer(t, { config });
  const port = server.oidcAddress?.port ?? 0;
  const web = webFetch();
  const ask = (path: string, method: string, host: string) =>
    web(`http://127.0.0.1:${port}${path}`, { method, headers: { host } });
  for (const [host, status] of [
    ["oidc.example.org", 200],
    ["OIDC.example.org:8443", 200],
    ["127.0.0.1", 400],
    ["evil.example", 400],
    ["oidc.example.org.", 400],
    ["oidc.example.org@evil.example", 400],
  ] as const) {
    const answer = await ask("/keys", "GET", host);
    t.equal(answer.status, status, host);
    if (status === 400) t.equal(answer.headers.get("cache-control"), "no-store");
  }
  for (const [path, method, status] of [
    ["/", "GET", 404],
    ["/keys/", "GET", 404],
    ["//keys", "GET", 404],
    ["/KEYS", "GET", 404],
    ["/metrics", "GET", 404],
    ["/keys", "POST", 405],
    ["/keys", "DELETE", 405],
    ["/keys", "OPTIONS", 405],
    [DISCOVERY, "PUT", 405],
  ] as const) {
    const answer = await ask(path, method, "oidc.example.org");
    t.equal(answer.status, status, `${method} ${path}`);
    if (status === 405) t.equal(answer.headers.get("allow"), "GET, HEAD");
  }
  // Neither ends the listener, nor is anything of them kept.
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ["no HTTP at all", "\u0000\u0001\u0002\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["a header of 20 KB", `GET /keys HTTP/1.1\r\nhost: ${"a".repeat(20_000)}\r\n\r\n`, / 431 /],
    ["two hosts", "GET /keys HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", / 400 /],
    ["no host", "GET /keys HTTP/1.1\r\n\r\n", / 400 /],
    [
      "a length twice",
      "POST /keys HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
      / 400 /,
    ],
  ];
  for (const [name, bytes, expected] of hostile) {
    const socket = connectPlain(port, "127.0.0.1");
    socket.end(bytes);
    let said = "";
    for await (const chunk of socket) said += String(chunk);
    t.match(said, expected, name);
  }
  t.equal((await ask("/keys", "GET", "oidc.example.org")).status, 200);
});

t.test("certificate files: taken over when they change, and when they make sense", async (t) => {
  const ca = await webCa();
  const leaf = await webLeaf(ca);
  const other = await webLeaf(ca);
  const dir = t.testdir({ "tls.pem": leaf.certPem, "tls.key": leaf.keyPem });
  const [certificateFile, keyFile] = [join(dir, "tls.pem"), join(dir, "tls.key")];
  const issuer = "https://localhost";
  const tls = { kind: "files", certificateFile, keyFile } as const;
  const { server, clock } = await startTestServer(t, {
    config: { ...oidcConfig({ issuer, tls }), metricsListen: "127.0.0.1:0" },
  });
  const { port = 0 } = server.oidcAddress ?? {};
  const shown = async (): Promise<string> => {
    clock.step(2000);
    const socket = connect({ port, host: "localhost", ca: ca.pem });
    await once(socket, "secureConnect");
    const serial = socket.getPeerX509Certificate()?.serialNumber ?? "";
    socket.destroy();
    return serial;
  };
  const replace = (file: string, text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  const ready = async (): Promise<unknown> => {
    clock.step(2000);
    const answer = await fetch(`http://127.0.0.1:${server.metricsAddress?.port}/ready`);
    return ((await answer.json()) as { checks: Record<string, string> }).checks["oidc front end"];
  };
  const before = await shown();
  t.equal(await ready(), "ok");
  replace(certificateFile, other.certPem);
  t.equal(await shown(), before, "a certificate without its key is not shown");
  t.match(await ready(), /tls\.key: is no key \(PEM\) of the one in /);
  replace(keyFile, other.keyPem);
  const after = await shown();
  t.not(after, before);
  t.equal(await ready(), "ok");
  for (const [text, expected] of [
    ["", /there is no certificate/],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", /there is no certificate/],
    ["x".repeat(2 << 20), /is larger than/],
  ] as const) {
    replace(certificateFile, text);
    t.equal(await shown(), after);
    t.match(await ready(), expected);
  }
  replace(certificateFile, other.certPem);
  clock.step(3600 * 1000 + 60_000);
  t.match(await ready(), /the certificate in .* has expired/);
});

t.test("an SVID of the server's own with a DNS name; a Unix socket", async (t) => {
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const server = await startTestServer(t, {
    config: oidcConfig({
      issuer,
      listen: { host: "127.0.0.1", port },
      tls: { kind: "svid", dnsNames: ["localhost"] },
    }),
  });
  const web = webFetch({ ca: await server.rootsPem() });
  t.equal((await web(`${issuer}/keys`)).status, 200);
  await t.rejects(webFetch({ ca: (await webCa()).pem })(`${issuer}/keys`), {
    code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  });

  const folder = mkdtempSync(join(tmpdir(), "assay-oidc-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, "oidc.sock");
  const config = oidcConfig({ issuer: "https://oidc.example.org", listen: { socket } });
  const behind = await startTestServer(t, { config });
  t.equal(behind.server.oidcAddress, undefined);
  t.equal((await webFetch({ socketPath: socket })("http://x/keys")).status, 200);
  await behind.stop();
  await t.rejects(webFetch({ socketPath: socket })("http://x/keys"), {
    code: /ENOENT|ECONNREFUSED/,
  });
});

t.test("a start that cannot be", async (t) => {
  const ca = await webCa();
  const [leaf, other] = [await webLeaf(ca), await webLeaf(ca)];
  const dir = t.testdir({ "tls.pem": leaf.certPem, "tls.key": other.keyPem, plain: "x" });
  const files = (certificateFile: string, keyFile: string) =>
    ({
      kind: "files",
      certificateFile: join(dir, certificateFile),
      keyFile: join(dir, keyFile),
    }) as const;
  const busy = createServer().listen(0, "127.0.0.1");
  await once(busy, "listening");
  t.teardown(() => busy.close());
  const { port } = busy.address() as AddressInfo;
  for (const [name, change, message] of [
    ["keys of another", { tls: files("tls.pem", "tls.key") }, /tls\.key: is no key/],
    [
      "no such file",
      { tls: files("none.pem", "tls.key") },
      /none\.pem: it cannot be read \(ENOENT\)/,
    ],
    ["a folder", { tls: files("", "tls.key") }, /it cannot be read \(EISDIR\)/],
    [
      "an address in use",
      { listen: { host: "127.0.0.1", port } },
      /cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/,
    ],
    ["a file as socket", { listen: { socket: join(dir, "plain") } }, /exists and is no socket/],
  ] as const) {
    const config = oidcConfig({ issuer: "https://localhost", ...change });
    await refused(t, startTestServer(t, { config }), { kind: "precondition", message }, name);
  }
});

t.test("a reload publishes another issuer, with the tokens", async (t) => {
  const { server, config } = await startTestServer(t, {
    config: oidcConfig({ issuer: "https://a.example" }),
  });
  const web = webFetch();
  const issuer = async (): Promise<unknown> => {
    const answer = await web(`http://127.0.0.1:${server.oidcAddress?.port}${DISCOVERY}`);
    return ((await answer.json()) as { issuer: string }).issuer;
  };
  t.equal(await issuer(), "https://a.example");
  const next = oidcConfig({ issuer: "https://b.example" });
  await server.reload(async () => ({ config: { ...config, ...next }, settings: ["jwtIssuer"] }));
  t.equal(await issuer(), "https://b.example");
});
