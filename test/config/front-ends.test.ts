/** `frontends` of a server's file: what is filled in, and what is refused. */
import t from "tap";
import { serverConfigOf as configOf } from "../support/file-settings.ts";

const FILES = { certificateFile: "/etc/tls.pem", keyFile: "/etc/tls.key" };

t.test("what follows from what", async (t) => {
  const { frontends, ca } = configOf({
    frontends: {
      oidc: { listen: "0.0.0.0:8443", issuer: "https://OIDC.example.org/a/", ...FILES },
    },
  });
  t.strictSame(frontends?.oidc, {
    listen: { host: "0.0.0.0", port: 8443 },
    issuer: "https://OIDC.example.org/a/",
    jwksUri: "https://OIDC.example.org/a/keys",
    hosts: ["oidc.example.org"],
    tls: { kind: "files", ...FILES },
    maxAgeSeconds: 60,
  });
  t.equal(ca.jwtIssuer, "https://OIDC.example.org/a/", "tokens are from that issuer");

  const both = configOf({
    jwtIssuer: "https://i.example",
    frontends: {
      oidc: { listen: "/run/x.sock", jwksUri: "https://cdn.example:8443/k", maxAge: "5m" },
    },
  });
  t.strictSame(both.frontends?.oidc, {
    listen: { socket: "/run/x.sock" },
    issuer: "https://i.example",
    jwksUri: "https://cdn.example:8443/k",
    hosts: ["i.example", "cdn.example"],
    tls: { kind: "none" },
    maxAgeSeconds: 300,
  });
  const any = { listen: "[::]:80", issuer: "https://i.example", hosts: ["*"], plainHttp: true };
  t.match(configOf({ frontends: { oidc: any } }).frontends?.oidc, {
    hosts: [],
    tls: { kind: "none" },
  });
  const own = { listen: "[::]:443", issuer: "https://i.example", svid: true };
  t.match(configOf({ frontends: { oidc: own } }).frontends?.oidc?.tls, {
    kind: "svid",
    dnsNames: ["i.example"],
  });
  t.equal(configOf({}).frontends, undefined);
  t.equal(configOf({ frontends: {} }).frontends, undefined);
});

t.test("what is refused", async (t) => {
  const good = { listen: "127.0.0.1:80", issuer: "https://i.example" };
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ["no issuer", { oidc: { listen: "127.0.0.1:80" } }, /issuer: is missing; give it or jwtIssuer/],
    ...[
      "i.example",
      "http://i.example",
      "ftp://i.example",
      "https://u:p@i.example",
      "https://i.example?x",
      "https://i.example/#",
      "https://",
      " https://i.example",
      "http://127.0.0.1.example",
    ].map((issuer) => [issuer, { oidc: { ...good, issuer } }, /is no https address/] as const),
    ["a bad jwksUri", { oidc: { ...good, jwksUri: "/keys" } }, /jwksUri is no https address/],
    ["no TLS", { oidc: { ...good, listen: "0.0.0.0:80" } }, /there is no TLS on 0\.0\.0\.0; give /],
    ["no key", { oidc: { ...good, certificateFile: "/x" } }, /go together; give both/],
    ["two ways", { oidc: { ...good, ...FILES, svid: true } }, /or plainHttp, not two/],
    ["hosts with a port", { oidc: { ...good, hosts: ["a:80"] } }, /'a:80' is no host name/],
    ["hosts with a path", { oidc: { ...good, hosts: ["a/b"] } }, /'a\/b' is no host name/],
    ["an SVID without a name", { oidc: { ...good, svid: true, hosts: ["*"] } }, /has no DNS name/],
    ["a port beyond", { oidc: { ...good, listen: "127.0.0.1:70000" } }, /is not host:port/],
    ["an unknown key", { oidc: { ...good, domains: [] } }, /frontends\.oidc\.domains/],
  ];
  for (const [name, frontends, message] of cases) {
    t.throws(() => configOf({ frontends }), { message }, name);
  }
  t.throws(() => configOf({ jwtIssuer: "https://other.example", frontends: { oidc: good } }), {
    message: /frontends\.oidc\.issuer and jwtIssuer differ/,
  });
  const loopback = configOf({ frontends: { oidc: { ...good, issuer: "http://localhost:80" } } });
  t.equal(loopback.ca.jwtIssuer, "http://localhost:80", "for trying it out");
});

t.test("frontends.acme: what follows from what, and what is refused", async (t) => {
  const acmeOf = (acme: object, more: object = {}) =>
    configOf({ frontends: { acme }, ...more }).frontends?.acme;
  t.match(acmeOf({}), {
    listen: { host: "127.0.0.1", port: 14_000 },
    url: "",
    tls: { kind: "none" },
    set: "trust-domain",
    profiles: ["server-90d", "server-7d"],
    orderTtlSeconds: 7 * 86_400,
    authorizationTtlSeconds: 30 * 86_400,
    names: { dns: [], ip: [], externalAccountRequired: false },
  });
  const sets = { authoritySets: { web: { caTtl: "8760h", profiles: ["server-7d"] } } };
  t.match(acmeOf({ set: "web" }, sets), { set: "web", profiles: ["server-7d"] });
  const url = "https://ACME.example.org:14000/pki/";
  t.match(acmeOf({ listen: "0.0.0.0:14000", url, svid: true }), {
    url: "https://acme.example.org:14000/pki",
    tls: { kind: "svid", dnsNames: ["acme.example.org"] },
  });
  t.match(acmeOf({ listen: "0.0.0.0:1", url, ...FILES })?.tls, { kind: "files", ...FILES });
  t.match(acmeOf({ listen: "0.0.0.0:1", url, plainHttp: true })?.tls, { kind: "none" });
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ["no url for all addresses", { listen: "0.0.0.0:1", ...FILES }, /url: is missing/],
    ["nor for IPv6", { listen: "[::]:1", ...FILES }, /url: is missing/],
    ["a url that is none", { url: "acme.example.org" }, /url is no address without query/],
    ["another scheme", { url: "ftp://acme.example.org" }, /url is no address/],
    ["a query", { url: "https://acme.example.org?a" }, /url is no address/],
    ["a user", { url: "https://u:p@acme.example.org" }, /url is no address/],
    ["no TLS", { listen: "0.0.0.0:1", url }, /there is no TLS on 0\.0\.0\.0; give /],
    ["two ways", { ...FILES, svid: true }, /or plainHttp, not two/],
    ["no key", { certificateFile: "/x" }, /go together; give both/],
    ["http and TLS", { url: "http://acme.example.org", svid: true }, /has TLS; write https/],
    ["an SVID without a name", { svid: true }, /url has no DNS name.*; write url: https:/],
    ["no such set", { set: "web" }, /authoritySets has no web; name it there/],
    ["no such profile", { profiles: ["x"] }, /there is no certificate profile x/],
    ["no profiles", { profiles: [] }, /profiles/],
    ["no time for orders", { orderTtl: "1s" }, /orderTtl/],
  ];
  for (const [name, acme, message] of cases) {
    t.throws(() => acmeOf(acme), { message }, name);
  }
  const unsigned = { set: "web", profiles: ["server-90d"] };
  t.throws(() => acmeOf(unsigned, sets), { message: /does not sign server-90d; add it/ });
});

/** With options of the command line. */
function provisionOf(document: object, given: Readonly<Record<string, string>> = {}) {
  return configOf(document, { given }).frontends?.provision;
}

t.test("provision: a section, options, or both", async (t) => {
  const whole = {
    listen: { host: "127.0.0.1", port: 33_004 },
    tls: { kind: "svid", dnsNames: ["localhost"] },
    set: "trust-domain",
    profile: "peer",
    lifeSeconds: 0,
    maxLifeSeconds: 7_776_000,
    tokenLifeSeconds: 3600,
    attempts: 10,
    renewals: true,
    anonymousAuthorize: false,
  };
  t.equal(provisionOf({}), undefined);
  t.strictSame(provisionOf({ frontends: { provision: {} } }), whole);
  t.strictSame(provisionOf({}, { "provision-listen": "0.0.0.0:33004" }), {
    ...whole,
    listen: { host: "0.0.0.0", port: 33_004 },
  });
  t.strictSame(provisionOf({}, { "plain-http": "true", "anonymous-authorize": "true" }), {
    ...whole,
    tls: { kind: "none" },
    anonymousAuthorize: true,
  });
  t.match(
    provisionOf(
      {
        authoritySets: { web: {} },
        frontends: { provision: { ...FILES, life: "2h", set: "web" } },
      },
      { "provision-listen": "[::1]:0" },
    ),
    { listen: { host: "::1", port: 0 }, tls: { kind: "files" }, lifeSeconds: 7200, set: "web" },
  );
  const cases: readonly [object, RegExp][] = [
    [{ listen: "33004" }, /provision\.listen: '33004' is not host:port/],
    [{ hosts: ["a b"] }, /provision\.hosts: 'a b'/],
    [{ certificateFile: "x" }, /go together/],
    [{ ...FILES, plainHttp: true }, /exclude each other/],
    [{ life: "91d" }, /life is longer than maxLife/],
    [{ tokenLife: "31d" }, /tokenLife is longer than 30d/],
    [{ attempts: 0 }, /attempts/],
    [{ port: 1 }, /port/],
    [{ set: "web" }, /set: authoritySets has no web/],
    [{ profile: "none" }, /profile: there is no certificate profile none/],
  ];
  for (const [provision, message] of cases) {
    t.throws(
      () => provisionOf({ frontends: { provision } }),
      { message },
      JSON.stringify(provision),
    );
  }
});
