import * as crypto from "node:crypto";
import * as pkijs from "pkijs";
import t from "tap";
import { isKind } from "../../src/base/errors.ts";
import { KEY_TYPES } from "../../src/keys/contract.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { parseCertificate, parseCertificates } from "../../src/x509/certificate.ts";
import { verifyChain } from "../../src/x509/chain.ts";
import { createCsr, parseCsr, verifyCsr } from "../../src/x509/csr.ts";
import * as der from "../../src/x509/der.ts";
import { encodeExtension } from "../../src/x509/extension-encoding.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { OID } from "../../src/x509/oids.ts";
import { type LeafParams, encodeLeafTbs, signCa, signLeaf } from "../../src/x509/sign.ts";
import { encodeSignatureAlgorithm } from "../../src/x509/signature-algorithm.ts";
import { subjectKeyId } from "../../src/x509/subject-key-id.ts";
import { damaged } from "../support/damaged.ts";
import { type Forgery, TEST_EPOCH, TestCa } from "../support/test-ca.ts";

/** What hostile input leads to, and nothing else. */
const INVALID = { name: "AssayError", kind: "invalid" };

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const asHex = (bytes: Uint8Array | ArrayBuffer): string =>
  Buffer.from(bytes as Uint8Array).toString("hex");
const name = distinguishedName([
  { type: "C", value: "US" },
  { type: "O", value: "SPIRE" },
]);
const ca = await TestCa.create();
const leafKey = await generateKey("ec-p256");
const leafParams: LeafParams = {
  serial: hex("8000 0000 0000 0000 0000 0000 0000 0001"),
  issuer: ca.certificate.subject,
  authorityKeyId: subjectKeyId(ca.key.signer.publicKey),
  subject: name,
  notBefore: TEST_EPOCH - 10,
  notAfter: TEST_EPOCH + 3600,
  publicKey: leafKey.signer.publicKey,
  uri: "spiffe://example.org/workload",
  dnsNames: ["a.example.org", "*.b.example.org"],
};

t.test("a leaf is what the standard and three other readers say", async (t) => {
  const raw = await signLeaf(leafParams, ca.key.signer);
  const leaf = parseCertificate(raw);
  t.equal(leaf.serial, "80000000000000000000000000000001");
  t.same(leaf.uris, ["spiffe://example.org/workload"]);
  t.same(leaf.dnsNames, leafParams.dnsNames);
  t.equal(leaf.sanCritical, false);
  t.same(leaf.basicConstraints, { ca: false });
  t.same([...(leaf.keyUsage ?? [])], ["digitalSignature", "keyEncipherment", "keyAgreement"]);
  t.equal(leaf.keyUsageCritical, true);
  t.same(leaf.extKeyUsage, [OID.serverAuth, OID.clientAuth]);
  t.equal(leaf.subjectKeyId, asHex(subjectKeyId(leafKey.signer.publicKey)));
  t.equal(leaf.authorityKeyId, ca.certificate.subjectKeyId);
  t.equal(leaf.notBefore, TEST_EPOCH - 10);
  t.equal(leaf.notAfter, TEST_EPOCH + 3600);
  t.same(asHex(leaf.tbs), asHex(encodeLeafTbs(leafParams, "ec-p256")));
  t.equal(asHex(leaf.publicKey), asHex(leafKey.signer.publicKey), "the key's bytes as they came");

  const node = new crypto.X509Certificate(raw);
  t.equal(node.serialNumber.toLowerCase(), leaf.serial);
  t.equal(node.subject, "C=US\nO=SPIRE");
  t.match(node.subjectAltName, /URI:spiffe:\/\/example\.org\/workload/);
  t.equal(node.ca, false);
  t.ok(node.verify(new crypto.X509Certificate(ca.der).publicKey));
  t.ok(node.checkIssued(new crypto.X509Certificate(ca.der)));

  const other = pkijs.Certificate.fromBER(raw);
  t.ok(await other.verify(pkijs.Certificate.fromBER(ca.der)));
  t.equal(asHex(other.toSchema().toBER()), asHex(raw), "pkijs writes the same bytes");
  const constraints = other.extensions?.find(({ extnID }) => extnID === OID.basicConstraints);
  t.equal(constraints?.critical, true);
  t.equal(asHex(constraints?.extnValue.valueBlock.valueHexView ?? new Uint8Array()), "3000");
});

t.test("an empty subject makes the alternative name critical", async (t) => {
  const leaf = parseCertificate(
    await signLeaf({ ...leafParams, subject: der.seq() }, ca.key.signer),
  );
  t.equal(leaf.sanCritical, true);
  t.match(new crypto.X509Certificate(leaf.raw).subjectAltName, /spiffe:/);
});

t.test("every pair of authority and leaf key types", async (t) => {
  for (const keyType of KEY_TYPES) {
    const { signer } = await generateKey(keyType);
    const params = {
      serial: hex("7f"),
      issuer: name,
      subject: name,
      notBefore: TEST_EPOCH,
      notAfter: Date.UTC(2060, 0, 1) / 1000,
      publicKey: signer.publicKey,
      uri: "spiffe://example.org",
      pathLen: 2,
    };
    const root = parseCertificate(await signCa(params, signer));
    t.same(root.basicConstraints, { ca: true, pathLen: 2 }, keyType);
    t.same([...(root.keyUsage ?? [])], ["keyCertSign", "cRLSign"]);
    t.equal(root.authorityKeyId, root.subjectKeyId);
    t.equal(root.notAfter, Date.UTC(2060, 0, 1) / 1000);
    t.equal(new crypto.X509Certificate(root.raw).ca, true);
    const signed = await signLeaf(
      { ...leafParams, issuer: name, publicKey: signer.publicKey },
      signer,
    );
    t.ok(new crypto.X509Certificate(signed).verify(new crypto.X509Certificate(root.raw).publicKey));
    await verifyChain([parseCertificate(signed)], [root], TEST_EPOCH);
    const csr = parseCsr(await createCsr({ uris: ["spiffe://example.org/w"], signer }));
    t.equal(csr.keyType, keyType);
    await verifyCsr(csr);
  }
});

t.test("misuse of the encoder is a TypeError, an odd name is refused", async (t) => {
  const misuse: readonly Partial<LeafParams>[] = [
    { serial: new Uint8Array(0) },
    { serial: new Uint8Array(16) },
    { serial: new Uint8Array(21).fill(1) },
    { notAfter: TEST_EPOCH - 11 },
    { notAfter: Number.NaN },
    { notBefore: 0.5 },
  ];
  for (const part of misuse) {
    t.throws(() => encodeLeafTbs({ ...leafParams, ...part }, "ec-p256"), TypeError);
  }
  for (const uri of ["", "spiffe://example.org/\0", "spiffe://ex\u00e4mple/x", "a b"]) {
    t.throws(() => encodeLeafTbs({ ...leafParams, uri }, "ec-p256"), INVALID);
  }
});

/** The certificate with one element of its to-be-signed part replaced. */
function withElement(index: number, replacement: Uint8Array): Pick<Forgery, "alterTbs"> {
  return {
    alterTbs(tbs) {
      const cursor = der.openDer(tbs, der.TAG.sequence, "tbs");
      const parts: Uint8Array[] = [];
      while (!cursor.done) parts.push(cursor.readAny().raw);
      parts[index] = replacement;
      return der.seq(...parts);
    },
  };
}

const extra = (id: string, value: Uint8Array, critical = false): Forgery => ({
  extraExtensions: [encodeExtension(id, critical, value)],
});
const san = (...names: readonly Uint8Array[]): Forgery => ({
  uris: [],
  ...extra(OID.subjectAltName, der.seq(...names)),
});
const uriName = (text: string): Uint8Array => der.contextPrimitive(6, Buffer.from(text, "latin1"));
const utcTime = (text: string): Uint8Array => der.element(0x17, Buffer.from(text));
const generalized = (text: string): Uint8Array => der.element(0x18, Buffer.from(text));

t.test("certificates that break a rule of encoding are refused, each for its reason", async (t) => {
  const hostile: readonly (readonly [string, Forgery, RegExp])[] = [
    ["extension twice", extra(OID.keyUsage, der.namedBits([0])), /2\.5\.29\.15 appears twice/],
    [
      "critical false encoded",
      { extraExtensions: [der.seq(der.oid("1.2.3"), der.boolean(false), der.octetString())] },
      /critical flag encodes its default/,
    ],
    [
      "extension with trailing element",
      { extraExtensions: [der.seq(der.oid("1.2.3"), der.octetString(), der.nullValue())] },
      /trailing/,
    ],
    [
      "65 extensions",
      {
        extraExtensions: Array.from({ length: 65 }, (_, i) =>
          encodeExtension(`1.2.3.${i}`, false, hex("0500")),
        ),
      },
      /too long/,
    ],
    ["no extension in the list", withElement(7, der.context(3, der.seq())), /list is empty/],
    [
      "ca false encoded",
      { basicConstraints: "omit", ...extra(OID.basicConstraints, hex("3003010100"), true) },
      /encode their default/,
    ],
    [
      "path length without ca",
      { basicConstraints: "omit", ...extra(OID.basicConstraints, hex("3003020100"), true) },
      /no ca/,
    ],
    [
      "negative path length",
      { basicConstraints: "omit", ...extra(OID.basicConstraints, hex("30060101ff0201ff"), true) },
      /negative/,
    ],
    [
      "trailing bytes in basic constraints",
      { basicConstraints: "omit", ...extra(OID.basicConstraints, hex("30000500"), true) },
      /trailing/,
    ],
    [
      "key usage bit 9",
      { keyUsage: "omit", ...extra(OID.keyUsage, der.namedBits([9])) },
      /no standard/,
    ],
    [
      "extended key usage empty",
      { extKeyUsage: "omit", ...extra(OID.extKeyUsage, der.seq()) },
      /the end/,
    ],
    ["alternative name empty", san(), /is empty/],
    ["nul in the uri", san(uriName("spiffe://example.org/a\0.evil")), /not printable/],
    ["latin-1 in the uri", san(uriName("spiffe://example.org/\u00e4")), /not printable/],
    ["nul in a dns name", san(der.contextPrimitive(2, hex("6100"))), /not printable/],
    ["constructed garbage in names", san(hex("8605aa")), /cut short/],
    ["1025 names", san(...Array.from({ length: 1025 }, () => uriName("a"))), /too many/],
    [
      "key identifier is no octet string",
      { subjectKeyId: "omit", ...extra(OID.subjectKeyId, hex("0500")) },
      /tag 4/,
    ],
    ["negative serial", withElement(1, hex("020180")), /negative/],
    ["padded serial", withElement(1, hex("02020001")), /not minimal/],
    ["serial of 21 bytes", withElement(1, der.integer(new Uint8Array(21).fill(1))), /20 bytes/],
    ["empty serial", withElement(1, hex("0200")), /empty integer/],
    ["version 1 encoded", withElement(0, der.context(0, der.integer(0))), /neither 2 nor 3/],
    ["version 4", withElement(0, der.context(0, der.integer(3))), /neither 2 nor 3/],
    ["extensions in version 2", withElement(0, der.context(0, der.integer(1))), /trailing/],
    ["no version but extensions", withElement(0, new Uint8Array(0)), /trailing/],
    ["two algorithms", withElement(2, encodeSignatureAlgorithm("ec-p384")), /two different/],
    ["one date", withElement(4, der.seq(utcTime("260101000000Z"))), /cut short/],
    [
      "three dates",
      withElement(4, der.seq(...Array.from({ length: 3 }, () => utcTime("260101000000Z")))),
      /trailing/,
    ],
    ["issuer is a set", withElement(3, der.set()), /where tag 48/],
    ["subject with an empty part", withElement(5, der.seq(der.set())), /name/],
    [
      "key bits with unused ones",
      withElement(6, der.seq(der.seq(der.oid("1.2.3")), hex("03020780"))),
      /unused/,
    ],
    [
      "key with trailing bytes",
      withElement(6, der.seq(der.seq(der.oid("1.2.3")), hex("0300"))),
      /unused/,
    ],
    ["trailing element", withElement(8, hex("0500")), /trailing/],
    ["64 KiB of extension", extra("1.2.3", new Uint8Array(70_000)), /longer than/],
    [
      "rsa algorithm with odd parameters",
      { algorithm: der.seq(der.oid("1.2.840.113549.1.1.11"), der.integer(1)) },
      /trailing/,
    ],
    [
      "ecdsa algorithm with parameters",
      { algorithm: der.seq(der.oid("1.2.840.10045.4.3.2"), der.nullValue()) },
      /trailing/,
    ],
  ];
  for (const [what, forgery, message] of hostile) {
    const { der: raw } = await ca.leaf(forgery);
    t.throws(() => parseCertificate(raw), { kind: "invalid", message }, what);
  }
  for (const [what, forgery] of [
    ["key usage untrimmed", { keyUsage: "omit", ...extra(OID.keyUsage, hex("03020080")) }],
    [
      "generalizedtime before 2050",
      withElement(4, der.seq(utcTime("260101000000Z"), generalized("20270101000000Z"))),
    ],
    ["serial zero", { serial: Uint8Array.of(0) }],
    ["unknown extension, not critical", extra("1.2.3.4", hex("0500"))],
    [
      "an ip name beside the uri",
      { ...san(uriName("spiffe://a/b"), der.contextPrimitive(7, hex("7f000001"))) },
    ],
    ["unknown algorithm", { algorithm: der.seq(der.oid("1.2.3"), der.nullValue()) }],
  ] as const) {
    const { der: raw } = await ca.leaf(forgery);
    t.doesNotThrow(() => parseCertificate(raw), what);
  }
});

t.test("lists of certificates", async (t) => {
  const { der: raw } = await ca.leaf();
  t.equal(parseCertificates(Buffer.concat([raw, ca.der])).length, 2);
  for (const [what, bytes] of [
    ["none", new Uint8Array(0)],
    ["trailing byte", Buffer.concat([raw, Uint8Array.of(0)])],
    ["cut short", Buffer.concat([raw, ca.der.subarray(0, 100)])],
    ["something else behind", Buffer.concat([raw, hex("0500")])],
    ["more than 1 MiB", Buffer.alloc(1024 * 1024 + 1, raw)],
  ] as const) {
    t.throws(() => parseCertificates(bytes), INVALID, what);
  }
});

t.test("no damaged certificate verifies, and none is worse than invalid", async (t) => {
  const { der: raw } = await ca.leaf({ dnsNames: ["a.example.org"] });
  await verifyChain([parseCertificate(raw)], [ca.certificate], TEST_EPOCH);
  let parsed = 0;
  let refused = 0;
  for (const bytes of damaged(raw)) {
    try {
      const certificate = parseCertificate(bytes);
      parsed += 1;
      const verdict = await verifyChain([certificate], [ca.certificate], TEST_EPOCH).catch(
        (thrown: unknown) => thrown,
      );
      if (!isKind(verdict, "unauthenticated")) t.fail("damaged but verified", { verdict });
    } catch (thrown) {
      refused += 1;
      if (!isKind(thrown, "invalid")) t.fail("another error than invalid", { thrown });
    }
  }
  t.ok(parsed > 500 && refused > 1000, `${parsed} parsed, ${refused} refused`);
});
