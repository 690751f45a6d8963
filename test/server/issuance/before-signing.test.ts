import t from "tap";
import type { IssuanceOptions } from "../../../src/server/issuance/issuance.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { checkTokenBytes, signToken } from "../../../src/server/issuance/sign-token.ts";
import { TAG, contextPrimitive, element, integer, nullValue, seq } from "../../../src/x509/der.ts";
import {
  encodeExtKeyUsage,
  encodeExtension,
  encodeKeyUsage,
} from "../../../src/x509/extension-encoding.ts";
import { distinguishedName } from "../../../src/x509/names.ts";
import { OID } from "../../../src/x509/oids.ts";
import { type LeafParams, encodeCaTbs, encodeLeafTbs } from "../../../src/x509/sign.ts";
import { subjectKeyId } from "../../../src/x509/subject-key-id.ts";
import { refused } from "../../support/refused.ts";
import { DAY } from "../ca/domain.ts";
import { Fixture, counting, request } from "./fixture.ts";
import { type Parts, changeExtensions, changeFields, isExtension } from "./tbs.ts";

t.test("the very bytes are checked before they are signed", async (t) => {
  await using f = await Fixture.open();
  const csr = await request({});
  const other = await request({});
  const entry = f.entry({ dnsNames: ["a.example.org"] });
  const web = "spiffe://example.org/web";
  const authority = f.set.activeX509().certificate;
  const changed =
    (change: (leaf: LeafParams) => Partial<LeafParams>): Encode =>
    (leaf, keyType) =>
      encodeLeafTbs({ ...leaf, ...change(leaf) }, keyType);
  /** Puts other bytes of the same length in place: `from` must appear. */
  const patched =
    (from: Uint8Array, to: Uint8Array): Encode =>
    (leaf, keyType) => {
      const tbs = Buffer.from(encodeLeafTbs(leaf, keyType));
      const at = tbs.indexOf(from);
      if (at < 0 || from.length !== to.length) throw new TypeError("nothing to patch");
      tbs.set(to, at);
      return tbs;
    };
  const hex = (text: string): Uint8Array => Buffer.from(text, "hex");
  const emptySubject = distinguishedName([]);

  const broken: Record<string, [Encode, RegExp]> = {
    "another SPIFFE ID": [
      changed(() => ({ uri: "spiffe://example.org/admin" })),
      /exactly one SPIFFE ID/,
    ],
    "a foreign SPIFFE ID": [
      changed(() => ({ uri: "spiffe://other.org/web" })),
      /exactly one SPIFFE ID/,
    ],
    "the trust domain's ID": [changed(() => ({ uri: "spiffe://example.org" })), /without a path/],
    "no SPIFFE ID": [changed(() => ({ uri: "https://example.org/web" })), /scheme is not/],
    "a DNS name more": [
      changed(({ dnsNames }) => ({ dnsNames: [...dnsNames, "b.example.org"] })),
      /dns names are those asked for/,
    ],
    "no DNS name": [changed(() => ({ dnsNames: [] })), /dns names are those asked for/],
    "two SPIFFE IDs": [
      // dNSName [2] and uniformResourceIdentifier [6] differ in one bit.
      patched(
        Buffer.concat([hex("820d"), Buffer.from("a.example.org")]),
        Buffer.concat([hex("860d"), Buffer.from("spiffe://a/b2")]),
      ),
      /more than one uri/,
    ],
    "another key": [
      changed(() => ({ publicKey: other.publicKey })),
      /public key is the requester's/,
    ],
    "another serial": [changed(() => ({ serial: Uint8Array.of(1) })), /serial is the one drawn/],
    "another issuer": [changed(({ subject }) => ({ issuer: subject })), /issuer is the authority/],
    "another authority key": [
      changed(() => ({ authorityKeyId: new Uint8Array(20) })),
      /authority key id/,
    ],
    "another subject": [
      changed(() => ({ subject: authority.subject })),
      /subject is the one decided/,
    ],
    "an empty subject": [changed(() => ({ subject: emptySubject })), /subject is the one decided/],
    "a second longer": [changed((leaf) => ({ notAfter: leaf.notAfter + 1 })), /validity is the/],
    "a year longer": [changed((leaf) => ({ notAfter: leaf.notAfter + 365 * DAY })), /validity is/],
    "a second earlier": [changed((leaf) => ({ notBefore: leaf.notBefore - 1 })), /validity is the/],
    "a certificate authority": [
      (leaf, keyType) => encodeCaTbs({ ...leaf, uri: web }, keyType),
      /without a path|is a ca|key usage/,
    ],
    "no basic constraints": [withoutExtension(OID.basicConstraints), /basic constraints say/],
    "no extended key usage": [withoutExtension(OID.extKeyUsage), /extended key usages are/],
    "no subject key id": [withoutExtension(OID.subjectKeyId), /subject key id is/],
    "no authority key id": [withoutExtension(OID.authorityKeyId), /authority key id is/],
    "a path length": [
      replacing(OID.basicConstraints, encodeExtension(OID.basicConstraints, true, seq(integer(0)))),
      /./,
    ],
    "the usages of a CA": [replacing(OID.keyUsage, encodeKeyUsage(["keyCertSign"])), /key usage/],
    "a key usage too few": [
      replacing(OID.keyUsage, encodeKeyUsage(["digitalSignature", "keyEncipherment"])),
      /key usages are the profile's/,
    ],
    "a key usage too many": [
      replacing(
        OID.keyUsage,
        encodeKeyUsage(["digitalSignature", "nonRepudiation", "keyEncipherment", "keyAgreement"]),
      ),
      /key usages are the profile's/,
    ],
    "an extended usage too many": [
      replacing(
        OID.extKeyUsage,
        encodeExtKeyUsage([OID.serverAuth, OID.clientAuth, "1.3.6.1.5.5.7.3.3"]),
      ),
      /extended key usages are the profile's/,
    ],
    "an address among the names": [
      replacing(OID.subjectAltName, altNames(contextPrimitive(7, Uint8Array.of(127, 0, 0, 1)))),
      /no names but/,
    ],
    "a mail address among the names": [
      replacing(OID.subjectAltName, altNames(contextPrimitive(1, Buffer.from("a@b.org")))),
      /no names but/,
    ],
    "serial zero": [withFields((fields) => fields.with(1, integer(0))), /serial is positive/],
    "a negative serial": [
      withFields((fields) => fields.with(1, element(TAG.integer, Uint8Array.of(0x80)))),
      /./,
    ],
    "no extensions": [withFields((fields) => fields.slice(0, -1)), /./],
    "key usage keyCertSign": [
      patched(hex("03551d0f0101ff0404030203a8"), hex("03551d0f0101ff0404030202ac")),
      /keyCertSign/,
    ],
    "key usage cRLSign": [
      patched(hex("03551d0f0101ff0404030203a8"), hex("03551d0f0101ff0404030201aa")),
      /cRLSign/,
    ],
    "no digitalSignature": [
      patched(hex("03551d0f0101ff0404030203a8"), hex("03551d0f0101ff040403020328")),
      /digitalSignature/,
    ],
    "another extended usage": [
      patched(hex("2b06010505070302"), hex("2b06010505070303")),
      /extended key usage/,
    ],
    "another subject key id": [
      (leaf, keyType) => {
        const keyId = subjectKeyId(leaf.publicKey);
        return patched(keyId, new Uint8Array(20))(leaf, keyType);
      },
      /subject key id is the key's/,
    ],
    "another algorithm": [(leaf) => encodeLeafTbs(leaf, "rsa-2048"), /two different signature/],
    "a critical extension that nobody knows": [
      withExtensions((list) => [...list, encodeExtension("1.2.3.4", true, nullValue())]),
      /extensions are the profile's/,
    ],
    "an extension that nobody knows": [
      withExtensions((list) => [...list, encodeExtension("1.2.3.4", false, nullValue())]),
      /extensions are the profile's/,
    ],
    "bytes behind": [
      (leaf, keyType) => Buffer.concat([encodeLeafTbs(leaf, keyType), hex("0500")]),
      /./,
    ],
    "half of it": [(leaf, keyType) => encodeLeafTbs(leaf, keyType).subarray(0, 100), /./],
    nothing: [() => new Uint8Array(), /./],
    "a whole certificate": [() => authority.raw, /./],
  };
  for (const [name, [encodeTbs, message]] of Object.entries(broken)) {
    let signatures = 0;
    const issuance = f.issuance({ encodeTbs, authorities: counting(f.set, () => signatures++) });
    const expected = { kind: "internal", message } as const;
    await refused(t, issuance.workloadX509({ entry, csr }), expected, name);
    t.equal(signatures, 0, `${name}: the key was not used`);
  }
  t.ok(await f.issuance({ encodeTbs: encodeLeafTbs }).workloadX509({ entry, csr }));

  const active = f.set.activeX509();
  const boastful = { ...active, notAfter: active.notAfter + DAY };
  const authorities = { ...counting(f.set, () => undefined), activeX509: () => boastful };
  const long = f.entry({ x509SvidTtl: 2 * DAY });
  const expected = { kind: "internal", message: /validity lies within the authority's/ } as const;
  await refused(t, f.issuance({ authorities }).workloadX509({ entry: long, csr }), expected);
});

t.test("X.509-SVIDs name the revocation list of their authority, or none", async (t) => {
  await using f = await Fixture.open();
  const entry = f.entry();
  const csr = await request({});
  const crlUrl = (id: string): string => `http://crl.example.org/${id}.crl`;
  const elsewhere: Encode = (leaf, keyType) =>
    encodeLeafTbs({ ...leaf, crlUrl: "http://evil.example/x.crl" }, keyType);
  const broken = [
    f.issuance({ crlUrl, encodeTbs: elsewhere }),
    f.issuance({ crlUrl, encodeTbs: withoutExtension(OID.crlDistributionPoints) }),
    f.issuance({ encodeTbs: elsewhere }),
  ];
  for (const issuance of broken) {
    const expected = { kind: "internal", message: /extensions are|revocation list is/ } as const;
    await refused(t, issuance.workloadX509({ entry, csr }), expected);
  }
  const { chain } = await f.issuance({ crlUrl }).workloadX509({ entry, csr });
  const der = Buffer.from(chain[0] ?? new Uint8Array());
  t.ok(der.includes(crlUrl(f.set.activeX509().id)));
});

t.test("JWT-SVIDs: the very bytes are checked before they are signed", async (t) => {
  const claims = { sub: "spiffe://example.org/web", aud: ["a"], exp: 2, iat: 1 };
  const encode = (value: unknown): string =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = { alg: "ES256", kid: "k", typ: "JWT" };
  const bytes = (head: unknown, body: unknown, more = ""): Uint8Array =>
    Buffer.from(`${encode(head)}.${encode(body)}${more}`);
  const { signer } = await generateKey("ec-p256");
  const authority = { keyId: "k", notAfter: 9, signer };
  checkTokenBytes(bytes(header, claims), claims, authority);
  const broken: Record<string, Uint8Array> = {
    "another key id": bytes({ ...header, kid: "l" }, claims),
    "another algorithm": bytes({ ...header, alg: "RS256" }, claims),
    "another type": bytes({ ...header, typ: "JOSE" }, claims),
    "a header more": bytes({ ...header, jku: "https://evil.example" }, claims),
    "another subject": bytes(header, { ...claims, sub: "spiffe://example.org/admin" }),
    "an audience more": bytes(header, { ...claims, aud: ["a", "b"] }),
    "a later end": bytes(header, { ...claims, exp: 3 }),
    "a claim more": bytes(header, { ...claims, admin: true }),
    "a third part": bytes(header, claims, ".e30"),
  };
  for (const [name, data] of Object.entries(broken)) {
    t.throws(
      () => checkTokenBytes(data, claims, authority),
      { kind: "internal", message: /was not signed/ },
      name,
    );
  }
});

t.test("JWT-SVIDs: claims that change under the encoder's hands are not signed", async (t) => {
  await using f = await Fixture.open();
  const { keyId, notAfter, signer } = f.set.activeJwt();
  let signatures = 0;
  const { keyType, publicKey } = signer;
  const sign = (data: Uint8Array): Promise<Uint8Array> => {
    signatures += 1;
    return signer.sign(data);
  };
  const authority = { keyId, notAfter, signer: { keyType, publicKey, sign } };
  let reads = 0;
  const shifty = {
    get sub(): string {
      return reads++ < 2 ? "spiffe://example.org/admin" : "spiffe://example.org/web";
    },
  };
  await refused(t, signToken(shifty, authority), { kind: "internal", message: /was not signed/ });
  t.equal(signatures, 0);
  t.ok(await signToken({ sub: "spiffe://example.org/web" }, authority));
  t.equal(signatures, 1);
});

type Encode = NonNullable<IssuanceOptions["encodeTbs"]>;

/** The project's encoder, with the fields of its bytes changed afterwards. */
function withFields(change: (fields: Parts) => Parts): Encode {
  return (leaf, keyType) => changeFields(encodeLeafTbs(leaf, keyType), change);
}

function withExtensions(change: (list: Parts) => Parts): Encode {
  return (leaf, keyType) => changeExtensions(encodeLeafTbs(leaf, keyType), change);
}

function withoutExtension(id: string): Encode {
  return withExtensions((list) => list.filter((extension) => !isExtension(extension, id)));
}

function replacing(id: string, replacement: Uint8Array): Encode {
  return withExtensions((list) =>
    list.map((extension) => (isExtension(extension, id) ? replacement : extension)),
  );
}

/** The names that the entry of the test has, and one of another sort. */
function altNames(other: Uint8Array): Uint8Array {
  const uri = contextPrimitive(6, Buffer.from("spiffe://example.org/web"));
  const dns = contextPrimitive(2, Buffer.from("a.example.org"));
  return encodeExtension(OID.subjectAltName, false, seq(uri, dns, other));
}
