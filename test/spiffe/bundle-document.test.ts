import * as crypto from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { isKind } from "../../src/base/errors.ts";
import { KEY_TYPES } from "../../src/keys/contract.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import type { Bundle, JwtAuthority, X509Authority } from "../../src/spiffe/bundle.ts";
import {
  encodeBundleDocument,
  encodeBundleRecord,
  encodeJwks,
  parseBundleDocument,
  parseBundleRecord,
} from "../../src/spiffe/bundle-document.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { TestCa } from "../support/test-ca.ts";

/** What hostile input leads to, and nothing else. */
const INVALID = { name: "AssayError", kind: "invalid" };
const x509: X509Authority[] = [];
const jwt: JwtAuthority[] = [];
for (const keyType of KEY_TYPES) {
  x509.push({ der: (await TestCa.create({ keyType, name: keyType })).der, tainted: false });
  const { publicKey } = (await generateKey(keyType)).signer;
  jwt.push({ keyId: `key-${keyType}`, publicKey, expiresAt: 0, tainted: false });
}
const bundle: Bundle = {
  trustDomain: "example.org",
  x509Authorities: x509,
  jwtAuthorities: jwt,
  refreshHint: 300,
  sequence: 7,
};
const empty: Bundle = {
  ...bundle,
  x509Authorities: [],
  jwtAuthorities: [],
  refreshHint: 0,
  sequence: 0,
};

interface Document {
  keys: Record<string, unknown>[];
  [member: string]: unknown;
}
const documentOf = (of: Bundle): Document => JSON.parse(encodeBundleDocument(of)) as Document;
const parse = (document: unknown): Bundle =>
  parseBundleDocument("example.org", JSON.stringify(document));

t.test("a document has what the standard demands and nothing private", (t) => {
  const document = documentOf(bundle);
  t.same(Object.keys(document), ["keys", "spiffe_sequence", "spiffe_refresh_hint"]);
  t.equal(document["spiffe_sequence"], 7);
  t.equal(document["spiffe_refresh_hint"], 300);
  t.equal(document.keys.length, 10);
  for (const [index, key] of document.keys.entries()) {
    const { kty } = key;
    const parameters = kty === "EC" ? ["crv", "x", "y"] : ["n", "e"];
    const members =
      index < 5 ? ["use", "kty", ...parameters, "x5c"] : ["use", "kid", "kty", ...parameters];
    t.same(Object.keys(key).sort(), members.sort(), `key ${index}`);
    t.equal(key["use"], index < 5 ? "x509-svid" : "jwt-svid");
    t.notOk("alg" in key || "d" in key);
    if (index >= 5) continue;
    const [text] = key["x5c"] as [string];
    const certificate = new crypto.X509Certificate(Buffer.from(text, "base64"));
    const members2 = { ...certificate.publicKey.export({ format: "jwk" }) };
    t.match(key, members2, "parameters of the certificate's key");
  }
  t.equal(encodeBundleDocument(empty), `{"keys":[],"spiffe_sequence":0}`);
  const tainted = { ...bundle, x509Authorities: x509.map(({ der }) => ({ der, tainted: true })) };
  t.equal(encodeBundleDocument(tainted), encodeBundleDocument(bundle), "tainting stays at home");
  t.end();
});

t.test("the workload api's key set holds jwt keys with kid alone", (t) => {
  const text = Buffer.from(encodeJwks(jwt)).toString("utf8");
  const { keys, ...others } = JSON.parse(text) as Document;
  t.same(others, {}, "no spiffe_ members");
  t.same(
    keys.map((key) => key["kid"]),
    jwt.map(({ keyId }) => keyId),
  );
  for (const key of keys) t.notOk("use" in key || "alg" in key || "x5c" in key);
  t.equal(Buffer.from(encodeJwks([])).toString("utf8"), `{"keys":[]}`);
  t.end();
});

t.test("documents and records come back the same", (t) => {
  const counts = fc.nat(Number.MAX_SAFE_INTEGER);
  const any: fc.Arbitrary<Bundle> = fc.record({
    trustDomain: fc.constantFrom("example.org", "a_b", "127.0.0.1"),
    x509Authorities: fc.subarray(x509),
    jwtAuthorities: fc.subarray(jwt),
    refreshHint: counts,
    sequence: counts,
  });
  const plain = (of: Bundle): string =>
    JSON.stringify(of, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
    );
  const options = { seed: 1, numRuns: 100 };
  fc.assert(
    fc.property(any, (of) => {
      return plain(parseBundleDocument(of.trustDomain, encodeBundleDocument(of))) === plain(of);
    }),
    options,
  );
  fc.assert(
    fc.property(any, fc.boolean(), fc.nat(), (of, tainted, expiresAt) => {
      const marked = {
        ...of,
        x509Authorities: of.x509Authorities.map((each) => ({ ...each, tainted })),
        jwtAuthorities: of.jwtAuthorities.map((each) => ({ ...each, tainted, expiresAt })),
      };
      const back = parseBundleRecord(of.trustDomain, encodeBundleRecord(marked), of.sequence);
      t.same(back, marked);
      return true;
    }),
    options,
  );
  t.equal(
    encodeBundleRecord(bundle),
    encodeBundleRecord({ ...bundle, sequence: 9 }),
    "equal content, equal text",
  );
  t.end();
});

t.test("what a consumer must ignore is ignored", (t) => {
  const { keys } = documentOf(bundle);
  const [first = {}] = keys;
  const ignored: readonly (readonly [string, Record<string, unknown>])[] = [
    ["unknown use", { ...first, use: "wit-svid" }],
    ["missing use", { kty: first["kty"], x5c: first["x5c"] }],
    ["use of another type", { ...first, use: 1 }],
    ["unknown kty", { kty: "OKP", use: "jwt-svid", crv: "Ed25519", x: "AA", kid: "x" }],
    ["missing kty", { use: "x509-svid", x5c: "nonsense" }],
    ["unknown kty without kid", { kty: "oct", use: "jwt-svid" }],
    ["no x5c", { kty: "EC", use: "x509-svid" }],
    ["p-521 jwt key", { kty: "EC", use: "jwt-svid", kid: "x", crv: "P-521", x: "AA", y: "AA" }],
  ];
  for (const [what, key] of ignored) {
    const parsed = parse({ keys: [key, ...keys] });
    t.equal(parsed.x509Authorities.length, 5, what);
    t.equal(parsed.jwtAuthorities.length, 5, what);
  }
  const more = { ...keys[0], kid: "x509 with kid", alg: "ES256", unknown: {} };
  t.equal(
    parse({ keys: [more, ...keys], other: null }).x509Authorities.length,
    5,
    "the same twice is one",
  );
  t.same(parse({ keys: [] }), empty);
  t.end();
});

t.test("a sequence beyond 2^53 is no other number than the largest", (t) => {
  const sequenceOf = (digits: string): number =>
    parseBundleDocument("example.org", `{"keys":[],"spiffe_sequence":${digits}}`).sequence;
  t.equal(sequenceOf("9007199254740991"), Number.MAX_SAFE_INTEGER);
  for (const digits of ["9007199254740993", "18446744073709551615", "1e300"]) {
    t.equal(sequenceOf(digits), Number.MAX_SAFE_INTEGER, digits);
  }
  t.equal(sequenceOf("1e3"), 1000);
  t.end();
});

t.test("documents that are refused whole, each for its reason", (t) => {
  const { keys } = documentOf(bundle);
  const [ec = {}] = keys;
  const jwtEc = keys[5] ?? {};
  const otherJwt = keys[6] ?? {};
  const x5c = ec["x5c"] as string[];
  const withKey = (key: unknown): unknown => ({ keys: [...keys, key] });
  const hostile: readonly (readonly [string, unknown, RegExp])[] = [
    ["null", null, /not a json object/],
    ["a list", [], /not a json object/],
    ["no keys", { spiffe_sequence: 1 }, /no list 'keys'/],
    ["keys null", { keys: null }, /no list 'keys'/],
    ["keys an object", { keys: {} }, /no list 'keys'/],
    ["key null", withKey(null), /key 10 is not a json object/],
    ["key a text", withKey("x"), /key 10 is not a json object/],
    ["1025 keys", { keys: Array.from({ length: 1025 }, () => ({})) }, /more than 1024 keys/],
    ["x5c empty", withKey({ ...ec, x5c: [] }), /exactly one x5c/],
    ["x5c of two", withKey({ ...ec, x5c: [...x5c, ...x5c] }), /exactly one x5c/],
    ["x5c a text", withKey({ ...ec, x5c: x5c[0] }), /exactly one x5c/],
    ["x5c null", withKey({ ...ec, x5c: null }), /exactly one x5c/],
    ["x5c of a number", withKey({ ...ec, x5c: [1] }), /exactly one x5c/],
    ["x5c base64url", withKey({ ...ec, x5c: ["-_-_"] }), /not base64/],
    ["x5c with a newline", withKey({ ...ec, x5c: [`${x5c[0]}\n`] }), /not base64/],
    ["x5c empty text", withKey({ ...ec, x5c: [""] }), /key 10/],
    ["x5c no certificate", withKey({ ...ec, x5c: ["AAAA"] }), /certificate/],
    [
      "x5c of two certificates in one",
      withKey({
        ...ec,
        x5c: [
          Buffer.concat([x509[0]?.der ?? Buffer.of(), x509[1]?.der ?? Buffer.of()]).toString(
            "base64",
          ),
        ],
      }),
      /trailing/,
    ],
    ["jwt without kid", withKey({ ...jwtEc, kid: undefined }), /without a kid/],
    ["jwt with empty kid", withKey({ ...jwtEc, kid: "" }), /without a kid/],
    ["kid a number", withKey({ ...jwtEc, kid: 1 }), /without a kid/],
    ["kid of another key", withKey({ ...otherJwt, kid: jwtEc["kid"] }), /repeats the kid/],
    [
      "jwt key off the curve",
      withKey({ ...jwtEc, kid: "x", x: jwtEc["y"] }),
      /key 10: jwk is not a valid key/,
    ],
    ["jwt key without y", withKey({ ...jwtEc, kid: "x", y: undefined }), /y is missing/],
    ["sequence a text", { keys, spiffe_sequence: "1" }, /spiffe_sequence/],
    ["sequence negative", { keys, spiffe_sequence: -1 }, /spiffe_sequence/],
    ["sequence null", { keys, spiffe_sequence: null }, /spiffe_sequence/],
    ["hint with a fraction", { keys, spiffe_refresh_hint: 0.5 }, /spiffe_refresh_hint/],
    ["1 MiB", { keys, x: "x".repeat(1024 * 1024) }, /longer than 1048576/],
  ];
  for (const [what, document, message] of hostile) {
    t.throws(() => parse(document), { kind: "invalid", message }, what);
  }
  for (const text of ["", "{", "<html>", "\ufeff{}", `{"keys":[]}x`]) {
    t.throws(() => parseBundleDocument("example.org", text), INVALID, text);
  }
  t.throws(() => parseBundleDocument("Example.org", `{"keys":[]}`), INVALID);
  try {
    parseBundleDocument("example.org", "<html>a secret");
  } catch (thrown) {
    t.notMatch(`${String(thrown)} ${String((thrown as Error).cause)}`, /secret/);
  }
  t.end();
});

t.test("a damaged document is a document or invalid", (t) => {
  const text = encodeBundleDocument({
    ...bundle,
    x509Authorities: x509.slice(0, 1),
    jwtAuthorities: jwt.slice(0, 1),
  });
  const random = new SeededRandom("bundle");
  for (let run = 0; run < 2000; run++) {
    const at = Math.floor(random.unit() * text.length);
    const character = String.fromCharCode(0x20 + Math.floor(random.unit() * 0x5f));
    const cut = random.unit() < 0.2;
    try {
      parseBundleDocument(
        "example.org",
        cut ? text.slice(0, at) : text.slice(0, at) + character + text.slice(at + 1),
      );
    } catch (thrown) {
      if (!isKind(thrown, "invalid")) t.fail("another error than invalid", { thrown });
    }
  }
  t.pass("2,000 changes");
  t.end();
});

t.test("a damaged record says how to go on", (t) => {
  const record = JSON.parse(encodeBundleRecord(bundle)) as Record<string, unknown>;
  for (const content of [
    "",
    "null",
    "[]",
    "{}",
    JSON.stringify({ ...record, version: 2 }),
    JSON.stringify({ ...record, x509: null }),
    JSON.stringify({ ...record, x509: [null] }),
    JSON.stringify({ ...record, x509: [{ der: 1, tainted: false }] }),
    JSON.stringify({ ...record, jwt: [{ keyId: "x" }] }),
    JSON.stringify({ ...record, refreshHint: "1" }),
  ]) {
    t.throws(
      () => parseBundleRecord("example.org", content, 1),
      { kind: "internal", message: /stored bundle of 'example\.org' is damaged; restore/ },
      content.slice(0, 30),
    );
  }
  t.end();
});
