// Nested sections, lists and maps, as attestors have them: read, refused with their path, shown; and the schema of each.
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import t from "tap";
import { schemaOf } from "../../src/config/settings/json-schema.ts";
import { readValue } from "../../src/config/settings/read-value.ts";
import {
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
} from "../../src/config/settings/shape.ts";
import { shownValues } from "../../src/config/settings/shown.ts";
import { USER, fileSettings } from "../support/file-settings.ts";

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });

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
  return { value: readValue(NESTED, node, "", { context: USER, report }), problems: found };
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
    context: USER,
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
  const settings = fileSettings(table, { nested });
  settings.check();
  t.same(
    shownValues(settings, USER).map(({ path, value, isSecret, from }) => [
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
  t.notMatch(JSON.stringify(shownValues(settings, USER)), /tell-nobody/);
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
