/** `frontends` of a server's file: what is filled in, and what is refused. */
import t from "tap";
import { buildServerConfig } from "../../src/config/build-server.ts";
import { SERVER_SETTINGS } from "../../src/config/server-settings.ts";
import type { ServerConfig } from "../../src/config/server.ts";
import { Settings } from "../../src/config/source.ts";

const context = { uid: 1000, env: { HOME: "/home/u" } };
const FILES = { certificateFile: "/etc/tls.pem", keyFile: "/etc/tls.key" };

function configOf(document: object): ServerConfig {
  const settings = new Settings({
    table: SERVER_SETTINGS,
    given: () => undefined,
    fromEnv: () => undefined,
    file: { name: "FILE", root: { ...document } },
    context,
  });
  return buildServerConfig(settings, context);
}

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
