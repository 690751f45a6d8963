import * as crypto from "node:crypto";
import fc from "fast-check";
import { hasRepeatedName } from "../../src/jwt/repeated-name.ts";
import t from "tap";
import { isKind } from "../../src/base/errors.ts";
import { KEY_TYPES } from "../../src/keys/contract.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import {
  type CompactJwt,
  type JwtClaims,
  parseCompact,
  signCompact,
  verifyCompact,
} from "../../src/jwt/compact.ts";
import { jwkFromSpki, spkiFromJwk } from "../../src/jwt/jwk.ts";

/** What hostile input leads to, and nothing else. */
const INVALID = { name: "AssayError", kind: "invalid" };
const p256 = await generateKey("ec-p256");
const p384 = await generateKey("ec-p384");
const rsa = await generateKey("rsa-2048");
const claims: JwtClaims = { sub: "spiffe://example.org/w", aud: ["a"], exp: 1_800_000_000 };
const token = await signCompact({ keyId: "k", claims, signer: p256.signer });
const base64url = (text: string): string => Buffer.from(text, "utf8").toString("base64url");
const privateKey = (pkcs8: Uint8Array): crypto.KeyObject =>
  crypto.createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });

/** A token with this header and claims text, signed by nobody. */
function unsigned(header: string, body = JSON.stringify(claims)): string {
  return `${base64url(header)}.${base64url(body)}.${base64url("signature")}`;
}

t.test("every key type signs tokens that fit it alone", async (t) => {
  const algorithms = ["ES256", "ES384", "RS256", "RS256", "RS256"];
  for (const [index, keyType] of KEY_TYPES.entries()) {
    const { signer } = await generateKey(keyType);
    const text = await signCompact({ keyId: `k-${keyType}`, claims, signer });
    const parsed = parseCompact(text);
    t.same(parsed.header, { alg: algorithms[index], kid: `k-${keyType}`, typ: "JWT" });
    t.same(parsed.claims, claims);
    t.equal(await verifyCompact(parsed, signer.publicKey), true, keyType);
    t.equal(await verifyCompact(parsed, p256.signer.publicKey), false);
    t.equal(await verifyCompact(parsed, rsa.signer.publicKey), false);
    const key = crypto.createPublicKey({
      key: { ...jwkFromSpki(signer.publicKey) },
      format: "jwk",
    });
    const hash = keyType === "ec-p384" ? "sha384" : "sha256";
    const input = Buffer.from(text.slice(0, text.lastIndexOf(".")));
    const signature = Buffer.from(text.slice(text.lastIndexOf(".") + 1), "base64url");
    t.ok(crypto.verify(hash, input, { key, dsaEncoding: "ieee-p1363" }, signature), "and for node");
  }
});

t.test("all algorithms of the list, made by node", async (t) => {
  const pss = {
    padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
    saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
  };
  const make = (alg: string, key: crypto.SignKeyObjectInput): CompactJwt => {
    const input = `${base64url(JSON.stringify({ alg, kid: "k" }))}.${base64url("{}")}`;
    const signature = crypto.sign(`sha${alg.slice(2)}`, Buffer.from(input), key);
    return parseCompact(`${input}.${signature.toString("base64url")}`);
  };
  const rsaKey = privateKey(rsa.pkcs8);
  const { publicKey } = rsa.signer;
  for (const size of ["256", "384", "512"]) {
    t.ok(await verifyCompact(make(`RS${size}`, { key: rsaKey }), publicKey), `RS${size}`);
    t.ok(await verifyCompact(make(`PS${size}`, { key: rsaKey, ...pss }), publicKey), `PS${size}`);
    t.notOk(await verifyCompact(make(`PS${size}`, { key: rsaKey }), publicKey), "pkcs #1 as pss");
    t.notOk(
      await verifyCompact(make(`RS${size}`, { key: rsaKey, ...pss }), publicKey),
      "pss as pkcs #1",
    );
    t.notOk(await verifyCompact(make(`ES${size}`, { key: rsaKey }), publicKey), "rsa as ecdsa");
  }
  const raw = { key: privateKey(p256.pkcs8), dsaEncoding: "ieee-p1363" } as const;
  t.ok(await verifyCompact(make("ES256", raw), p256.signer.publicKey));
  for (const alg of ["ES384", "ES512", "RS256", "PS256"]) {
    t.notOk(await verifyCompact(make(alg, raw), p256.signer.publicKey), `p-256 as ${alg}`);
  }
  const raw384 = { key: privateKey(p384.pkcs8), dsaEncoding: "ieee-p1363" } as const;
  t.ok(await verifyCompact(make("ES384", raw384), p384.signer.publicKey));
  t.notOk(await verifyCompact(make("ES256", raw384), p384.signer.publicKey), "p-384 as ES256");
  const inDer = { key: privateKey(p256.pkcs8), dsaEncoding: "der" } as const;
  t.notOk(await verifyCompact(make("ES256", inDer), p256.signer.publicKey), "der signature");
  const p521 = crypto.generateKeyPairSync("ec", { namedCurve: "P-521" });
  const spki = p521.publicKey.export({ format: "der", type: "spki" });
  t.notOk(
    await verifyCompact(make("ES512", { key: p521.privateKey, dsaEncoding: "ieee-p1363" }), spki),
    "p-521",
  );
});

t.test("tokens that are not jwt-svids are refused, each for its reason", (t) => {
  const [header = "", body = "", signature = ""] = token.split(".");
  const good = `{"alg":"ES256","kid":"k"}`;
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ["empty", "", /compact form/],
    ["two parts", `${header}.${body}`, /compact form/],
    ["four parts", `${token}.x`, /compact form/],
    ["json serialization", `{"payload":"e30","signatures":[]}`, /compact form/],
    ["no signature", `${header}.${body}.`, /signature is not base64url/],
    ["padding", `${header}=.${body}.${signature}`, /header is not/],
    ["white space", `${header}.${body}\n.${signature}`, /claims is not/],
    ["plain base64", `${header}.${body}.+/+/`, /signature is not base64url/],
    ["bits that say nothing", `${header}.${body}.AB`, /signature is not base64url/],
    ["header is no json", unsigned("{"), /header is not/],
    ["header is a list", unsigned("[]"), /not a json object/],
    ["header is null", unsigned("null"), /not a json object/],
    ["header is a text", unsigned(`"x"`), /not a json object/],
    ["claims are a list", unsigned(good, "[]"), /not a json object/],
    ["claims are no json", unsigned(good, "{'a':1}"), /claims is not/],
    [
      "claims are no utf-8",
      `${base64url(good)}.${Buffer.from(`{"a":"\u00ff"}`, "latin1").toString("base64url")}.AA`,
      /claims is not/,
    ],
    ["byte order mark", unsigned(`\ufeff${good}`), /header is not/],
    ["alg none", unsigned(`{"alg":"none"}`), /algorithm/],
    ["alg missing", unsigned("{}"), /algorithm/],
    ["alg HS256", unsigned(`{"alg":"HS256"}`), /algorithm/],
    ["alg EdDSA", unsigned(`{"alg":"EdDSA"}`), /algorithm/],
    ["alg in lower case", unsigned(`{"alg":"es256"}`), /algorithm/],
    ["alg a list", unsigned(`{"alg":["ES256"]}`), /algorithm/],
    ["alg of the prototype", unsigned(`{"alg":"toString"}`), /algorithm/],
    ["jwk in the header", unsigned(`{"alg":"ES256","jwk":{}}`), /other than alg, kid and typ/],
    ["crit in the header", unsigned(`{"alg":"ES256","crit":["b64"]}`), /other than/],
    ["__proto__ in the header", unsigned(`{"alg":"ES256","__proto__":{}}`), /other than/],
    ["typ of a wit-svid", unsigned(`{"alg":"ES256","typ":"wit+jwt"}`), /neither JWT nor JOSE/],
    ["typ in lower case", unsigned(`{"alg":"ES256","typ":"jwt"}`), /neither/],
    ["typ null", unsigned(`{"alg":"ES256","typ":null}`), /neither/],
    ["kid a number", unsigned(`{"alg":"ES256","kid":1}`), /key id/],
    ["kid empty", unsigned(`{"alg":"ES256","kid":""}`), /key id/],
    ["kid of 1025", unsigned(`{"alg":"ES256","kid":"${"k".repeat(1025)}"}`), /key id/],
    [
      "a header member twice",
      unsigned(`{"alg":"none","alg":"ES256"}`),
      /header has a member twice/,
    ],
    [
      "a claim twice",
      unsigned(good, `{"sub":"a","x":[{}],"sub":"b"}`),
      /claims has a member twice/,
    ],
    ["twice, once escaped", unsigned(good, `{"sub":"a","s\\u0075b" :"b"}`), /member twice/],
    ["twice below", unsigned(good, `{"x":[{"y":{"a":1},"z":"}","y":2}]}`), /member twice/],
    ["40 KiB", unsigned(good, `{"x":"${"x".repeat(40_000)}"}`), /longer than 32768/],
    ["deep claims", unsigned(good, `{"x":${"[".repeat(5000)}${"]".repeat(5000)}}`), /too deeply/],
  ];
  for (const [what, text, message] of hostile) {
    t.throws(() => parseCompact(text), { kind: "invalid", message }, what);
  }
  t.same(parseCompact(unsigned(`{"alg":"ES256","typ":"JOSE"}`)).header, {
    alg: "ES256",
    typ: "JOSE",
  });
  t.end();
});

t.test("an error never repeats the token", (t) => {
  for (const text of [unsigned(`{"alg":"secret-alg"}`), unsigned("secret"), `secret.${token}`]) {
    try {
      parseCompact(text);
      t.fail("must not parse");
    } catch (thrown) {
      t.notMatch(String(thrown), /secret/);
      t.equal((thrown as Error).cause, undefined);
    }
  }
  t.end();
});

t.test("no damaged token verifies", async (t) => {
  let parsed = 0;
  for (let at = 0; at < token.length; at++) {
    for (const character of ["A", "_", ".", "="]) {
      if (token[at] === character) continue;
      let damaged: CompactJwt;
      try {
        damaged = parseCompact(token.slice(0, at) + character + token.slice(at + 1));
      } catch (thrown) {
        if (!isKind(thrown, "invalid")) t.fail("another error than invalid", { thrown });
        continue;
      }
      parsed += 1;
      if (await verifyCompact(damaged, p256.signer.publicKey))
        t.fail(`damaged at ${at} but verified`);
    }
  }
  t.ok(parsed > 100, `${parsed} parsed`);
});

t.test("numbers in tokens are integers", async (t) => {
  const sign = (exp: unknown): Promise<string> =>
    signCompact({ keyId: "k", claims: { exp }, signer: p256.signer });
  for (const bad of [0.5, Number.NaN, Infinity, 1e300]) await t.rejects(sign(bad), TypeError);
  t.match(
    Buffer.from((await sign(1_800_000_000)).split(".")[1] ?? "", "base64url").toString(),
    /^\{"exp":1800000000\}$/,
  );
});

t.test("keys become jwks and come back", async (t) => {
  for (const keyType of KEY_TYPES) {
    const { publicKey } = (await generateKey(keyType)).signer;
    const jwk = jwkFromSpki(publicKey);
    t.same(spkiFromJwk({ ...jwk, kid: "x", use: "jwt-svid", d: "secret" }), publicKey, keyType);
    t.same(Object.keys(jwk), jwk.kty === "EC" ? ["kty", "crv", "x", "y"] : ["kty", "n", "e"]);
  }
  const spki = (key: crypto.KeyObject): Uint8Array => key.export({ format: "der", type: "spki" });
  t.match(jwkFromSpki(spki(crypto.generateKeyPairSync("ec", { namedCurve: "P-521" }).publicKey)), {
    kty: "EC",
    crv: "P-521",
  });
  t.throws(() => jwkFromSpki(spki(crypto.generateKeyPairSync("ed25519").publicKey)), {
    kind: "unsupported",
    message: /OKP/,
  });
  t.throws(() => jwkFromSpki(Uint8Array.of(1, 2, 3)), INVALID);
});

t.test("jwks that are no key of ours are refused", (t) => {
  const ec = { ...jwkFromSpki(p256.signer.publicKey) } as Record<string, string>;
  const big = { ...jwkFromSpki(rsa.signer.publicKey) } as Record<string, string>;
  const rsa1024 = crypto.generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  const hostile: readonly (readonly [string, Record<string, unknown>, string, RegExp])[] = [
    ["kty OKP", { kty: "OKP", crv: "Ed25519", x: "AA" }, "unsupported", /kty/],
    ["kty oct", { kty: "oct", k: "AA" }, "unsupported", /kty/],
    ["no kty", {}, "unsupported", /kty/],
    ["P-521", { ...ec, crv: "P-521" }, "unsupported", /curve/],
    ["crv is no text", { ...ec, crv: 1 }, "unsupported", /curve/],
    ["rsa-1024", { ...rsa1024.export({ format: "jwk" }) }, "unsupported", /size/],
    ["no x", { ...ec, x: undefined }, "invalid", /x is missing/],
    ["y a number", { ...ec, y: 4 }, "invalid", /y is missing/],
    ["short x", { ...ec, x: "AAAA" }, "invalid", /x is not 32 bytes/],
    ["padded x", { ...ec, x: `${ec["x"]}=` }, "invalid", /x is not base64url/],
    ["off the curve", { ...ec, x: ec["y"] }, "invalid", /not a valid key/],
    ["no n", { ...big, n: undefined }, "invalid", /n is missing/],
    ["n with leading zeros", { ...big, n: `AAAA${big["n"]}` }, "invalid", /leading zeros/],
    ["e empty", { ...big, e: "" }, "invalid", /e is missing/],
    ["n of 20,000 bits", { ...big, n: "x".repeat(4000) }, "invalid", /base64url/],
  ];
  for (const [what, jwk, kind, message] of hostile) {
    t.throws(() => spkiFromJwk(jwk), { name: "AssayError", kind, message }, what);
  }
  fc.assert(
    fc.property(
      fc.record({
        kty: fc.constantFrom("EC", "RSA"),
        crv: fc.constantFrom("P-256", "P-384"),
        x: fc.base64String(),
        y: fc.base64String(),
        n: fc.base64String(),
        e: fc.base64String(),
      }),
      (jwk) => {
        try {
          return spkiFromJwk(jwk).length > 0;
        } catch (thrown) {
          return isKind(thrown, "invalid", "unsupported");
        }
      },
    ),
    { seed: 1, numRuns: 300 },
  );
  t.end();
});

t.test("what a serializer wrote has no name twice, whatever its texts say", (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(4), (value, indent) => {
      return !hasRepeatedName(JSON.stringify(value, undefined, indent));
    }),
    { seed: 1, numRuns: 500 },
  );
  t.end();
});

t.test("arbitrary text is a token or invalid", (t) => {
  const part = fc.oneof(fc.base64String(), fc.json().map(base64url), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      try {
        return parseCompact(parts.join(".")).signature.length > 0;
      } catch (thrown) {
        return isKind(thrown, "invalid");
      }
    }),
    { seed: 1, numRuns: 1000 },
  );
  t.end();
});
