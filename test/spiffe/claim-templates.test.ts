/** Claims of an entry's own: what may be stored, and what tokens get. */
import fc from "fast-check";
import t from "tap";
import { ClaimTemplates } from "../../src/spiffe/claim-templates.ts";

const none = (): undefined => undefined;

t.test("texts are filled in wherever they stand; the rest is as it was", async (t) => {
  const text = JSON.stringify({
    tenant: "acme",
    where: "{{k8s.ns}}-{{k8s.ns}}/{{path.2}}",
    roles: ["a", "{{k8s.sa}}", 7, true],
    "https://aws.amazon.com/tags": { principal_tags: { ns: ["{{k8s.ns}}"] } },
    empty: "",
    list: [],
  });
  const claims = ClaimTemplates.parse(text);
  t.strictSame(claims.variables, ["k8s.ns", "path.2", "k8s.sa"]);
  const values: Record<string, string> = {
    "k8s.ns": "{{k8s.sa}}",
    "path.2": '"}',
    "k8s.sa": "web",
  };
  t.strictSame(
    claims.fill((variable) => values[variable]),
    {
      tenant: "acme",
      where: '{{k8s.sa}}-{{k8s.sa}}/"}',
      roles: ["a", "web", 7, true],
      "https://aws.amazon.com/tags": { principal_tags: { ns: ["{{k8s.sa}}"] } },
      empty: "",
      list: [],
    },
    "a value is not filled in again",
  );
  t.throws(() => claims.fill(none), { kind: "denied", message: /no value for \{\{k8s.ns\}\}/ });
  const big = ClaimTemplates.parse(JSON.stringify({ a: "{{hint}}".repeat(100) }));
  t.throws(() => big.fill(() => "x".repeat(100)), { kind: "denied", message: /more than 6144/ });
});

t.test("what is refused", async (t) => {
  const nested = (depth: number): unknown => (depth === 0 ? "x" : [nested(depth - 1)]);
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`c${i}`, 1]));
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ...["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "__proto__"].map(
      (name) => [name, `{"${name}":"x"}`, /has a meaning of its own/] as const,
    ),
    ["no json", "{", /are not json/],
    ["a list", "[]", /not a json object/],
    ["a text", '"a"', /not a json object/],
    ["null", "null", /not a json object/],
    ["33 claims", JSON.stringify(many(33)), /more than 32 jwt claims/],
    ["4097 bytes", JSON.stringify({ a: "x".repeat(4089) }), /longer than 4096 bytes/],
    ["an empty name", '{"":1}', /has no name/],
    ["a long name", JSON.stringify({ ["n".repeat(129)]: 1 }), /has no name/],
    ["a name with a blank", '{"a b":1}', /has no name/],
    ["a name with braces", '{"{{hint}}":1}', /has no name/],
    ["a null", '{"a":null}', /is no text, whole number/],
    ["a fraction", '{"a":1.5}', /is no text, whole number/],
    ["a large number", '{"a":9007199254740993}', /is no text, whole number/],
    ["too deep", JSON.stringify({ a: nested(5) }), /at most 4 deep/],
    ["a bad member", '{"a":{"":1}}', /member with a bad name/],
    ["a prototype", '{"a":{"__proto__":1}}', /member with a bad name/],
    ["half a pair", '{"a":"\\ud800"}', /is not valid unicode/],
    ["an open brace", '{"a":"{{hint"}', /braces that are no variable/],
    ["a variable with a blank", '{"a":"{{ hint }}"}', /braces that are no variable/],
    ["an empty variable", '{"a":"{{}}"}', /braces that are no variable/],
    [
      "33 variables",
      JSON.stringify({ a: Array.from({ length: 33 }, (_, i) => `{{v${i}}}`) }),
      /more than 32 variables/,
    ],
  ];
  for (const [name, text, message] of cases) {
    t.throws(() => ClaimTemplates.parse(text), { kind: "invalid", message }, name);
  }
  t.doesNotThrow(() => ClaimTemplates.parse(JSON.stringify({ a: nested(4), ...many(31) })));
});

t.test("whatever is accepted without variables comes out as it went in", async () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const text = JSON.stringify({ claim: value });
      let parsed: ClaimTemplates;
      try {
        parsed = ClaimTemplates.parse(text);
      } catch {
        return;
      }
      if (parsed.variables.length > 0) return;
      const filled = JSON.stringify(parsed.fill(none));
      if (filled !== text) throw new Error(`${filled} is not ${text}`);
    }),
  );
});
