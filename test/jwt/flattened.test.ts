import { generateKeyPairSync } from "node:crypto";
import t from "tap";
import { type ErrorKind, isKind } from "../../src/base/errors.ts";
import { parseFlattened, parseFlattenedText } from "../../src/jwt/flattened.ts";
import { jwsKey } from "../../src/jwt/jws-key.ts";
import { acmeJws, encodeJson, makeAcmeKey } from "../support/acme-client.ts";

const ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "EdDSA"] as const;

t.test(
  "each kind of key signs, is known by its thumbprint, and by no other's signature",
  async (t) => {
    const keys = ALGORITHMS.map((algorithm) => makeAcmeKey(algorithm));
    for (const key of keys) {
      const { algorithm } = key;
      const made = jwsKey(key.jwk as Record<string, unknown>);
      t.equal(made.algorithm, algorithm);
      t.equal(made.thumbprint, key.thumbprint, `${algorithm}: RFC 7638`);
      t.same(jwsKey(JSON.parse(made.jwk)).thumbprint, key.thumbprint, "what is kept reads back");
      const jws = parseFlattened(acmeJws(key, { alg: algorithm }, { a: 1 }));
      t.equal(await made.verify(jws.signingInput, jws.signature), true, algorithm);
      const changed = Uint8Array.from(jws.signature, (byte, at) => (at === 5 ? byte ^ 1 : byte));
      t.equal(await made.verify(jws.signingInput, changed), false, `${algorithm}: changed`);
      t.equal(await made.verify(jws.signingInput, new Uint8Array()), false, `${algorithm}: none`);
      t.equal(await made.verify(Buffer.from("other"), jws.signature), false, `${algorithm}: other`);
    }
  },
);

t.test("RFC 7638's own example", async (t) => {
  const n =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const jwk = { kty: "RSA", n, e: "AQAB", alg: "RS256", kid: "2011-04-29" };
  t.equal(jwsKey(jwk).thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
});

t.test("keys that are refused", async (t) => {
  const ec = makeAcmeKey("ES256").jwk as Record<string, string>;
  const rsa = makeAcmeKey("RS256").jwk as Record<string, string>;
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({
    format: "jwk",
  });
  const cases: [string, Record<string, unknown>, ErrorKind][] = [
    ["nothing", {}, "unsupported"],
    ["a symmetric one", { kty: "oct", k: "AAAA" }, "invalid"],
    ["another curve", { ...ec, crv: "secp256k1" }, "unsupported"],
    ["a curve that is no text", { ...ec, crv: 7 }, "unsupported"],
    ["the curve of another size", { ...ec, crv: "P-384" }, "invalid"],
    ["a point off its curve", { ...ec, x: ec["y"] }, "invalid"],
    ["a missing coordinate", { kty: "EC", crv: "P-256", x: ec["x"] }, "invalid"],
    ["padding", { ...ec, x: `${ec["x"]}=` }, "invalid"],
    ["another alphabet", { ...ec, x: "+/".repeat(22) }, "invalid"],
    ["a private key", { ...ec, d: "AAAA" }, "invalid"],
    ["X25519, which signs nothing", { kty: "OKP", crv: "X25519", x: ec["x"] }, "unsupported"],
    ["a short Ed25519", { kty: "OKP", crv: "Ed25519", x: "AAAA" }, "invalid"],
    ["RSA of 1024 bits", small as Record<string, unknown>, "unsupported"],
    ["an even modulus", { ...rsa, n: evened(rsa["n"]) }, "unsupported"],
    ["an exponent of 1", { ...rsa, e: "AQ" }, "unsupported"],
    ["an even exponent", { ...rsa, e: "AQAA" }, "unsupported"],
    ["an exponent of 5 bytes", { ...rsa, e: "AQAAAAE" }, "unsupported"],
    ["a leading zero", { ...rsa, e: "AAEAAQ" }, "invalid"],
    ["RSA of 16384 bits", { ...rsa, n: Buffer.alloc(2048, 0xff).toString("base64url") }, "invalid"],
  ];
  for (const [title, jwk, kind] of cases) refused(t, kind, title, () => jwsKey(jwk));
});

t.test("bodies that are no flattened JWS", async (t) => {
  const key = makeAcmeKey();
  const good = acmeJws(key, { alg: "ES256" }, {});
  t.equal(parseFlattenedText(Buffer.from(JSON.stringify(good))).payload, "e30");
  t.equal(parseFlattened({ ...good, more: 1 }).payload, "e30", "unknown members are ignored");
  t.equal(parseFlattened({ ...good, payload: "" }).payload, "");
  const bodies: [string, string | Uint8Array][] = [
    ["empty", ""],
    ["text", "hello"],
    ["not UTF-8", Uint8Array.of(0x22, 0xff, 0x22)],
    ["null", "null"],
    ["a list", "[]"],
    ["a compact JWS", JSON.stringify(`${good["protected"]}.${good["payload"]}.`)],
    ["a member twice", `{"payload":"","payload":"","protected":"e30","signature":"AA"}`],
    ["nested too deep", "[".repeat(100_000)],
  ];
  for (const [title, body] of bodies) {
    refused(t, "invalid", title, () => parseFlattenedText(Buffer.from(body)));
  }
  const values: [string, Record<string, unknown>][] = [
    ["an unprotected header", { ...good, header: {} }],
    ["several signatures", { payload: "", signatures: [good] }],
    ["no protected header", { payload: "", signature: "" }],
    ["a payload that is no text", { ...good, payload: {} }],
    ["no signature", { ...good, signature: undefined }],
    ["a header that is no base64url", { ...good, protected: "{}" }],
    ["a header that is no JSON", { ...good, protected: "AAAA" }],
    ["a header that is a list", { ...good, protected: encodeJson([]) }],
    ["a huge header", { ...good, protected: encodeJson({ a: "a".repeat(20_000) }) }],
    ["a member of the header twice", { ...good, protected: b64('{"alg":"a","alg":"b"}') }],
    ["critical extensions", { ...good, protected: encodeJson({ crit: ["b64"], b64: false }) }],
    ["an unencoded payload", { ...good, protected: encodeJson({ crit: [] }) }],
    ["a signature with padding", { ...good, signature: `${good["signature"]}==` }],
  ];
  for (const [title, value] of values) refused(t, "invalid", title, () => parseFlattened(value));
});

function refused(t: Tap, kind: ErrorKind, title: string, work: () => unknown): void {
  try {
    work();
  } catch (thrown) {
    t.ok(isKind(thrown, kind), `${title}: ${thrown instanceof Error ? thrown.message : ""}`);
    return;
  }
  t.fail(`${title} was taken`);
}

function evened(n = ""): string {
  const bytes = Buffer.from(n, "base64url");
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) & 0xfe;
  return bytes.toString("base64url");
}

function b64(text: string): string {
  return Buffer.from(text).toString("base64url");
}

type Tap = Pick<typeof t, "ok" | "fail">;
