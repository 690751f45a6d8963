/** The issuer room against a real issuer with TLS: what it believes, what it refuses, and how often it asks. */
import { createHash, createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { claimSelectors } from "../../src/attestors/issuer/claim-selectors.ts";
import { TOKEN_ALGORITHMS } from "../../src/attestors/issuer/foreign-token.ts";
import { OidcIssuer, type OidcIssuerOptions } from "../../src/attestors/issuer/issuer.ts";
import { OidcIssuers } from "../../src/attestors/issuer/issuers.ts";
import type { ErrorKind } from "../../src/base/errors.ts";
import { formatSelector } from "../../src/spiffe/selector.ts";
import { TestIssuer, type TokenParts, issuerKey, signToken } from "../support/oidc-issuer.ts";
import { refused } from "../support/refused.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const AUDIENCE = "assay://example.org";
const NOW = Math.floor(Date.now() / 1000);
const signal = new AbortController().signal;
const clock = new VirtualClock(NOW * 1000);

function issuerFor(server: TestIssuer, options: Partial<OidcIssuerOptions> = {}): OidcIssuer {
  return OidcIssuer.of({
    alias: "ci",
    issuerUrl: server.url,
    audiences: [AUDIENCE, "second"],
    caFile: server.caFile,
    clock,
    ...options,
  });
}

t.test("a token of each algorithm is believed", async (t) => {
  await using server = await TestIssuer.start();
  server.keys = TOKEN_ALGORITHMS.map((alg) => issuerKey(`key ${alg}`, alg));
  await using issuer = issuerFor(server);
  for (const key of server.keys) {
    const claims = { aud: ["other", "second"], exp: NOW + 600.5 };
    const token = server.token({ key, claims });
    const verified = await issuer.verify(token, signal);
    t.equal(verified.keyId, key.kid);
    t.equal(verified.alias, "ci");
    t.equal(verified.expiresAt, NOW + 601);
    t.equal(verified.refusedFrom, NOW + 661);
    t.equal(verified.claims["sub"], "repo:acme/app:ref:refs/heads/main");
    const input = token.slice(0, token.lastIndexOf("."));
    t.equal(verified.fingerprint, createHash("sha256").update(input).digest("hex"));
  }
  t.same(server.asked, ["/.well-known/openid-configuration", "/keys"], "asked once for all");
});

t.test("hostile tokens", async (t) => {
  await using server = await TestIssuer.start();
  const [good] = server.keys;
  const rsa = issuerKey("rsa", "RS256");
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 });
  if (good === undefined) throw new Error("the issuer has no key");
  server.keys.push(rsa, {
    kid: "small",
    alg: "RS256",
    privateKey: small.privateKey,
    jwk: { ...small.publicKey.export({ format: "jwk" }), kid: "small" },
  });
  const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [headerPart, claimsPart, signaturePart] = server.token().split(".");
  const none = `${b64({ alg: "none", kid: "k1" })}.${claimsPart}.`;
  /** The old trick: the public key as an HMAC secret. */
  const hmac = (() => {
    const input = `${b64({ alg: "HS256", kid: "rsa" })}.${claimsPart}`;
    const secret = createPublicKey(rsa.privateKey).export({ format: "pem", type: "spki" });
    return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
  })();
  const with_ = (parts: TokenParts): string => server.token(parts);
  const cases: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ["empty", "", "invalid", /compact form/],
    ["words", "not a token", "invalid", /compact form/],
    ["four parts", `${with_({})}.x`, "invalid", /compact form/],
    ["1 MB", "a".repeat(1 << 20), "invalid", /longer than 65536/],
    ["padded", `${with_({})}=`, "invalid", /base64url/],
    ["no json", `${b64([])}.${claimsPart}.${signaturePart}`, "invalid", /not a json object/],
    ["deep", with_({ claims: { deep: deep(40) } }), "invalid", /./],
    ["alg none", `${none}${signaturePart}`, "invalid", /public key/],
    ["alg none, unsigned", none, "invalid", /public key/],
    ["hmac", hmac, "invalid", /public key/],
    ["alg in small letters", with_({ header: { alg: "es256" } }), "invalid", /public key/],
    ["critical", with_({ header: { crit: ["exp"] } }), "invalid", /critical/],
    ["kid no text", with_({ header: { kid: 1 } }), "invalid", /key id/],
    ["kid long", with_({ header: { kid: "k".repeat(2000) } }), "invalid", /key id/],
    ["iss missing", with_({ claims: { iss: undefined } }), "invalid", /no iss/],
    ["iss other", with_({ claims: { iss: `${server.url}/` } }), "invalid", /another issuer/],
    ["iss list", with_({ claims: { iss: [server.url] } }), "invalid", /no iss/],
    ["exp missing", with_({ claims: { exp: undefined } }), "invalid", /no exp/],
    ["exp text", with_({ claims: { exp: "9999999999" } }), "invalid", /not a time/],
    ["expired", with_({ claims: { exp: NOW - 60 } }), "denied", /has expired/],
    ["for years", with_({ claims: { exp: NOW + 10 * 86_400 } }), "denied", /lives for more/],
    ["from the future", with_({ claims: { iat: NOW + 61 } }), "denied", /not valid yet \(iat\)/],
    ["not before", with_({ claims: { nbf: NOW + 61 } }), "denied", /not valid yet \(nbf\)/],
    ["audience", with_({ claims: { aud: `${AUDIENCE}/` } }), "denied", /audience/],
    ["no audience", with_({ claims: { aud: undefined } }), "denied", /audience/],
    ["audience object", with_({ claims: { aud: { 0: AUDIENCE } } }), "denied", /audience/],
    ["unknown kid", with_({ header: { kid: "k9" } }), "denied", /does not publish/],
    ["kid of another key", with_({ header: { kid: "rsa" } }), "denied", /does not publish/],
    [
      "key too small",
      with_({ header: { kid: "small", alg: "RS256" }, key: { ...rsa } }),
      "denied",
      /publish/,
    ],
    ["foreign key", with_({ key: { ...issuerKey("k1", "ES256") } }), "denied", /signature/],
    [
      "claims swapped",
      `${headerPart}.${b64({ ...claimsOf(with_({})), sub: "root" })}.${signaturePart}`,
      "denied",
      /signature/,
    ],
    ["signature cut", with_({}).slice(0, -2), "denied", /signature/],
    [
      "jwk in the header",
      with_({ header: { jwk: issuerKey("k1", "ES256").jwk, kid: "x" } }),
      "denied",
      /publish/,
    ],
  ];
  await using issuer = issuerFor(server);
  for (const [name, token, kind, message] of cases) {
    await refused(t, issuer.verify(token, signal), { kind, message }, name);
  }
  t.ok(await issuer.verify(with_({ claims: { exp: NOW - 59, nbf: NOW + 60 } }), signal), "leeway");
  t.equal(server.asked.filter((path) => path === "/keys").length, 1, "strangers cause no fetches");
  await using strict = issuerFor(server, { algorithms: ["RS256"] });
  await refused(t, strict.verify(with_({}), signal), { kind: "denied", message: /not allowed/ });
  server.keys.push(issuerKey("k2", "ES256"));
  await using several = issuerFor(server);
  const nameless = with_({ header: { kid: undefined } });
  await refused(t, several.verify(nameless, signal), { kind: "denied", message: /publish/ });
});

t.test("keys are asked for once, kept, and changed with the issuer", async (t) => {
  await using server = await TestIssuer.start();
  const own = new VirtualClock(NOW * 1000);
  await using issuer = issuerFor(server, { clock: own, maxLifeSeconds: 86_400 });
  const fetches = (): number => server.asked.filter((path) => path === "/keys").length;
  const long = { exp: NOW + 80_000 };
  const verify = (key = server.keys[0]): Promise<unknown> =>
    issuer.verify(server.token({ claims: long, ...(key === undefined ? {} : { key }) }), signal);
  await Promise.all(Array.from({ length: 50 }, () => verify()));
  t.equal(fetches(), 1, "fifty at once, one fetch");

  const [old] = server.keys;
  const next = issuerKey("k2", "ES256");
  server.keys = [next];
  await refused(t, verify(), { message: /does not publish/ }, "a new key at once: too soon to ask");
  await own.advance(10_000);
  await verify();
  t.equal(fetches(), 2, "an unknown key id asks again");
  await refused(t, verify(old), { message: /does not publish/ }, "a withdrawn key");
  for (let i = 0; i < 20; i++) {
    await refused(t, verify(issuerKey(`r${i}`, "ES256")), { kind: "denied" }, "made-up key ids");
  }
  t.equal(fetches(), 2, "and cause no fetch within 10 s");

  server.answer = (_request, response) => {
    response.writeHead(500).end();
    return true;
  };
  await own.advance(6 * 60_000);
  await verify();
  t.pass("while the issuer is away its keys are used");
  await own.advance(55 * 60_000);
  await refused(
    t,
    verify(),
    { kind: "unavailable", message: /^keys of issuer .* cannot be had: .* status 500$/ },
    "but for no longer than an hour",
  );
  server.answer = () => false;
  await refused(t, verify(), { kind: "unavailable" }, "a failure stands for 10 s");
  await own.advance(10_000);
  await verify();
});

t.test("an issuer that is slow, lies or leads elsewhere", async (t) => {
  await using server = await TestIssuer.start();
  const plain = createServer((_request, response) => response.end(server.jwks()));
  plain.listen(0, "127.0.0.1");
  await once(plain, "listening");
  t.teardown(() => plain.close());
  const http = `http://127.0.0.1:${(plain.address() as AddressInfo).port}/keys`;
  const keysAt = (uri: string): string => JSON.stringify({ issuer: server.url, jwks_uri: uri });
  const cases: readonly (readonly [string, (path: string) => string | number, RegExp])[] = [
    ["redirects", () => 302, /redirects, which is not followed/],
    ["not found", () => 404, /status 404/],
    ["no json", () => "<html>", /discovery document is not json/],
    ["null", () => "null", /no jwks_uri/],
    [
      "another issuer's",
      () => JSON.stringify({ issuer: "https://evil", jwks_uri: "x" }),
      /another issuer/,
    ],
    ["keys over http", () => keysAt(http), /jwks_uri .* plain http/],
    ["keys in a file", () => keysAt("file:///etc/passwd"), /no https address/],
    ["keys with a password", () => keysAt("https://a:b@localhost/"), /user name or password/],
    [
      "keys huge",
      (path) => (path === "/keys" ? " ".repeat(600_000) : keysAt(`${server.url}/keys`)),
      /more than 524288/,
    ],
    [
      "no keys",
      (path) => (path === "/keys" ? '{"keys":[]}' : keysAt(`${server.url}/keys`)),
      /has no rsa/,
    ],
    [
      "keys no list",
      (path) => (path === "/keys" ? '{"keys":{}}' : keysAt(`${server.url}/keys`)),
      /no list/,
    ],
    [
      "too many keys",
      (path) =>
        path === "/keys"
          ? JSON.stringify({ keys: Array.from({ length: 101 }, () => ({})) })
          : keysAt(`${server.url}/keys`),
      /more than 100/,
    ],
    [
      "broken keys only",
      (path) =>
        path === "/keys"
          ? JSON.stringify({
              keys: [
                { kty: "EC", crv: "P-256", x: "AA", y: "AA" },
                { kty: "oct", k: "AA" },
                null,
                { kty: "RSA", use: "enc" },
              ],
            })
          : keysAt(`${server.url}/keys`),
      /has no rsa/,
    ],
  ];
  for (const [name, say, message] of cases) {
    server.answer = (request, response) => {
      const said = say(request.url ?? "");
      if (typeof said === "number") response.writeHead(said, { location: http }).end();
      else response.end(said);
      return true;
    };
    await using issuer = issuerFor(server);
    await refused(t, issuer.verify(server.token(), signal), { kind: "unavailable", message }, name);
  }
  server.answer = () => true; // never answers
  const own = new VirtualClock(NOW * 1000);
  await using slow = issuerFor(server, { clock: own });
  const impatient = new AbortController();
  const first = slow.verify(server.token(), signal);
  const second = slow.verify(server.token(), impatient.signal);
  for (const each of [first, second]) each.catch(() => undefined);
  while (server.asked.at(-1) !== "/.well-known/openid-configuration") await own.advance(0);
  impatient.abort(new Error("enough"));
  await refused(t, second, { message: /^enough$/ }, "one may give up alone");
  while (own.timers > 0) await own.advance(10_000);
  await refused(t, first, {
    kind: "unavailable",
    message: /did not answer within 10 s/,
  });
  const never = issuerFor(server);
  const waiting = never.verify(server.token(), signal);
  waiting.catch(() => undefined);
  await never[Symbol.asyncDispose]();
  await refused(t, waiting, { kind: "unavailable" }, "disposing ends a fetch");
  server.answer = () => false;
  await using untrusted = OidcIssuer.of({
    alias: "ci",
    issuerUrl: server.url,
    audiences: [AUDIENCE],
    clock,
  });
  await refused(t, untrusted.verify(server.token(), signal), {
    kind: "unavailable",
    message: /cannot be fetched \(.*(SELF_SIGNED|UNABLE)/,
  });
});

t.test("keys from an address, a file, or over http on loopback", async (t) => {
  await using server = await TestIssuer.start();
  await using byUrl = issuerFor(server, { jwksUrl: `${server.url}/keys` });
  await byUrl.verify(server.token(), signal);
  t.same(server.asked, ["/keys"], "no discovery");
  const folder = mkdtempSync(join(tmpdir(), "assay-jwks-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const jwksFile = join(folder, "jwks.json");
  await using byFile = issuerFor(server, { jwksFile, issuerUrl: "kubernetes/serviceaccount" });
  const token = server.token({ claims: { iss: "kubernetes/serviceaccount" } });
  await refused(t, byFile.verify(token, signal), { message: /cannot be read \(ENOENT\)/ });
  writeFileSync(jwksFile, server.jwks());
  await using byFile2 = issuerFor(server, { jwksFile, issuerUrl: "kubernetes/serviceaccount" });
  await byFile2.verify(token, signal);
  t.same(server.asked, ["/keys"], "nothing asked");

  const plain = createServer((request, response) => {
    const { port } = plain.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    response.end(
      request.url === "/keys"
        ? server.jwks()
        : JSON.stringify({ issuer: url, jwks_uri: `${url}keys` }),
    );
  });
  plain.listen(0, "127.0.0.1");
  await once(plain, "listening");
  t.teardown(() => plain.close());
  const issuerUrl = `http://127.0.0.1:${(plain.address() as AddressInfo).port}/`;
  t.throws(() => issuerFor(server, { issuerUrl }), { message: /plain http; use https, or allow/ });
  await using loopback = issuerFor(server, { issuerUrl, allowLoopbackHttp: true });
  t.ok(await loopback.verify(server.token({ claims: { iss: issuerUrl } }), signal));
});

t.test("options that cannot be meant", async (t) => {
  await using server = await TestIssuer.start();
  const cases: readonly (readonly [Partial<OidcIssuerOptions>, RegExp])[] = [
    [{ alias: "" }, /alias/],
    [{ alias: "a:b" }, /alias/],
    [{ alias: "a/b" }, /alias/],
    [{ alias: ".." }, /alias/],
    [{ alias: "a".repeat(64) }, /alias/],
    [{ audiences: [] }, /needs audiences/],
    [{ audiences: [""] }, /needs audiences/],
    [{ issuerUrl: "" }, /no url/],
    [{ issuerUrl: "example.org" }, /not an address/],
    [{ issuerUrl: "http://example.org", allowLoopbackHttp: true }, /plain http; use https$/],
    [{ issuerUrl: "http://127.0.0.1.example.org", allowLoopbackHttp: true }, /plain http/],
    [{ issuerUrl: "https://example.org?a=b" }, /query/],
    [{ issuerUrl: "https://u@example.org" }, /user name/],
    [{ jwksUrl: "ftp://x" }, /no https/],
    [{ jwksUrl: "https://x/", jwksFile: "/x" }, /both/],
  ];
  for (const [options, message] of cases) {
    t.throws(() => issuerFor(server, options), { kind: "invalid", message }, String(message));
  }
});

t.test("several issuers", async (t) => {
  await using one = await TestIssuer.start();
  await using two = await TestIssuer.start();
  await using issuers = new OidcIssuers([issuerFor(one), issuerFor(two, { alias: "two" })]);
  t.equal((await issuers.verify(one.token(), signal)).alias, "ci");
  t.equal((await issuers.verify(two.token(), signal)).alias, "two");
  const [key] = one.keys;
  if (key === undefined) throw new Error("the issuer has no key");
  const crossed = signToken(key, { alg: "ES256", kid: "k1" }, claimsOf(two.token()));
  await refused(t, issuers.verify(crossed, signal), { kind: "denied", message: /signature/ });
  const stranger = one.token({ claims: { iss: "https://x" } });
  await refused(t, issuers.verify(stranger, signal), { message: /not configured/ });
  await refused(t, issuers.verify("x", signal), { kind: "invalid" });
  t.throws(() => new OidcIssuers([issuerFor(one), issuerFor(two)]), { message: /same alias/ });
  t.throws(() => new OidcIssuers([issuerFor(one), issuerFor(one, { alias: "b" })]), {
    message: /same url/,
  });
});

t.test("claims become selectors that cannot be mistaken for others", (t) => {
  const claims = JSON.parse(
    `{"iss":"i","exp":1,"jti":"j","sub":"system:serviceaccount:a:b","aud":["x","y"],"admin":true,"n":7,
      "f":1.5,"empty":"","nul":null,"line":"a\\nb","__proto__":{"p":"q"},"a/b":"c","a":{"b":"d","exp":"e","l":[{"m":"n"}]},
      "https://e.org/roles":["r:1"],"kubernetes.io":{"pod":{"name":"web-1"}},"a%2Fb":"z",
      "long":"${"x".repeat(1025)}","list":[["in"],1]}`,
  ) as Record<string, unknown>;
  t.same(claimSelectors("oidc", { alias: "ci", claims }).map(formatSelector), [
    "oidc:ci:sub:system:serviceaccount:a:b",
    "oidc:ci:aud:x",
    "oidc:ci:aud:y",
    "oidc:ci:admin:true",
    "oidc:ci:n:7",
    "oidc:ci:__proto__/p:q",
    "oidc:ci:a%2Fb:c",
    "oidc:ci:a/b:d",
    "oidc:ci:a/exp:e",
    "oidc:ci:https%3A%2F%2Fe.org%2Froles:r:1",
    "oidc:ci:kubernetes.io/pod/name:web-1",
    "oidc:ci:a%252Fb:z",
    "oidc:ci:list:1",
  ]);
  const many = { groups: Array.from({ length: 1000 }, (_, i) => `g${i}`) };
  t.equal(claimSelectors("oidc", { alias: "ci", claims: many }).length, 256);
  t.end();
});

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;
}

function deep(levels: number): unknown {
  return levels === 0 ? 1 : { a: deep(levels - 1) };
}
