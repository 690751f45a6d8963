import * as crypto from "node:crypto";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import t from "tap";
import { isKind } from "../../src/base/errors.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { type CertificateRequest, createCsr, parseCsr, verifyCsr } from "../../src/x509/csr.ts";
import * as der from "../../src/x509/der.ts";
import { encodeExtension } from "../../src/x509/extension-encoding.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { OID } from "../../src/x509/oids.ts";
import { encodeSignatureAlgorithm } from "../../src/x509/signature-algorithm.ts";
import { damaged } from "../support/damaged.ts";
import { TestCa, testCsr } from "../support/test-ca.ts";

const hex = (text: string): Uint8Array => Buffer.from(text, "hex");
const name = distinguishedName([{ type: "O", value: "SPIRE" }]);
const ca = await TestCa.create();
const leafKey = await generateKey("ec-p256");

t.test("no damaged request verifies, and none is worse than invalid", async (t) => {
  const { der: raw } = await testCsr({ dnsNames: ["a.example.org"] });
  await verifyCsr(parseCsr(raw));
  let parsed = 0;
  for (const bytes of damaged(raw)) {
    let csr: CertificateRequest;
    try {
      csr = parseCsr(bytes);
    } catch (thrown) {
      if (!isKind(thrown, "invalid")) t.fail("another error than invalid", { thrown });
      continue;
    }
    parsed += 1;
    const verdict = await verifyCsr(csr).catch((thrown: unknown) => thrown);
    if (!isKind(verdict, "invalid")) t.fail("damaged but verified", { verdict });
  }
  t.ok(parsed > 200, `${parsed} parsed`);
});

t.test("a request says what it asks for", async (t) => {
  const { der: raw, signer } = await testCsr({ dnsNames: ["a.example.org"] });
  const csr = parseCsr(raw);
  t.same(csr.uris, ["spiffe://example.org/workload"]);
  t.same(csr.dnsNames, ["a.example.org"]);
  t.equal(csr.keyType, "ec-p256");
  t.same(csr.publicKey, signer.publicKey);
  const bare = parseCsr(await createCsr({ uris: [], signer, subject: name }));
  t.same([bare.uris, bare.dnsNames, bare.subject], [[], [], name]);
  const other = pkijs.CertificationRequest.fromBER(raw);
  t.ok(await other.verify(), "pkijs agrees");
});

async function pkijsCsr(
  algorithm: object,
  hash: string,
  extensions: pkijs.Extension[],
): Promise<Uint8Array> {
  const { subtle } = crypto.webcrypto;
  const pair = await subtle.generateKey(algorithm as crypto.webcrypto.EcKeyGenParams, true, [
    "sign",
    "verify",
  ]);
  const request = new pkijs.CertificationRequest();
  request.version = 0;
  request.subject.typesAndValues.push(
    new pkijs.AttributeTypeAndValue({
      type: OID.commonName,
      value: new asn1js.Utf8String({ value: "wörk" }),
    }),
  );
  await request.subjectPublicKeyInfo.importKey(pair.publicKey);
  request.attributes = [
    new pkijs.Attribute({
      type: OID.extensionRequest,
      values: [new pkijs.Extensions({ extensions }).toSchema()],
    }),
  ];
  await request.sign(pair.privateKey, hash);
  return new Uint8Array(request.toSchema().toBER());
}

const rsa = (rsaName: string, modulusLength: number, hash = "SHA-256"): object => ({
  name: rsaName,
  modulusLength,
  publicExponent: Uint8Array.of(1, 0, 1),
  hash,
});

t.test("requests made by pkijs", async (t) => {
  const names = new pkijs.GeneralNames({
    names: [
      new pkijs.GeneralName({ type: 6, value: "spiffe://example.org/x" }),
      new pkijs.GeneralName({ type: 2, value: "x.example.org" }),
    ],
  });
  const extensions = [
    new pkijs.Extension({
      extnID: OID.subjectAltName,
      critical: false,
      extnValue: names.toSchema().toBER(false),
    }),
  ];
  for (const [algorithm, hash] of [
    [{ name: "ECDSA", namedCurve: "P-256" }, "SHA-256"],
    [{ name: "ECDSA", namedCurve: "P-256" }, "SHA-512"],
    [{ name: "ECDSA", namedCurve: "P-384" }, "SHA-384"],
    [rsa("RSASSA-PKCS1-v1_5", 2048), "SHA-256"],
  ] as const) {
    const csr = parseCsr(await pkijsCsr(algorithm, hash, extensions));
    t.same(csr.uris, ["spiffe://example.org/x"]);
    t.same(csr.dnsNames, ["x.example.org"]);
    await verifyCsr(csr);
  }
  const refused: readonly (readonly [string, object, string, RegExp])[] = [
    [
      "rsa-pss",
      rsa("RSA-PSS", 2048),
      "SHA-256",
      /rsa-pss\) is not|1\.1\.10, rsa-pss is not supported/,
    ],
    ["rsa-1024", rsa("RSASSA-PKCS1-v1_5", 1024), "SHA-256", /rsa 1024 bits/],
    ["sha-1", rsa("RSASSA-PKCS1-v1_5", 2048, "SHA-1"), "SHA-1", /sha-1 with rsa is not supported/],
    ["p-521", { name: "ECDSA", namedCurve: "P-521" }, "SHA-512", /secp521r1/],
  ];
  for (const [what, algorithm, hash, message] of refused) {
    const raw = await pkijsCsr(algorithm, hash, extensions);
    t.throws(() => parseCsr(raw), { kind: "invalid", message }, what);
  }
  const huge = new pkijs.Extension({ extnID: "1.2.3", extnValue: new ArrayBuffer(1_000_000) });
  const large = await pkijsCsr({ name: "ECDSA", namedCurve: "P-256" }, "SHA-256", [huge]);
  t.throws(
    () => parseCsr(large),
    { kind: "invalid", message: /longer than 16384/ },
    "1 MB extension",
  );
});

t.test("requests that are wrong elsewhere", async (t) => {
  const { signer } = leafKey;
  const request = async (
    parts: readonly Uint8Array[],
    algorithm = encodeSignatureAlgorithm("ec-p256"),
  ): Promise<Uint8Array> => {
    const info = der.seq(...parts);
    return der.seq(info, algorithm, der.bitString(await signer.sign(info)));
  };
  const sound = [der.integer(0), name, signer.publicKey] as const;
  const attribute = (...values: readonly Uint8Array[]): Uint8Array =>
    der.seq(der.oid(OID.extensionRequest), der.element(0x31, ...values));
  const list = der.seq(encodeExtension("1.2.3", false, hex("0500")));
  for (const [what, parts] of [
    ["no attributes at all", sound],
    ["empty attributes", [...sound, der.context(0)]],
    [
      "a challenge password",
      [
        ...sound,
        der.context(0, der.seq(der.oid("1.2.840.113549.1.9.7"), der.set(der.utf8String("x")))),
      ],
    ],
  ] as const) {
    await verifyCsr(parseCsr(await request(parts)));
    t.pass(what);
  }
  const ed25519 = crypto.generateKeyPairSync("ed25519").publicKey;
  const ed448 = crypto.generateKeyPairSync("ed448").publicKey;
  const spki = (key: crypto.KeyObject): Uint8Array => key.export({ format: "der", type: "spki" });
  const hostile: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      "version 2",
      await request([der.integer(1), name, signer.publicKey, der.context(0)]),
      /is not 1/,
    ],
    ["trailing part", await request([...sound, der.context(0), der.nullValue()]), /trailing/],
    [
      "two extension requests",
      await request([...sound, der.context(0, attribute(list), attribute(list))]),
      /appears twice/,
    ],
    [
      "two lists in one",
      await request([...sound, der.context(0, attribute(list, list))]),
      /trailing/,
    ],
    ["no list", await request([...sound, der.context(0, attribute())]), /the end/],
    ["ed25519 key", await request([der.integer(0), name, spki(ed25519)]), /ed25519/],
    ["ed448 key", await request([der.integer(0), name, spki(ed448)]), /ed448/],
    [
      "rsa signature, ec key",
      await request(sound, encodeSignatureAlgorithm("rsa-2048")),
      /does not fit/,
    ],
    [
      "unknown signature",
      await request(sound, der.seq(der.oid("1.2.3.4"))),
      /1\.2\.3\.4 is not supported/,
    ],
    ["a certificate", ca.der, /certificate request/],
    ["empty", new Uint8Array(0), /the end/],
  ];
  for (const [what, raw, message] of hostile) {
    t.throws(() => parseCsr(raw), { kind: "invalid", message }, what);
  }
  const foreign = der.seq(der.integer(0), name, ca.key.signer.publicKey);
  const stolen = der.seq(
    foreign,
    encodeSignatureAlgorithm("ec-p256"),
    der.bitString(await signer.sign(foreign)),
  );
  await t.rejects(verifyCsr(parseCsr(stolen)), {
    kind: "invalid",
    message: /does not fit its key/,
  });
  const offCurve = Uint8Array.from(signer.publicKey);
  offCurve[90] = (offCurve[90] ?? 0) ^ 1;
  const impossible = parseCsr(await request([der.integer(0), name, offCurve]));
  await t.rejects(verifyCsr(impossible), { kind: "invalid", message: /not a valid key/ });
});
