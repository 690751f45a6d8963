// The published schema and our own reader, on the same files: what the one refuses, the other does too.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import t from "tap";
import { isObject } from "../../src/base/is-object.ts";
import { parse } from "yaml";
import { AGENT_SETTINGS } from "../../src/config/agent/agent-settings.ts";
import { DELIVERY_FILE_FIELDS } from "../../src/config/delivery-settings.ts";
import { schemaOf } from "../../src/config/settings/json-schema.ts";
import { problemsOf } from "../../src/config/settings/problems.ts";
import { readValue } from "../../src/config/settings/read-value.ts";
import { SERVER_SETTINGS } from "../../src/config/server/server-settings.ts";
import { type SettingTable, camelCase, fileFields } from "../../src/config/settings/setting.ts";
import { type Field, type Shape, section } from "../../src/config/settings/shape.ts";
import { USER, fileSettings } from "../support/file-settings.ts";

const TABLES = {
  server: SERVER_SETTINGS,
  agent: AGENT_SETTINGS,
  watch: DELIVERY_FILE_FIELDS,
} as const;
const published = JSON.parse(readFileSync("doc/config.schema.json", "utf8")) as object;
// `type: [object, null]` is plain JSON Schema; only ajv's strict mode dislikes it.
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addSchema(published);

/** What our reader says is wrong with a file. */
function problems(table: SettingTable, root: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    fileSettings(table, root).check();
    return [];
  } catch (error) {
    return problemsOf(error);
  }
}

function validator(role: string): ValidateFunction {
  const validate = ajv.getSchema(`urn:assay:config#/$defs/${role}`);
  if (validate === undefined) throw new Error(`no schema for ${role}`);
  return validate;
}

t.test("the committed schema is the one that follows from the settings", (t) => {
  execFileSync(process.execPath, ["src/config/generate-schema.ts", "--check"]);
  t.ok(ajv.validateSchema(published), "and a schema of 2020-12");
  t.end();
});

t.test("every setting is in it, with a description, and its default is valid", (t) => {
  const { $defs } = published as {
    $defs: Record<string, { properties: Record<string, { description?: string }> }>;
  };
  for (const [role, table] of Object.entries(TABLES)) {
    const properties = $defs[role]?.properties ?? {};
    const rows = Object.entries<SettingTable[string]>(table);
    t.same(
      Object.keys(properties),
      rows.map(([name]) => camelCase(name)),
    );
    for (const [name, setting] of rows) {
      const key = camelCase(name);
      t.match(properties[key]?.description, /^[^a-z].*[^.]\.$/, `${role} ${key}`);
      const { default: given } = setting;
      const node = typeof given === "function" ? given(USER) : given;
      if (node === undefined) continue;
      t.same(problems(table, { [key]: node }), [], `the default of ${role} ${key}`);
      t.ok(validator(role)({ [key]: node }));
    }
  }
  t.end();
});

/** All keys below a shape, with their paths. */
function fieldsOf(shape: Shape, path: string): (readonly [string, Field])[] {
  if (shape.kind === "list") return fieldsOf(shape.of, `${path}[]`);
  if (shape.kind === "map") return fieldsOf(shape.of, `${path}.*`);
  if (shape.kind !== "section") return [];
  return Object.entries<Field>(shape.fields).flatMap(([key, field]) => [
    [`${path}.${key}`, field] as const,
    ...fieldsOf(field.shape, `${path}.${key}`),
  ]);
}

t.test("sections: camelCase keys, a sentence each, defaults that are valid", (t) => {
  let seen = 0;
  for (const [role, table] of Object.entries(TABLES)) {
    for (const [path, field] of fieldsOf(section(fileFields(table)), role)) {
      seen += 1;
      t.match(path, /^(\.?[a-z][A-Za-z0-9]*|\[\]|\.\*)+$/);
      t.match(field.help, /^[^.].*[^.]$/, path);
      const node = typeof field.default === "function" ? field.default(USER) : field.default;
      t.notOk(field.required === true && node !== undefined, `${path}: required has no default`);
      if (node === undefined) continue;
      const report = (at: string, problem: string) => t.fail(`default of ${path}${at}: ${problem}`);
      readValue(field.shape, node, "", { context: USER, report });
      t.ok(ajv.validate(schemaOf(field.shape), node), `default of ${path}`);
    }
  }
  t.ok(seen > 60, `${seen} keys`);
  t.end();
});

t.test("patterns are such as every validator has", (t) => {
  const text = JSON.stringify(published);
  const patterns = [...text.matchAll(/"pattern":"((?:[^"\\]|\\.)*)"/g)].map(
    ([, pattern]) => JSON.parse(`"${pattern}"`) as string,
  );
  t.ok(patterns.length > 5, `${patterns.length} patterns`);
  for (const pattern of patterns) {
    t.notMatch(
      pattern,
      /\(\?[=!<]|\\[1-9pPkuxc]/,
      "no look-around, no references, no classes by name",
    );
  }
  t.end();
});

const ACCEPTED: readonly (readonly ["server" | "agent", Readonly<Record<string, unknown>>])[] = [
  ["server", {}],
  ["server", { trustDomain: "a.org", listen: "[::1]:0", x509Ttl: "1h30m", jwtTtl: 90 }],
  ["server", { trustDomain: "spiffe://a.org", listen: "host:65535", signLimit: 1_000_000 }],
  ["server", { keyManager: "memory", caKeyType: "rsa-4096", x509popMode: "spiffe" }],
  ["server", { nodeAttestors: {}, logLevel: "debug", logFormat: "json" }],
  ["server", { nodeAttestors: null }],
  ["agent", { server: "host:8081", insecureBootstrap: true, syncInterval: "250ms" }],
  ["agent", { syncInterval: 5, x509Cache: 1, trustBundleUrl: "https://a.org/b" }],
  ["agent", { allowedForeignJwtClaims: "a, b" }],
  ["agent", { allowedForeignJwtClaims: ["a", "b"], workloadAttestors: {} }],
  ["agent", { trustBundleSha256: "aB".repeat(32), joinToken: "t" }],
];

/** With what our reader says. */
const REFUSED: readonly (readonly [
  "server" | "agent",
  Readonly<Record<string, unknown>>,
  string,
])[] = [
  ["server", { trustdomain: "a" }, "trustdomain in FILE: is unknown; did you mean 'trustDomain'?"],
  [
    "server",
    { "trust-domain": "a" },
    "trust-domain in FILE: is unknown; did you mean 'trustDomain'?",
  ],
  ["server", { config: "x" }, "config in FILE: is unknown; known are trustDomain, "],
  ["server", { __proto: 1 }, "__proto in FILE: is unknown; known are "],
  [
    "server",
    JSON.parse('{"__proto__": 1}') as Record<string, unknown>,
    "__proto__ in FILE: is unknown; known are ",
  ],
  ["server", { constructor: 1 }, "constructor in FILE: is unknown; known are "],
  [
    "server",
    { nodeAttestors: { x509pop: { ca: "x" } } },
    "nodeAttestors.x509pop in FILE: is no section; a server has x509popCa at the top",
  ],
  [
    "agent",
    { nodeAttestors: { join_token: null } },
    "nodeAttestors.join_token in FILE: is no section; a server always takes join tokens",
  ],
  [
    "agent",
    { workloadAttestors: { unix: null } },
    "workloadAttestors.unix in FILE: is no section; the attestor unix is always on: leave it out",
  ],
  ["server", { trustDomain: "A.org" }, "trustDomain in FILE: 'A.org' is no trust domain: "],
  ["server", { trustDomain: "a".repeat(256) }, "trustDomain in FILE: 'aaa"],
  ["server", { trustDomain: "" }, "trustDomain in FILE: is empty; leave it out or give it a value"],
  [
    "server",
    { trustDomain: null },
    "trustDomain in FILE: has no value; leave it out or give it one",
  ],
  ["server", { trustDomain: ["a"] }, "trustDomain in FILE: is not text"],
  ["server", { jwtIssuer: 5 }, "jwtIssuer in FILE: is not text; put it in quotes"],
  [
    "server",
    { listen: "8081" },
    "listen in FILE: '8081' is not host:port, for example 127.0.0.1:8081",
  ],
  ["server", { listen: "h:65536" }, "listen in FILE: 'h:65536' is not host:port"],
  ["server", { listen: "::1:80" }, "listen in FILE: '::1:80' is not host:port"],
  ["server", { listen: "h:00080" }, "listen in FILE: 'h:00080' is not host:port"],
  [
    "server",
    { caTtl: "forever" },
    "caTtl in FILE: 'forever' is no duration; write it as 90s, 5m, 1h or 2d",
  ],
  ["server", { caTtl: "250ms" }, "caTtl in FILE: '250ms' is no duration"],
  ["server", { caTtl: 59 }, "caTtl in FILE: is shorter than 60s"],
  ["server", { caTtl: 99_999_999_999 }, "caTtl in FILE: '99999999999' is no duration"],
  ["server", { caTtl: 9_999_999_999 }, "caTtl in FILE: a duration is longer than 100 years"],
  ["server", { caTtl: 90.5 }, "caTtl in FILE: '90.5' is no duration"],
  ["server", { caTtl: true }, "caTtl in FILE: is not text; put it in quotes"],
  ["server", { caTtl: null }, "caTtl in FILE: has no value"],
  ["server", { signLimit: 0 }, "signLimit in FILE: is a whole number from 1 to 1000000, not '0'"],
  ["server", { signLimit: "5" }, "signLimit in FILE: is a whole number from 1 to 1000000, not '5'"],
  [
    "server",
    { signLimit: 1.5 },
    "signLimit in FILE: is a whole number from 1 to 1000000, not '1.5'",
  ],
  [
    "server",
    { signLimit: {} },
    "signLimit in FILE: is a whole number from 1 to 1000000, not a mapping",
  ],
  [
    "server",
    { keyManager: "dsik" },
    "keyManager in FILE: takes disk or memory or pkcs11 or vault, not 'dsik'; did you mean 'disk'?",
  ],
  [
    "server",
    { keyManager: ["disk"] },
    "keyManager in FILE: takes disk or memory or pkcs11 or vault, not a list",
  ],
  ["server", { nodeAttestors: [] }, "nodeAttestors in FILE: is not a mapping"],
  ["server", { nodeAttestors: "x" }, "nodeAttestors in FILE: is not a mapping"],
  ["agent", { server: "host:0" }, "server in FILE: 'host:0' is not host:port"],
  ["agent", { syncInterval: 0 }, "syncInterval in FILE: is shorter than 50ms"],
  ["agent", { insecureBootstrap: "yes" }, "insecureBootstrap in FILE: is true or false, not 'yes'"],
  [
    "agent",
    { insecureBootstrap: "true" },
    "insecureBootstrap in FILE: is true or false, not 'true'",
  ],
  [
    "agent",
    { allowedForeignJwtClaims: ["a", 5] },
    "allowedForeignJwtClaims[1] in FILE: is not text; put it in quotes",
  ],
  [
    "agent",
    { allowedForeignJwtClaims: { a: 1 } },
    "allowedForeignJwtClaims in FILE: is not a list",
  ],
  [
    "agent",
    { allowedForeignJwtClaims: Array(257).fill("a") },
    "allowedForeignJwtClaims in FILE: has more than 256 items",
  ],
  [
    "agent",
    { trustBundleUrl: "http://a.org" },
    "trustBundleUrl in FILE: 'http://a.org' is no https address",
  ],
  ["agent", { trustBundleSha256: "ab" }, "trustBundleSha256 in FILE: 'ab' is not 64 hex digits"],
  ["agent", { joinToken: 12_345 }, "joinToken in FILE: is not text; put it in quotes"],
];

/** Bounds of durations written as text: our reader alone counts them. */
const BEYOND: typeof REFUSED = [
  ["server", { caTtl: "59s" }, "caTtl in FILE: is shorter than 60s"],
  ["agent", { syncInterval: "49ms" }, "syncInterval in FILE: is shorter than 50ms"],
  ["server", { caTtl: "36601d" }, "caTtl in FILE: a duration is longer than 100 years"],
];

t.test("both take what is right", (t) => {
  for (const [role, root] of ACCEPTED) {
    t.same(problems(TABLES[role], root), [], JSON.stringify(root));
    t.ok(validator(role)(root), `${role} ${JSON.stringify(root)}`);
  }
  t.end();
});

t.test("both refuse what is wrong, and our reader names the place", (t) => {
  for (const [role, root, expected] of [...REFUSED, ...BEYOND]) {
    const found = problems(TABLES[role], root);
    t.equal(found.length, 1, JSON.stringify(root));
    t.equal(found[0]?.slice(0, expected.length), expected);
    t.equal(
      validator(role)(root),
      BEYOND.some(([, beyond]) => beyond === root),
      "the schema too",
    );
  }
  t.end();
});

const KEYS: ReadonlySet<string> = new Set(
  Object.values(TABLES).flatMap((table) => Object.keys(fileFields(table))),
);

t.test("every example in the documents is a configuration, for both readers", (t) => {
  let seen = 0;
  for (const name of readdirSync("doc").filter((file) => file.endsWith(".md"))) {
    const text = readFileSync(`doc/${name}`, "utf8");
    for (const [, code = ""] of text.matchAll(/^```yaml\n([^]*?)^```$/gm)) {
      const root: unknown = parse(code);
      // Other files are written in YAML, too: Kubernetes objects and parts of them, entries.
      if (!isObject(root) || !Object.keys(root).some((key) => KEYS.has(key))) continue;
      seen += 1;
      const roles = ["server", "agent", "watch"] as const;
      const found = roles.map((role) => problems(TABLES[role], root));
      const taken = roles.find((_, index) => found[index]?.length === 0);
      t.ok(taken, `${name}: ${JSON.stringify(found)}`);
      if (taken !== undefined) t.ok(validator(taken)(root), `${name}: ${code}`);
    }
  }
  t.ok(seen >= 10, `${seen} examples`);
  t.end();
});
