/** Intermediate authorities: what they say, what is refused, and that the very bytes are checked before signing. */
import t from "tap";
import { fail } from "../../../src/base/errors.ts";
import { systemRandom } from "../../../src/base/random.ts";
import type { AuditIssue } from "../../../src/observe/audit.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import {
  DownstreamIssuance,
  type DownstreamIssuanceOptions,
} from "../../../src/server/issuance/downstream.ts";
import { contextPrimitive, nullValue, seq } from "../../../src/x509/der.ts";
import { encodeExtension, encodeKeyUsage } from "../../../src/x509/extension-encoding.ts";
import { OID } from "../../../src/x509/oids.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { createCsr, parseCsr } from "../../../src/x509/csr.ts";
import { distinguishedName, formatName } from "../../../src/x509/names.ts";
import { type CaParams, encodeCaTbs, encodeLeafTbs, signLeaf } from "../../../src/x509/sign.ts";
import { NO_AUDIT } from "../../support/no-audit.ts";
import { refused } from "../../support/refused.ts";
import { HOUR, TRUST_DOMAIN } from "../ca/domain.ts";
import { Fixture, counting, leafOf, request } from "./fixture.ts";
import { changeExtensions, isExtension } from "./tbs.ts";

type Encode = NonNullable<DownstreamIssuanceOptions["encodeTbs"]>;

function downstream(f: Fixture, options: Partial<DownstreamIssuanceOptions> = {}) {
  return new DownstreamIssuance({
    trustDomain: TRUST_DOMAIN,
    authorities: f.set,
    audit: NO_AUDIT,
    clock: f.domain.clock,
    random: systemRandom,
    ttlSeconds: 2 * HOUR,
    ...options,
  });
}

t.test("an intermediate authority", async (t) => {
  await using f = await Fixture.open();
  const csr = await request({
    uris: ["spiffe://other.org/x"],
    dnsNames: ["evil.example"],
    subject: distinguishedName([{ type: "CN", value: "evil" }]),
  });
  const { chain, expiresAt, serial } = await downstream(f).sign({ csr, ttlSeconds: 0 });
  t.equal(chain.length, 1, "the root is not sent");
  const ca = leafOf(chain);
  const root = f.set.activeX509().certificate;
  t.same(ca.uris, ["spiffe://example.org"]);
  t.same(ca.dnsNames, []);
  t.same(ca.basicConstraints, { ca: true });
  t.same([...(ca.keyUsage ?? [])].sort(), ["cRLSign", "keyCertSign"]);
  t.equal(ca.extKeyUsage, undefined);
  t.same(ca.publicKey, csr.publicKey);
  t.equal(ca.authorityKeyId, root.subjectKeyId);
  t.match(formatName(ca.subject), /OU=DOWNSTREAM-1/);
  t.equal(ca.serial, serial);
  t.equal(ca.notAfter, expiresAt);
  t.equal(expiresAt, f.now + 2 * HOUR);
  t.equal(ca.notBefore, f.now - 10);
  // It can sign: an SVID below it chains to the root.
  const key = await generateKey("ec-p256");
  const signing = await downstream(f).sign({
    csr: parseCsr(await createCsr({ uris: [], signer: key.signer })),
    ttlSeconds: 600,
  });
  const middle = leafOf(signing.chain);
  const leaf = await signLeaf(
    {
      serial: Uint8Array.of(7),
      issuer: middle.subject,
      authorityKeyId: Buffer.from(middle.subjectKeyId ?? "", "hex"),
      subject: distinguishedName([]),
      notBefore: f.now,
      notAfter: f.now + 60,
      publicKey: csr.publicKey,
      uri: "spiffe://example.org/below",
      dnsNames: [],
    },
    key.signer,
  );
  await verifyChain([parseCertificate(leaf), middle], [root], f.now);
  await t.rejects(verifyChain([parseCertificate(leaf)], [root], f.now));

  const cases: [number, number][] = [
    [60, 60],
    [HOUR, HOUR],
    [2 ** 31 - 1, f.set.activeX509().notAfter - f.now],
  ];
  for (const [ttlSeconds, life] of cases) {
    const issued = await downstream(f).sign({ csr, ttlSeconds });
    t.equal(issued.expiresAt, f.now + life, `${ttlSeconds} s`);
    t.equal(leafOf(issued.chain).notAfter, f.now + life);
  }
});

t.test("refused requests use no key", async (t) => {
  await using f = await Fixture.open();
  let used = 0;
  const issuance = downstream(f, { authorities: counting(f.set, () => used++) });
  const csr = await request({});
  for (const ttlSeconds of [-1, 0.5, Number.NaN, 2 ** 31]) {
    await refused(t, issuance.sign({ csr, ttlSeconds }), { kind: "invalid" }, String(ttlSeconds));
  }
  const forged = Buffer.from(csr.raw);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  const bad = parseCsr(forged);
  await refused(t, issuance.sign({ csr: bad, ttlSeconds: 0 }), { kind: "invalid" });
  const { publicKey } = f.set.activeX509().certificate;
  await refused(t, issuance.sign({ csr: { ...csr, publicKey }, ttlSeconds: 0 }), {
    kind: "invalid",
  });
  t.equal(used, 0);
});

t.test("the very bytes are checked before they are signed", async (t) => {
  await using f = await Fixture.open();
  const csr = await request({});
  const other = await request({});
  const changed =
    (change: (ca: CaParams) => Partial<CaParams>): Encode =>
    (ca, keyType) =>
      encodeCaTbs({ ...ca, ...change(ca) }, keyType);
  const broken: Record<string, [Encode, RegExp]> = {
    "another trust domain": [changed(() => ({ uri: "spiffe://other.org" })), /only name/],
    "the ID of a workload": [changed(() => ({ uri: "spiffe://example.org/a" })), /only name/],
    "no name": [({ uri: _uri, ...ca }, keyType) => encodeCaTbs(ca, keyType), /only name/],
    "another key": [changed(() => ({ publicKey: other.publicKey })), /public key/],
    "another serial": [changed(() => ({ serial: Uint8Array.of(1) })), /serial is the one drawn/],
    "another subject": [changed(() => ({ subject: distinguishedName([]) })), /subject is the/],
    "another issuer": [changed(({ subject }) => ({ issuer: subject })), /issuer/],
    "another authority's key": [
      changed(() => ({ authorityKeyId: new Uint8Array(20) })),
      /authority key id/,
    ],
    "a longer life": [changed(({ notAfter }) => ({ notAfter: notAfter + 1 })), /validity/],
    "an earlier begin": [changed(({ notBefore }) => ({ notBefore: notBefore - 1 })), /validity/],
    "a path length": [changed(() => ({ pathLen: 0 })), /say it is a ca/],
    "a leaf": [
      (ca, keyType) =>
        encodeLeafTbs(
          { ...ca, uri: ca.uri ?? "", dnsNames: [], authorityKeyId: ca.authorityKeyId ?? csr.raw },
          keyType,
        ),
      /say it is a ca/,
    ],
    "a usage too few": [
      replacing(OID.keyUsage, encodeKeyUsage(["keyCertSign"])),
      /key usages are the profile's/,
    ],
    "a usage too many": [
      replacing(OID.keyUsage, encodeKeyUsage(["digitalSignature", "keyCertSign", "cRLSign"])),
      /key usages are the profile's/,
    ],
    "an address among the names": [
      replacing(
        OID.subjectAltName,
        encodeExtension(
          OID.subjectAltName,
          false,
          seq(
            contextPrimitive(6, Buffer.from("spiffe://example.org")),
            contextPrimitive(7, Uint8Array.of(127, 0, 0, 1)),
          ),
        ),
      ),
      /no names but the trust domain's/,
    ],
    "an extension that nobody knows": [
      (ca, keyType) =>
        changeExtensions(encodeCaTbs(ca, keyType), (list) => [
          ...list,
          encodeExtension("1.2.3.4", false, nullValue()),
        ]),
      /extensions are the profile's/,
    ],
    "another algorithm": [(ca) => encodeCaTbs(ca, "rsa-2048"), /two different signature/],
    nothing: [() => new Uint8Array(), /not signed/],
  };
  let used = 0;
  const authorities = counting(f.set, () => used++);
  for (const [name, [encodeTbs, message]] of Object.entries(broken)) {
    const call = downstream(f, { authorities, encodeTbs }).sign({ csr, ttlSeconds: 60 });
    await refused(t, call, { kind: "internal", message }, name);
  }
  t.equal(used, 0, "nothing was signed");
});

t.test("each is recorded, and what cannot be recorded is not handed out", async (t) => {
  await using f = await Fixture.open();
  const csr = await request({});
  const records: AuditIssue[] = [];
  const issued = await downstream(f, {
    audit: { issued: async (record) => void records.push(record) },
  }).sign({ csr, ttlSeconds: 60 });
  t.same(records, [
    {
      action: "x509.downstream",
      subject: {
        spiffeId: "spiffe://example.org",
        serial: issued.serial,
        authorityId: f.set.activeX509().id,
        expiresAt: f.now + 60,
      },
    },
  ]);
  const audit = { issued: () => Promise.reject(fail("unavailable", "the disk is full")) };
  const call = downstream(f, { audit }).sign({ csr, ttlSeconds: 60 });
  await refused(t, call, { kind: "unavailable" });
});

function replacing(id: string, replacement: Uint8Array): Encode {
  return (ca, keyType) =>
    changeExtensions(encodeCaTbs(ca, keyType), (list) =>
      list.map((extension) => (isExtension(extension, id) ? replacement : extension)),
    );
}
