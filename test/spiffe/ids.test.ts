import fc from "fast-check";
import t from "tap";
import { isKind } from "../../src/base/errors.ts";
import { checkDnsName } from "../../src/spiffe/dns-name.ts";
import {
  type Selector,
  canonicalSelectors,
  checkSelector,
  formatSelector,
  parseSelector,
  selectorSetKey,
} from "../../src/spiffe/selector.ts";
import { SpiffeId, isAgentPath, isReservedPath, serverId } from "../../src/spiffe/spiffe-id.ts";
import { TrustDomain } from "../../src/spiffe/trust-domain.ts";

/** What hostile input leads to, and nothing else. */
const INVALID = { name: "AssayError", kind: "invalid" };
const LOWER = "abcdefghijklmnopqrstuvwxyz";
const DOMAIN_CHARACTERS = `${LOWER}0123456789.-_`;
const PATH_CHARACTERS = `${DOMAIN_CHARACTERS}${LOWER.toUpperCase()}`;
const td = TrustDomain.parse("example.org");

t.test("all 256 byte values in a trust domain and in a path", (t) => {
  for (let byte = 0; byte < 256; byte++) {
    const character = String.fromCharCode(byte);
    const shown = `byte ${byte}`;
    const domain = `spiffe://${character}${character}.x`;
    if (DOMAIN_CHARACTERS.includes(character)) {
      t.equal(TrustDomain.parse(`a${character}b`).name, `a${character}b`, shown);
      t.equal(String(SpiffeId.parse(domain)), domain, shown);
    } else {
      t.throws(() => TrustDomain.parse(`a${character}b`), INVALID, shown);
      if (character !== "/") t.throws(() => SpiffeId.parse(domain), INVALID, shown);
    }
    for (const path of [
      `/x${character}y`,
      `/${character}y`,
      `/x${character}`,
      `/a/x${character}/b`,
    ]) {
      const legal =
        PATH_CHARACTERS.includes(character) || (path === `/x${character}y` && character === "/");
      if (legal) t.equal(String(SpiffeId.of(td, path)), `spiffe://example.org${path}`, shown);
      else t.throws(() => SpiffeId.of(td, path), INVALID, `${shown} in ${path.length}`);
    }
  }
  for (const character of ["\u0100", "\u2024", "\uff0e", "\ud83d\ude00", "\ud800", "\u0130"]) {
    t.throws(() => TrustDomain.parse(`a${character}`), INVALID);
    t.throws(() => SpiffeId.of(td, `/a${character}`), INVALID);
  }
  t.end();
});

t.test("ids that are none, each for its reason", (t) => {
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ["empty", "", /is empty/],
    ["no scheme", "example.org/x", /scheme/],
    ["https", "https://example.org/x", /scheme/],
    ["upper case scheme", "SPIFFE://example.org/x", /scheme/],
    ["one slash", "spiffe:/example.org/x", /scheme/],
    ["space before", " spiffe://example.org/x", /scheme/],
    ["no domain", "spiffe://", /trust domain is missing/],
    ["no domain but path", "spiffe:///x", /trust domain is missing/],
    ["upper case domain", "spiffe://Example.org/x", /trust domain characters/],
    ["port", "spiffe://example.org:443/x", /trust domain characters/],
    ["user", "spiffe://user@example.org/x", /trust domain characters/],
    ["query in domain", "spiffe://example.org?x", /trust domain characters/],
    ["percent in domain", "spiffe://ex%61mple.org/x", /trust domain characters/],
    ["ipv6", "spiffe://[::1]/x", /trust domain characters/],
    ["domain of 256", `spiffe://${"a".repeat(256)}/x`, /longer than 255/],
    ["trailing slash", "spiffe://example.org/", /trailing slash/],
    ["trailing slash after a path", "spiffe://example.org/x/", /trailing slash/],
    ["empty segment", "spiffe://example.org//x", /empty segments/],
    ["dot", "spiffe://example.org/./x", /dot segments/],
    ["dot dot", "spiffe://example.org/x/..", /dot segments/],
    ["query", "spiffe://example.org/x?y", /path segment characters/],
    ["fragment", "spiffe://example.org/x#y", /path segment characters/],
    ["percent", "spiffe://example.org/%61", /path segment characters/],
    ["newline at the end", "spiffe://example.org/x\n", /path segment characters/],
    ["newline after the domain", "spiffe://example.org\n", /trust domain characters/],
    ["2049 bytes", `spiffe://example.org/${"x".repeat(2028)}`, /longer than 2048/],
  ];
  for (const [what, text, message] of hostile) {
    t.throws(() => SpiffeId.parse(text), { kind: "invalid", message }, what);
  }
  t.throws(() => SpiffeId.of(td, "x"), { kind: "invalid", message: /leading slash/ });
  t.throws(() => SpiffeId.of(td, `/${"x".repeat(2028)}`), { message: /longer than 2048/ });
  t.throws(() => TrustDomain.parse("spiffe://example.org/x"), INVALID);
  t.throws(() => TrustDomain.parse("spiffe://"), INVALID);
  t.end();
});

t.test("ids that are legal though odd", (t) => {
  for (const text of [
    "spiffe://example.org",
    "spiffe://127.0.0.1/x",
    "spiffe://1/x",
    "spiffe://-/x",
    "spiffe://.../...",
    "spiffe://a_b/.x/..y/x.",
    `spiffe://${"a".repeat(255)}/x`,
    `spiffe://example.org/${"x".repeat(2027)}`,
    "spiffe://example.org/spiffe/A-Z_0.9",
  ]) {
    const id = SpiffeId.parse(text);
    t.equal(String(id), text);
    t.equal(JSON.stringify({ id }), JSON.stringify({ id: text }));
  }
  t.equal(TrustDomain.parse("spiffe://example.org").id, "spiffe://example.org");
  t.ok(SpiffeId.parse("spiffe://example.org/x").equals(SpiffeId.of(td, "/x")));
  t.notOk(
    SpiffeId.parse("spiffe://example.org/X").equals(SpiffeId.of(td, "/x")),
    "paths have a case",
  );
  t.ok(SpiffeId.of(td, "/x").memberOf(TrustDomain.parse("example.org")));
  t.notOk(SpiffeId.of(td, "/x").memberOf(TrustDomain.parse("example.orga")));
  t.equal(String(serverId(td)), "spiffe://example.org/spire/server");
  t.same(["/spire", "/spire/x", "/spirex", "/x/spire", "", "/Spire"].map(isReservedPath), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  t.same(["/spire/agent/x", "/spire/agent", "/spire/agentx"].map(isAgentPath), [
    true,
    false,
    false,
  ]);
  t.end();
});

t.test("ids of legal parts parse and print the same", (t) => {
  const text = (characters: string, max: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...characters.split("")), minLength: 1, maxLength: max });
  const segment = text(PATH_CHARACTERS, 12).filter((each) => each !== "." && each !== "..");
  fc.assert(
    fc.property(
      text(DOMAIN_CHARACTERS, 30),
      fc.array(segment, { maxLength: 5 }),
      (domain, segments) => {
        const path = segments.map((each) => `/${each}`).join("");
        const id = SpiffeId.parse(`spiffe://${domain}${path}`);
        return (
          id.path === path &&
          id.trustDomain.name === domain &&
          String(id) === `spiffe://${domain}${path}`
        );
      },
    ),
    { seed: 1, numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (noise) => {
      try {
        return String(SpiffeId.parse(`spiffe://${noise}`)) === `spiffe://${noise}`;
      } catch (thrown) {
        return isKind(thrown, "invalid");
      }
    }),
    { seed: 1, numRuns: 1000 },
  );
  t.end();
});

t.test("selectors", (t) => {
  t.same(parseSelector("unix:uid:1000"), { type: "unix", value: "uid:1000" });
  t.same(parseSelector("a: "), { type: "a", value: " " });
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ["empty", "", /no colon/],
    ["no colon", "unix", /no colon/],
    ["no type", ":x", /type is missing/],
    ["no value", "unix:", /value is missing/],
    ["long type", `${"t".repeat(256)}:x`, /type is longer than 255/],
    ["long value", `t:${"v".repeat(4097)}`, /value is longer than 4096/],
    ["long and no colon", "x".repeat(100_000), /'x{64}\.\.\.' has no colon/],
  ];
  for (const [what, text, message] of hostile) {
    t.throws(() => parseSelector(text), { kind: "invalid", message }, what);
  }
  t.throws(() => checkSelector({ type: "a:b", value: "c" }), { message: /contains ':'/ });
  t.same(
    canonicalSelectors(["a:y", "a-b:x", "a:x", "a:y"].map(parseSelector)).map(formatSelector),
    ["a:x", "a:y", "a-b:x"],
    "type first, then value",
  );

  t.not(
    selectorSetKey(["a1:b", "c:vvvvvvv"].map(parseSelector)),
    selectorSetKey([parseSelector("a:bc7:vvvvvvv")]),
    "no set can pose as another",
  );
  const loose = [parseSelector("a:b")];
  const before = selectorSetKey(loose);
  loose.push(parseSelector("c:d"));
  t.not(selectorSetKey(loose), before, "a list that may change has no key for good");

  const one = fc.record({
    type: fc.string({ minLength: 1, maxLength: 6 }).filter((text) => !text.includes(":")),
    value: fc.string({ minLength: 1, maxLength: 6 }),
  });
  const options = { seed: 1, numRuns: 1000 };
  fc.assert(
    fc.property(
      one,
      (selector) =>
        formatSelector(parseSelector(formatSelector(selector))) === formatSelector(selector),
    ),
    options,
  );
  const shuffled = fc
    .array(one, { maxLength: 6 })
    .chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 }),
      ),
    );
  fc.assert(
    fc.property(shuffled, ([list, again]) => selectorSetKey(list) === selectorSetKey(again)),
    options,
  );
  const setOf = (list: readonly Selector[]): string =>
    JSON.stringify([...new Set(list.map(formatSelector))].sort());
  const short = fc.record({
    type: fc.constantFrom("a", "1", "a1"),
    value: fc.constantFrom("b", "1:", ":", "1:b", "b1:a2:bb"),
  });
  fc.assert(
    fc.property(fc.array(short, { maxLength: 4 }), fc.array(short, { maxLength: 4 }), (a, b) => {
      return (selectorSetKey(a) === selectorSetKey(b)) === (setOf(a) === setOf(b));
    }),
    options,
  );
  t.end();
});

t.test("dns names", (t) => {
  for (const name of [
    "a",
    "example.org",
    "*.example.org",
    "xn--wrk-1qa.example",
    "1.2.3.4",
    "A-b.C",
    `${"a".repeat(63)}.b`,
    "a--b",
  ]) {
    t.doesNotThrow(() => checkDnsName(name), name);
  }
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ["empty", "", /is empty/],
    ["wildcard alone", "*", /wildcard/],
    ["two wildcards", "*.*.org", /wildcard/],
    ["wildcard inside", "a.*.org", /wildcard/],
    ["part of a label", "a*.org", /wildcard/],
    ["wildcard before nothing", "*.", /empty label/],
    ["leading dot", ".a", /empty label/],
    ["trailing dot", "a.", /empty label/],
    ["two dots", "a..b", /empty label/],
    ["leading hyphen", "-a.b", /inner hyphens/],
    ["trailing hyphen", "a-.b", /inner hyphens/],
    ["underscore", "a_b.c", /limited to/],
    ["space", "a b", /limited to/],
    ["newline", "a\n", /limited to/],
    ["nul", "a\0.b", /limited to/],
    ["umlaut", "w\u00f6rk.example", /punycode/],
    ["uri", "https://a", /limited to/],
    ["port", "a:443", /limited to/],
    ["label of 64", `${"a".repeat(64)}.b`, /label longer than 63/],
    ["254 characters", `${"a.".repeat(126)}ab`, /longer than 253/],
  ];
  for (const [what, name, message] of hostile) {
    t.throws(() => checkDnsName(name), { kind: "invalid", message }, what);
  }
  t.end();
});
