// The house's rules (doc/ARCHITECTURE.md): who may import whom. test/architecture.test.ts asserts that files were seen.
const floor = (name, from, ...to) => ({
  name,
  severity: "error",
  from: { path: from },
  to: { path: "^src/", pathNot: to },
});

module.exports = {
  forbidden: [
    // Generated message types refer to each other as the protos do (Struct holds Values, a Value holds a Struct).
    { name: "no-cycles", severity: "error", from: { pathNot: "^src/rpc/gen/" }, to: { circular: true } },
    floor("base-knows-nothing", "^src/base/", "^src/base/"),
    floor("keys-on-base", "^src/keys/", "^src/(base|keys)/"),
    floor("x509-on-keys", "^src/x509/", "^src/(base|keys|x509)/"),
    floor("jwt-on-keys", "^src/jwt/", "^src/(base|keys|jwt)/"),
    floor("spiffe-on-floors", "^src/spiffe/", "^src/(base|keys|x509|jwt|spiffe)/"),
    floor("tpm-on-keys", "^src/tpm/", "^src/(base|keys|tpm)/"),
    floor("observe-low", "^src/observe/", "^src/(base|observe)/"),
    floor("http-knows-no-role", "^src/http/", "^src/(base|observe|http)/", "^src/x509/peer-certificates"),
    floor("vault-is-a-client", "^src/vault/", "^src/(base|vault)/"),
    floor("config-low", "^src/config/", "^src/(base|keys|spiffe|observe|config)/"),
    floor("settings-know-none", "^src/config/settings/", "^src/(base|config/settings)/", "^src/config/paths\\.ts"),
    {
      name: "sections-below-their-roles",
      severity: "error",
      from: { path: "^src/config/sections/" },
      to: { path: "^src/config/(server|agent)/" },
    },
    {
      name: "config-of-one-role",
      severity: "error",
      from: { path: "^src/config/(server|agent)/" },
      to: { path: "^src/config/(server|agent)/", pathNot: "^src/config/$1/" },
    },
    floor("delivery-knows-no-agent", "^src/delivery/", "^src/(base|keys|x509|spiffe|delivery)/"),
    floor("provision-knows-no-role", "^src/provision/", "^src/(base|keys|x509|delivery|provision)/"),
    floor("http2-knows-no-grpc", "^src/rpc/http2/", "^src/(base|rpc/http2)/"),
    floor("rpc-is-mechanism", "^src/rpc/", "^src/(base|keys|x509|observe|rpc)/"),
    floor(
      "attestors-are-adapters",
      "^src/attestors/",
      "^src/(base|keys|x509|jwt|spiffe|tpm|observe|attestors)/",
      // The server's half of an attestor may read what the server stores through its contract.
      "^src/server/datastore/contract",
    ),
    {
      name: "server-and-agent-meet-on-the-wire",
      severity: "error",
      from: { path: "^src/server/" },
      to: { path: "^src/(agent|cli)/" },
    },
    {
      name: "agent-and-server-meet-on-the-wire",
      severity: "error",
      from: { path: "^src/agent/" },
      to: { path: "^src/(server|cli)/" },
    },
    {
      name: "only-rpc-speaks-grpc",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/rpc/" },
      to: { path: "node_modules/(@grpc|protobufjs)/" },
    },
    {
      name: "generated-types-stay-at-the-wire",
      severity: "error",
      from: { path: "^src/(base|keys|x509|jwt|spiffe|observe|config|server/(datastore|keymanager|ca|issuance|entries|nodes|bundles|federation))/" },
      to: { path: "^src/rpc/" },
    },
    {
      name: "only-the-datastore-speaks-sql",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/server/datastore/" },
      to: { path: "^(node:)?sqlite$" },
    },
    {
      name: "api-never-signs",
      severity: "error",
      from: { path: "^src/server/(api|endpoints|frontends)/" },
      to: { path: "^src/server/(ca|keymanager)/" },
    },
    {
      name: "front-ends-stand-alone",
      severity: "error",
      from: { path: "^src/server/frontends/([^/]+)/" },
      to: {
        path: "^src/server/frontends/",
        pathNot: "^src/server/frontends/($1/|front-end-parts\\.ts|web-identity\\.ts)",
      },
    },
    {
      name: "stores-behind-the-contract",
      severity: "error",
      from: { path: "^src/server/", pathNot: "^src/server/(datastore/|start/state\\.ts)" },
      to: { path: "^src/server/datastore/", pathNot: "^src/server/datastore/[^/]+\\.ts$" },
    },
    {
      name: "key-managers-behind-the-contract",
      severity: "error",
      from: { path: "^src/server/", pathNot: "^src/server/keymanager/" },
      to: { path: "^src/server/keymanager/", pathNot: "^src/server/keymanager/(contract|open-key-manager)\\.ts" },
    },
    // Rooms of the command line that commands stand on; only the command table knows commands.
    {
      name: "grammar-knows-no-command",
      severity: "error",
      from: { path: "^src/cli/(program|files)/", pathNot: "^src/cli/program/registry\\.ts" },
      to: { path: "^src/(cli|server|agent|rpc)/", pathNot: "^src/cli/(program|files)/" },
    },
    {
      name: "connections-know-no-command",
      severity: "error",
      from: { path: "^src/cli/(connection|text)/" },
      to: { path: "^src/(cli|server|agent)/", pathNot: "^src/cli/(connection|text|program)/" },
    },
    {
      name: "sources-do-not-need-tests-or-dev-packages",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^test/" },
    },
    {
      name: "no-dev-packages",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown", "unknown", "undetermined"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    builtInModules: { add: ["node:sqlite"] },
    enhancedResolveOptions: { extensions: [".ts", ".js", ".cjs", ".mjs", ".json"], exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
