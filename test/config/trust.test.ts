/** Settings of what keeps keys elsewhere, and of revocation. */
import t from "tap";
import { buildServerConfig } from "../../src/config/server/build-server.ts";
import { SERVER_SETTINGS } from "../../src/config/server/server-settings.ts";
import { Settings } from "../../src/config/settings/source.ts";

function server(
  root: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
  given: Readonly<Record<string, string>> = {},
) {
  const context = { uid: 0, env };
  const settings = new Settings({
    table: SERVER_SETTINGS,
    given: (name) => given[name],
    fromEnv: () => undefined,
    file: { name: "FILE", root },
    context,
  });
  return buildServerConfig(settings, context);
}

t.test("pkcs11 and vault", async (t) => {
  const pkcs11 = { module: "/lib/hsm.so", token: "assay", pinFile: "/etc/pin" };
  t.same(server({ keyManager: "pkcs11", keyManagers: { pkcs11 } }).keyManager, {
    kind: "pkcs11",
    ...pkcs11,
    namespace: "example.org",
    timeoutMs: 5000,
  });
  const { pinFile: _, ...withoutPin } = pkcs11;
  t.match(
    server(
      {
        keyManager: "pkcs11",
        trustDomain: "spiffe://prod.example",
        keyManagers: { pkcs11: { ...withoutPin, timeout: "30s" } },
      },
      { ASSAY_PKCS11_PIN: "1234" },
    ).keyManager,
    { pin: "1234", pinFile: undefined, namespace: "prod.example", timeoutMs: 30_000 },
  );
  const vault = { address: "https://vault:8200/", tokenFile: "/run/token", namespace: "blue" };
  t.same(server({ keyManager: "vault", keyManagers: { vault } }).keyManager, {
    kind: "vault",
    ...vault,
    address: "https://vault:8200",
    mount: "transit",
    timeoutMs: 5000,
  });
  t.equal(server({ keyManagers: { pkcs11, vault } }).keyManager.kind, "disk", "unless it is named");

  type Case = readonly [Parameters<typeof server>, RegExp];
  const cases: readonly Case[] = [
    [
      [{ keyManager: "pkcs11" }],
      /keyManager in FILE: pkcs11 needs the section keyManagers\.pkcs11/,
    ],
    [[{}, {}, { "key-manager": "vault" }], /--key-manager: vault needs the section/],
    [[{ keyManager: "pkcs11", keyManagers: { pkcs11: withoutPin } }], /pinFile is missing/],
    [
      [{ keyManager: "pkcs11", keyManagers: { pkcs11 } }, { ASSAY_PKCS11_PIN: "1" }],
      /both given; leave one out/,
    ],
    [
      [{ keyManager: "vault", keyManagers: { vault } }, { ASSAY_VAULT_TOKEN: "s.1" }],
      /both given; leave one out/,
    ],
    [
      [{ keyManager: "vault", keyFile: "/k", keyManagers: { vault } }],
      /has no meaning with key-manager vault/,
    ],
    [[{ keyManagers: { vault: { ...vault, mount: "../sys" } } }], /no path of a secrets engine/],
    [[{ keyManagers: { vault: { ...vault, address: "vault:8200" } } }], /no http or https URL/],
    [[{ keyManagers: { pkcs11: { ...pkcs11, namespace: "A/B" } } }], /lower case letters/],
    [[{ keyManagers: { pkcs11: { module: "/x" } } }], /token/],
    [[{ keyManagers: { hsm: {} } }], /hsm/],
  ];
  for (const [args, message] of cases) {
    t.throws(() => server(...args), { kind: "invalid", message }, String(message));
  }
});

t.test("revocation", async (t) => {
  t.equal(server({}).revocation, undefined, "off");
  t.same(server({ revocation: null }).revocation, { crlTtl: 86_400 }, "on, with all defaults");
  const revocation = {
    listen: "0.0.0.0:8082",
    url: "http://crl.example.org/crl/",
    folder: "/crls",
    crlTtl: "1h",
  };
  t.same(server({ revocation }).revocation, {
    ...revocation,
    url: "http://crl.example.org/crl",
    crlTtl: 3600,
  });
  for (const bad of [
    { url: "ldap://x" },
    { url: "http://x y" },
    { crlTtl: "5s" },
    { listen: "8082" },
    { file: "/x" },
  ]) {
    t.throws(() => server({ revocation: bad }), { kind: "invalid", message: /revocation/ });
  }
});

t.test("experimental key types", async (t) => {
  t.equal(server({}, {}, { "ca-key-type": "rsa-4096" }).ca.keyType, "rsa-4096");
  t.match(server({ caKeyType: "ml-dsa-65", experimental: ["ml-dsa"] }), {
    ca: { keyType: "ml-dsa-65" },
    experimental: ["ml-dsa"],
  });
  t.equal(
    server({}, {}, { "ca-key-type": "ml-dsa-65", experimental: "ml-dsa" }).ca.keyType,
    "ml-dsa-65",
  );
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ caKeyType: "ml-dsa-65" }, /caKeyType in FILE: ml-dsa-65 is experimental/],
    [{ jwtKeyType: "ml-dsa-65", experimental: ["ml-dsa"] }, /jwtKeyType in FILE: takes/],
    [{ experimental: ["teleport"] }, /experimental\[0\] in FILE: takes ml-dsa/],
  ];
  for (const [root, message] of cases) {
    t.throws(() => server(root as Record<string, unknown>), { kind: "invalid", message });
  }
});
