import t from "tap";
import { type JwtClaims, signCompact } from "../../src/jwt/compact.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { verifyJwtSvid } from "../../src/spiffe/jwt-svid.ts";
import { checkLeaf, parseX509Svid, verifyX509Svid } from "../../src/spiffe/x509-svid.ts";
import { type Certificate, parseCertificate } from "../../src/x509/certificate.ts";
import * as der from "../../src/x509/der.ts";
import { KEY_USAGES } from "../../src/x509/extensions.ts";
import { encodeExtension } from "../../src/x509/extension-encoding.ts";
import { OID } from "../../src/x509/oids.ts";
import { type LeafOptions, TEST_EPOCH, TestCa } from "../support/test-ca.ts";

/** What hostile input leads to, and nothing else. */
const INVALID = { name: "AssayError", kind: "invalid" };
const ca = await TestCa.create();
const middle = await ca.intermediate();

async function leafOf(options: LeafOptions = {}, from = ca): Promise<Certificate> {
  return parseCertificate((await from.leaf(options)).der);
}

t.test("leaves that are x509-svids", async (t) => {
  const good: readonly (readonly [string, LeafOptions])[] = [
    ["as we make them", {}],
    ["without basic constraints", { basicConstraints: "omit" }],
    ["without extended key usage", { extKeyUsage: "omit" }],
    ["with more extended key usages", { extKeyUsage: ["1.2.3", OID.clientAuth, OID.serverAuth] }],
    ["digitalSignature alone", { keyUsage: ["digitalSignature"] }],
    ["with dns names", { dnsNames: ["a", "b"] }],
    ["empty subject, critical names", { subject: der.seq() }],
    ["critical names though there is a subject", { sanCritical: true }],
  ];
  for (const [what, options] of good) {
    t.equal(String(checkLeaf(await leafOf(options))), "spiffe://example.org/workload", what);
  }
});

t.test("leaves that are not, each for its reason", async (t) => {
  const usageNotCritical = {
    keyUsage: "omit",
    extraExtensions: [encodeExtension(OID.keyUsage, false, der.namedBits([0]))],
  } as const;
  const hostile: readonly (readonly [string, LeafOptions, RegExp])[] = [
    ["no uri", { uris: [] }, /has no uri name/],
    ["dns name alone", { uris: [], dnsNames: ["a"] }, /has no uri name/],
    ["two uris", { uris: ["spiffe://a/b", "spiffe://a/c"] }, /more than one uri/],
    ["the same uri twice", { uris: ["spiffe://a/b", "spiffe://a/b"] }, /more than one uri/],
    ["a second uri of another scheme", { uris: ["spiffe://a/b", "https://a"] }, /more than one/],
    ["another scheme", { spiffeId: "https://example.org/x" }, /scheme/],
    ["no path", { spiffeId: "spiffe://example.org" }, /without a path/],
    ["trailing slash", { spiffeId: "spiffe://example.org/" }, /trailing slash/],
    ["upper case domain", { spiffeId: "spiffe://Example.org/x" }, /trust domain characters/],
    ["ca", { basicConstraints: { ca: true } }, /is a ca/],
    ["no key usage", { keyUsage: "omit" }, /has no key usage$/],
    ["key usage not critical", usageNotCritical, /not critical/],
    ["no digitalSignature", { keyUsage: ["keyAgreement"] }, /no key usage digitalSignature/],
    ["empty key usage", { keyUsage: [] }, /no key usage digitalSignature/],
    ["keyCertSign", { keyUsage: ["digitalSignature", "keyCertSign"] }, /the key usage keyCertSign/],
    ["cRLSign", { keyUsage: ["digitalSignature", "cRLSign"] }, /the key usage cRLSign/],
    ["all usages", { keyUsage: KEY_USAGES }, /keyCertSign/],
    ["clientAuth alone", { extKeyUsage: [OID.clientAuth] }, /serverAuth/],
    ["serverAuth alone", { extKeyUsage: [OID.serverAuth] }, /clientAuth/],
    ["any usage alone", { extKeyUsage: [OID.anyExtendedKeyUsage] }, /serverAuth/],
    [
      "empty subject, names not critical",
      { subject: der.seq(), sanCritical: false },
      /empty subject/,
    ],
  ];
  const bundle = ca.bundle();
  for (const [what, options, message] of hostile) {
    const leaf = await leafOf(options);
    t.throws(() => checkLeaf(leaf), { kind: "invalid", message }, what);
    await t.rejects(
      verifyX509Svid([leaf], bundle, TEST_EPOCH),
      { kind: "unauthenticated", message },
      what,
    );
  }
});

t.test("an svid as the workload api carries it", async (t) => {
  const { der: raw, pkcs8 } = await middle.leaf();
  const chain = Buffer.concat([raw, middle.der]);
  const svid = parseX509Svid(chain, pkcs8);
  t.equal(String(svid.spiffeId), "spiffe://example.org/workload");
  t.equal(svid.certificates.length, 2);
  t.equal(svid.expiresAt, TEST_EPOCH + 3600);
  const other = await ca.leaf();
  const noSign = await ca.intermediate({ keyUsage: ["cRLSign"] });
  const hostile: readonly (readonly [string, Uint8Array, Uint8Array | undefined, RegExp])[] = [
    ["another key", chain, other.pkcs8, /does not belong/],
    ["no key", chain, new Uint8Array(3), /private key/],
    ["a leaf as intermediate", Buffer.concat([raw, other.der]), undefined, /intermediate is no ca/],
    ["intermediate that may not sign", Buffer.concat([raw, noSign.der]), undefined, /keyCertSign/],
    ["intermediate first", Buffer.concat([middle.der, raw]), undefined, /without a path/],
    ["empty", new Uint8Array(0), undefined, /empty/],
    [
      "17 certificates",
      Buffer.concat([raw, ...Array.from({ length: 16 }, () => middle.der)]),
      undefined,
      /longer than 16/,
    ],
  ];
  for (const [what, bytes, key, message] of hostile) {
    t.throws(() => parseX509Svid(bytes, key), { kind: "invalid", message }, what);
  }
});

t.test("an svid verifies against its own trust domain's bundle only", async (t) => {
  const leaf = await leafOf({}, middle);
  const chain = [leaf, middle.certificate];
  const bundle = ca.bundle();
  t.equal(String(await verifyX509Svid(chain, bundle, TEST_EPOCH)), "spiffe://example.org/workload");
  const [authority] = bundle.x509Authorities;
  if (authority === undefined) throw new Error("the bundle has an authority");
  const tainted = { ...bundle, x509Authorities: [{ ...authority, tainted: true }] };
  await verifyX509Svid(chain, tainted, TEST_EPOCH);
  const junk = { der: Uint8Array.of(1, 2, 3), tainted: false };
  await verifyX509Svid(chain, { ...bundle, x509Authorities: [junk, authority] }, TEST_EPOCH);
  t.pass("a tainted authority verifies, an unreadable one spoils no other");

  const foreign = await TestCa.create({ trustDomain: "foreign.test" });
  const posing = await leafOf({ spiffeId: "spiffe://example.org/workload" }, foreign);
  const refused: readonly (readonly [string, Certificate[], Bundle, number, RegExp])[] = [
    ["nothing", [], bundle, TEST_EPOCH, /chain is empty/],
    [
      "bundle of another domain",
      chain,
      foreign.bundle(),
      TEST_EPOCH,
      /is of trust domain 'example\.org', not 'foreign\.test'/,
    ],
    [
      "id of another domain",
      [await leafOf({ spiffeId: "spiffe://foreign.test/x" })],
      bundle,
      TEST_EPOCH,
      /is of trust domain 'foreign\.test'/,
    ],
    ["foreign authority, our id", [posing], bundle, TEST_EPOCH, /authority|does not fit/],
    ["empty bundle", chain, { ...bundle, x509Authorities: [] }, TEST_EPOCH, /no authority/],
    ["expired", chain, bundle, TEST_EPOCH + 3601, /expired/],
    ["the ca itself", [ca.certificate], bundle, TEST_EPOCH, /without a path/],
  ];
  for (const [what, presented, against, now, message] of refused) {
    await t.rejects(
      verifyX509Svid(presented, against, now),
      { kind: "unauthenticated", message },
      what,
    );
  }
});

const jwtKey = await generateKey("ec-p256");
const rsaKey = await generateKey("rsa-2048");
const claims: JwtClaims = {
  sub: "spiffe://example.org/workload",
  aud: ["one", "two"],
  exp: TEST_EPOCH + 300,
  iat: TEST_EPOCH,
};
const jwtBundle = ca.bundle([
  { keyId: "ec", publicKey: jwtKey.signer.publicKey, expiresAt: 0, tainted: false },
  { keyId: "rsa", publicKey: rsaKey.signer.publicKey, expiresAt: 0, tainted: true },
]);
const bundleOf = (name: string): Bundle | undefined =>
  name === "example.org" ? jwtBundle : undefined;

function tokenOf(changed: JwtClaims, keyId = "ec", signer = jwtKey.signer): Promise<string> {
  return signCompact({ keyId, claims: { ...claims, ...changed }, signer });
}

t.test("jwt-svids that hold", async (t) => {
  const good: readonly (readonly [string, Promise<string>, string, number])[] = [
    ["first audience", tokenOf({}), "one", TEST_EPOCH],
    ["second audience", tokenOf({}), "two", TEST_EPOCH],
    ["audience as a text", tokenOf({ aud: "one" }), "one", TEST_EPOCH],
    ["tainted rsa key", tokenOf({}, "rsa", rsaKey.signer), "one", TEST_EPOCH],
    ["within the leeway of exp", tokenOf({}), "one", TEST_EPOCH + 359],
    ["within the leeway of iat", tokenOf({}), "one", TEST_EPOCH - 60],
    ["without iat", tokenOf({ iat: undefined }), "one", TEST_EPOCH - 1000],
    ["within the leeway of nbf", tokenOf({ nbf: TEST_EPOCH + 60 }), "one", TEST_EPOCH],
  ];
  for (const [what, token, audience, now] of good) {
    const verified = await verifyJwtSvid(await token, audience, bundleOf, now);
    t.equal(String(verified.spiffeId), "spiffe://example.org/workload", what);
  }
  const verified = await verifyJwtSvid(
    await tokenOf({ extra: { a: 1 } }),
    "one",
    bundleOf,
    TEST_EPOCH,
  );
  t.same(verified.claims, { ...claims, extra: { a: 1 } });
  t.equal(verified.keyId, "ec");
});

t.test("jwt-svids that do not, each for its reason", async (t) => {
  const stranger = await generateKey("ec-p256");
  const noKid = async (): Promise<string> => {
    const input = [{ alg: "ES256" }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    return `${input}.AAAA`;
  };
  const hostile: readonly (readonly [string, Promise<string>, string, number, RegExp])[] = [
    ["no audience asked for", tokenOf({}), "", TEST_EPOCH, /audience is missing/],
    ["another audience", tokenOf({}), "three", TEST_EPOCH, /another audience/],
    ["part of an audience", tokenOf({ aud: "one two" }), "one", TEST_EPOCH, /another audience/],
    ["no aud", tokenOf({ aud: undefined }), "one", TEST_EPOCH, /no aud/],
    ["empty aud", tokenOf({ aud: [] }), "one", TEST_EPOCH, /no aud/],
    ["aud with a number", tokenOf({ aud: ["one", 1] }), "one", TEST_EPOCH, /no aud/],
    ["aud with an empty text", tokenOf({ aud: ["one", ""] }), "one", TEST_EPOCH, /no aud/],
    ["aud an object", tokenOf({ aud: { one: 1 } }), "one", TEST_EPOCH, /no aud/],
    ["no sub", tokenOf({ sub: undefined }), "one", TEST_EPOCH, /no sub/],
    ["sub a list", tokenOf({ sub: [claims["sub"]] }), "one", TEST_EPOCH, /no sub/],
    ["sub is no id", tokenOf({ sub: "workload" }), "one", TEST_EPOCH, /scheme/],
    [
      "sub without path",
      tokenOf({ sub: "spiffe://example.org" }),
      "one",
      TEST_EPOCH,
      /without a path/,
    ],
    ["no exp", tokenOf({ exp: undefined }), "one", TEST_EPOCH, /no exp/],
    ["exp a text", tokenOf({ exp: "1" }), "one", TEST_EPOCH, /exp is not a time/],
    ["exp negative", tokenOf({ exp: -1 }), "one", TEST_EPOCH, /exp is not a time/],
    ["exp null", tokenOf({ exp: null }), "one", TEST_EPOCH, /exp is not a time/],
    ["expired", tokenOf({}), "one", TEST_EPOCH + 360, /has expired/],
    ["issued in the future", tokenOf({}), "one", TEST_EPOCH - 61, /not valid yet \(iat\)/],
    ["not before", tokenOf({ nbf: TEST_EPOCH + 61 }), "one", TEST_EPOCH, /not valid yet \(nbf\)/],
    ["no key id", noKid(), "one", TEST_EPOCH, /no key id/],
    ["unknown key id", tokenOf({}, "other"), "one", TEST_EPOCH, /no jwt authority/],
    [
      "foreign domain",
      tokenOf({ sub: "spiffe://foreign.test/x" }),
      "one",
      TEST_EPOCH,
      /no bundle of trust domain/,
    ],
    [
      "stranger's signature",
      tokenOf({}, "ec", stranger.signer),
      "one",
      TEST_EPOCH,
      /does not fit its key/,
    ],
    [
      "key of another type",
      tokenOf({}, "ec", rsaKey.signer),
      "one",
      TEST_EPOCH,
      /does not fit its key/,
    ],
    ["key of another id", tokenOf({}, "rsa"), "one", TEST_EPOCH, /does not fit its key/],
  ];
  for (const [what, token, audience, now, message] of hostile) {
    await t.rejects(
      verifyJwtSvid(await token, audience, bundleOf, now),
      { kind: "invalid", message },
      what,
    );
  }
  await t.rejects(verifyJwtSvid("x", "one", bundleOf, TEST_EPOCH), INVALID);
});
