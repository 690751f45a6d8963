// The published schema and our own reader, on the same files: what the one refuses, the other does too.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import t from "tap";
import { AGENT_SETTINGS } from "../../src/config/agent-settings.ts";
import { schemaOf } from "../../src/config/json-schema.ts";
import { problemsOf } from "../../src/config/problems.ts";
import { readValue } from "../../src/config/read-value.ts";
import { SERVER_SETTINGS } from "../../src/config/server-settings.ts";
import { type SettingTable, camelCase, fileFields } from "../../src/config/setting.ts";
import {
  type Field,
  type Shape,
  choice,
  count,
  duration,
  flag,
  interval,
  list,
  map,
  section,
  text,
} from "../../src/config/shape.ts";
import { shownValues } from "../../src/config/shown.ts";
import { Settings } from "../../src/config/source.ts";

const TABLES = { server: SERVER_SETTINGS, agent: AGENT_SETTINGS } as const;
const published = JSON.parse(readFileSync("doc/config.schema.json", "utf8")) as object;
// `type: [object, null]` is plain JSON Schema; only ajv's strict mode dislikes it.
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addSchema(published);
const context = { uid: 1000, env: { HOME: "/home/u" } };

/** What our reader says is wrong with a file. */
function problems(table: SettingTable, root: Readonly<Record<string, unknown>>): readonly string[] {
  const settings = new Settings({
    table,
    given: () => undefined,
    fromEnv: () => undefined,
    file: { name: "FILE", root },
    context,
  });
  try {
    settings.check();
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
      const node = typeof given === "function" ? given(context) : given;
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
      const node = typeof field.default === "function" ? field.default(context) : field.default;
      t.notOk(field.required === true && node !== undefined, `${path}: required has no default`);
      if (node === undefined) continue;
      const report = (at: string, problem: string) => t.fail(`default of ${path}${at}: ${problem}`);
      readValue(field.shape, node, "", { context, report });
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
    "keyManager in FILE: takes disk or memory, not 'dsik'; did you mean 'disk'?",
  ],
  ["server", { keyManager: ["disk"] }, "keyManager in FILE: takes disk or memory, not a list"],
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

const ISSUER = section({
  url: {
    shape: text({ pattern: "^https://", rule: "is no https address" }),
    help: "a",
    required: true,
  },
  audiences: { shape: list(text(), { least: 1, most: 3 }), help: "b" },
  refresh: { shape: duration(10), help: "c", default: "5m" },
  poll: { shape: interval(100), help: "d" },
  strict: { shape: flag(), help: "e", default: false },
});
/** As attestors will have it. */
const NESTED = section({
  docker: {
    shape: section({ socket: { shape: text(), help: "a", default: "/d.sock" } }),
    help: "b",
  },
  oidc: {
    shape: section({
      issuers: { shape: list(ISSUER, { least: 1, most: 2 }), help: "a", required: true },
    }),
    help: "b",
  },
  clusters: {
    shape: map(
      section({
        mode: { shape: choice(["alpha", "beta"]), help: "a", required: true },
        n: { shape: count(1, 9), help: "b" },
      }),
      { most: 2 },
    ),
    help: "c",
  },
});

function readNested(node: unknown): { value: unknown; problems: readonly string[] } {
  const found: string[] = [];
  const report = (path: string, problem: string): void => void found.push(`${path}: ${problem}`);
  return { value: readValue(NESTED, node, "", { context, report }), problems: found };
}

t.test("sections, lists and maps: defaults filled in, errors with their whole path", (t) => {
  t.same(readNested({ docker: null, oidc: { issuers: [{ url: "https://a" }] } }), {
    value: {
      docker: { socket: "/d.sock" },
      oidc: { issuers: [{ url: "https://a", refresh: 300, strict: false }] },
    },
    problems: [],
  });
  t.same(readNested({ clusters: { "eu-1": { mode: "beta", n: 2 } }, docker: {} }).value, {
    docker: { socket: "/d.sock" },
    clusters: new Map([["eu-1", { mode: "beta", n: 2 }]]),
  });
  const refused: readonly (readonly [unknown, readonly string[]])[] = [
    [{ dokcer: {} }, ["dokcer: is unknown; did you mean 'docker'?"]],
    [
      { docker: { socket: 5, sokcet: "x" } },
      [
        "docker.sokcet: is unknown; did you mean 'socket'?",
        "docker.socket: is not text; put it in quotes",
      ],
    ],
    [{ docker: [] }, ["docker: is not a mapping; write one 'key: value' a line"]],
    [{ oidc: null }, ["oidc: is not a mapping; write one 'key: value' a line"]],
    [{ oidc: {} }, ["oidc.issuers: is missing"]],
    [{ oidc: { issuers: [] } }, ["oidc.issuers: has fewer than 1 items"]],
    [
      { oidc: { issuers: [{}, { url: "x", audiences: [] }] } },
      [
        "oidc.issuers[0].url: is missing",
        "oidc.issuers[1].url: 'x' is no https address",
        "oidc.issuers[1].audiences: has fewer than 1 items",
      ],
    ],
    [
      { oidc: { issuers: [{ url: "https://a", audiences: ["b", ""], poll: 5.5, strict: 0 }] } },
      [
        "oidc.issuers[0].audiences[1]: is empty; leave it out or give it a value",
        "oidc.issuers[0].poll: '5.5' is no duration; write it as 90s, 5m, 1h or 2d",
        "oidc.issuers[0].strict: is true or false, not '0'",
      ],
    ],
    [
      { clusters: { "a b": { mode: "beta" } } },
      ["clusters.a b: the key does not have the form ^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"],
    ],
    [
      { clusters: { a: { mode: "c", n: 0 }, b: null } },
      [
        "clusters.a.mode: takes alpha or beta, not 'c'",
        "clusters.a.n: is a whole number from 1 to 9, not '0'",
        "clusters.b: is not a mapping; write one 'key: value' a line",
      ],
    ],
    [
      { clusters: { a: { mode: "beta" }, b: { mode: "beta" }, c: { mode: "beta" } } },
      ["clusters: has more than 2 keys"],
    ],
  ];
  const validate = ajv.compile(schemaOf(NESTED));
  for (const [node, expected] of refused) {
    t.same(readNested(node).problems, expected);
    t.notOk(validate(node), JSON.stringify(node));
  }
  const secret = text({ secret: true, pattern: "^x$", rule: "is not x" });
  const said: string[] = [];
  readValue(secret, "tell-nobody", "p", {
    context,
    report: (_, problem) => void said.push(problem),
  });
  t.same(said, ["is not x"], "a secret is not repeated");
  t.end();
});

t.test("what is shown of it: each value with its origin, no secret", (t) => {
  const table = {
    nested: {
      shape: section({
        issuers: {
          shape: list(
            section({
              url: { shape: text(), help: "a" },
              n: { shape: count(1, 9), help: "b", default: 3 },
            }),
            { most: 9 },
          ),
          help: "a",
        },
        keys: { shape: map(text({ secret: true }), { most: 9 }), help: "b" },
        more: { shape: list(text({ secret: true }), { most: 9 }), help: "c" },
        names: { shape: list(text(), { most: 9 }), help: "d", default: ["x"] },
        docker: { shape: section({}), help: "e" },
      }),
      help: "a",
    },
  };
  const nested = {
    issuers: [{ url: "u" }, { n: 4 }],
    keys: { a: "tell-nobody" },
    more: ["tell-nobody"],
    docker: null,
  };
  const settings = new Settings({
    table,
    given: () => undefined,
    fromEnv: () => undefined,
    file: { name: "FILE", root: { nested } },
    context,
  });
  settings.check();
  t.same(
    shownValues(settings, context).map(({ path, value, isSecret, from }) => [
      path,
      isSecret ? "***" : value,
      from,
    ]),
    [
      ["nested.issuers[0].url", "u", "file"],
      ["nested.issuers[0].n", 3, "default"],
      ["nested.issuers[1].n", 4, "file"],
      ["nested.keys.a", "***", "file"],
      ["nested.more[0]", "***", "file"],
      ["nested.names", ["x"], "default"],
      ["nested.docker", {}, "file"],
    ],
  );
  t.notMatch(JSON.stringify(shownValues(settings, context)), /tell-nobody/);
  t.end();
});

/** Values near what a shape wants: right ones, wrong ones, and the wrong kind altogether. */
function near(shape: Shape): fc.Arbitrary<unknown> {
  const scalars = fc.constantFrom<unknown>(
    null,
    true,
    0,
    1,
    5,
    100,
    1.5,
    -1,
    "",
    "a",
    "b",
    "x y",
    "https://h",
    "beta",
    ",",
    "5m",
    "90",
    "250ms",
    "1h1x",
    [],
    {},
  );
  return fc.oneof(
    { weight: 6, arbitrary: right(shape) ?? scalars },
    { weight: 1, arbitrary: scalars },
  );

  function right(wanted: Shape): fc.Arbitrary<unknown> | undefined {
    if (wanted.kind === "list") return fc.array(near(wanted.of), { maxLength: wanted.most + 1 });
    if (wanted.kind === "map") {
      const keys = fc.constantFrom("a", "b-1", "c c", "");
      return fc.dictionary(keys, near(wanted.of), { maxKeys: wanted.most + 1 });
    }
    if (wanted.kind !== "section") return undefined;
    const fields = Object.entries(wanted.fields).map(([key, field]) => [key, near(field.shape)]);
    return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, {
      requiredKeys: [],
    });
  }
}

t.test("whatever the file says, schema and reader agree", (t) => {
  // Texts of durations whose bound the schema cannot count stay out of it: the shapes' least ones are below them.
  const validate = ajv.compile(schemaOf(NESTED));
  let taken = 0;
  fc.assert(
    fc.property(near(NESTED), (node) => {
      const { problems: found } = readNested(node);
      if (found.length === 0) taken += 1;
      return validate(node) === (found.length === 0);
    }),
    { numRuns: 3000, seed: 4 },
  );
  t.ok(taken > 100, `${taken} of 3000 were taken`);
  t.end();
});
