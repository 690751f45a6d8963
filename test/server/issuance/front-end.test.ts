/** Certificates that front ends hand out: sets, profiles, the check before signing. */
import { X509Certificate } from "node:crypto";
import t from "tap";
import {
  BUILT_IN_PROFILES,
  type CertificateProfile,
} from "../../../src/config/certificate-profiles.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import {
  type FrontEndCertificateParams,
  type FrontEndIssuanceOptions,
} from "../../../src/server/issuance/front-end-issuance.ts";
import type { AlternateChain } from "../../../src/server/datastore/contract.ts";
import { type Loss, NONE_LOST } from "../../../src/spiffe/lost-authorities.ts";
import { toBase64 } from "../../../src/base/bytes.ts";
import { TestCa } from "../../support/test-ca.ts";
import { SpiffeId } from "../../../src/spiffe/spiffe-id.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { contextPrimitive, integer, nullValue, seq } from "../../../src/x509/der.ts";
import {
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeExtension,
  encodeKeyUsage,
} from "../../../src/x509/extension-encoding.ts";
import { OID } from "../../../src/x509/oids.ts";
import { type NamedLeafParams, encodeNamedLeafTbs } from "../../../src/x509/sign.ts";
import { refused } from "../../support/refused.ts";
import { DAY, HOUR, TRUST_DOMAIN } from "../ca/domain.ts";
import { leafOf } from "./fixture.ts";
import { frontEndRig } from "./front-end-rig.ts";
import { changeExtensions, changeFields, isExtension } from "./tbs.ts";

const WEB = SpiffeId.parse("spiffe://example.org/web");

t.test("by the set's own authorities, for the web", async (t) => {
  const { f, web, issuance, params, records } = await frontEndRig(t);
  const made = await issuance().issue(
    params({
      commonName: "www.example.org",
      dnsNames: ["www.example.org", "*.example.org"],
      ipAddresses: ["192.0.2.7", "2001:DB8::7"],
    }),
  );
  const leaf = leafOf(made.chain);
  t.match(leaf, {
    dnsNames: ["www.example.org", "*.example.org"],
    ipAddresses: ["192.0.2.7", "2001:db8::7"],
    uris: [],
    extKeyUsage: [OID.serverAuth],
    basicConstraints: { ca: false },
    serial: made.serial,
    notAfter: f.now + 90 * DAY,
    notBefore: made.notBefore,
  });
  t.same([...(leaf.keyUsage ?? [])], ["digitalSignature"]);
  t.equal(made.authorityId, web.activeX509().id);
  t.notSame(web.activeX509().certificate.uris, [TRUST_DOMAIN.id]);
  t.same((await f.domain.bundle()).x509Authorities.length, 1, "in nobody's SPIFFE bundle");
  await verifyChain(made.chain.map(parseCertificate), [parseCertificate(made.root)], f.now);
  const read = new X509Certificate(made.chain[0] ?? "");
  t.equal(read.subject, "CN=www.example.org");
  t.ok(read.checkIP("192.0.2.7"));
  t.ok(read.checkIP("2001:db8::7"));
  t.ok(read.checkHost("a.example.org"));
  t.match(records, [
    {
      action: "x509.acme",
      subject: {
        names: ["www.example.org", "*.example.org", "192.0.2.7", "2001:db8::7"],
        serial: made.serial,
        authorityId: made.authorityId,
        authoritySet: "web",
        profile: "server-90d",
        rule: "order 7",
        expiresAt: made.notAfter,
      },
    },
  ]);

  const foreign = ["xn--bcher-kva.example.org", "*.xn--bcher-kva.example.org"];
  t.ok(await issuance().issue(params({ dnsNames: foreign })), "names of other scripts");

  const bare = await issuance().issue(params({ ipAddresses: ["10.0.0.1"], dnsNames: [] }));
  t.match(leafOf(bare.chain), { sanCritical: true, ipAddresses: ["10.0.0.1"] });
  const rsa = (await generateKey("rsa-2048")).signer.publicKey;
  const encrypting = await issuance().issue(params({ publicKey: rsa }));
  t.ok(leafOf(encrypting.chain).keyUsage?.has("keyEncipherment"));
});

t.test("between peers, and with a SPIFFE ID", async (t) => {
  const { f, issuance, params } = await frontEndRig(t);
  const peer = params({ profile: "peer", commonName: "app 7", dnsNames: ["app"], ttlSeconds: 300 });
  const made = await issuance().issue(peer);
  t.match(leafOf(made.chain), {
    extKeyUsage: [OID.serverAuth, OID.clientAuth],
    notAfter: f.now + 300,
  });
  const nameless = await issuance().issue({ ...peer, dnsNames: [] });
  t.match(leafOf(nameless.chain), { dnsNames: [], otherAltNames: 0 }, "by its common name alone");

  const svid = params({ set: "trust-domain", profile: "spiffe", spiffeId: WEB, commonName: "web" });
  const { chain, notAfter, authorityId } = await issuance().issue(svid);
  t.match(leafOf(chain), { uris: [WEB.toString()], dnsNames: ["www.example.org"] });
  t.equal(notAfter, f.now + HOUR, "the life of X.509-SVIDs");
  t.equal(authorityId, f.set.activeX509().id);
  t.equal(new X509Certificate(chain[0] ?? "").subject, "C=US\nO=SPIRE\nCN=web");
  const short = await issuance().issue({ ...svid, profile: "peer", ttlSeconds: 0 });
  t.equal(short.notAfter, f.now + HOUR, "below the domain's own no longer than these");
});

t.test("what is refused before anything is stored, and signed", async (t) => {
  const { issuance, params, f, records } = await frontEndRig(t);
  const many = Array.from({ length: 101 }, (_, n) => `n${n}.example.org`);
  const cases: Record<string, [Partial<FrontEndCertificateParams>, RegExp]> = {
    "another set": [{ set: "wan" }, /no authority set 'wan'; there are trust-domain, web/],
    "another profile": [{ profile: "x" }, /no certificate profile 'x'/],
    "a profile of others": [
      { profile: "spiffe", spiffeId: WEB },
      /does not sign certificate profile/,
    ],
    "no name": [{ dnsNames: [] }, /at least one name/],
    "too many names": [{ dnsNames: many }, /at most 100 names/],
    "a name twice": [{ dnsNames: ["a.example.org", "A.example.org"] }, /no name twice/],
    "an address twice": [{ ipAddresses: ["::1", "0:0::1"] }, /no name twice/],
    "a name without a dot": [{ dnsNames: ["www"] }, /each dns name has a dot/],
    "a name with a dot behind": [{ dnsNames: ["www.example.org."] }, /empty label/],
    "a name with an underscore": [{ dnsNames: ["_a.example.org"] }, /limited to letters/],
    "a reserved label": [{ dnsNames: ["ab--c.example.org"] }, /two hyphens there only in punycode/],
    "punycode of nothing": [{ dnsNames: ["xn--a.example.org"] }, /punycode that can be read/],
    "a name with a zero byte": [{ dnsNames: ["a.example.org\0.evil.org"] }, /limited to letters/],
    "an address among the dns names": [{ dnsNames: ["192.0.2.1"] }, /an address is no dns name/],
    "no address": [{ ipAddresses: ["192.0.2.300"] }, /ip address is not one/],
    "a wildcard within": [{ dnsNames: ["a.*.example.org"] }, /whole first label/],
    "a wildcard of the top": [{ dnsNames: ["*.org"] }, /no wildcard over a whole domain/],
    "a wildcard between peers": [{ profile: "peer", dnsNames: ["*.example.org"] }, /no wildcards/],
    "another common name": [{ commonName: "x.example.org" }, /common name is one of the names/],
    "a long common name": [
      { profile: "peer", commonName: "x".repeat(65) },
      /1 to 64 characters; leave a longer one out/,
    ],
    "an empty common name": [{ profile: "peer", commonName: "" }, /1 to 64 characters/],
    "a common name of two lines": [{ profile: "peer", commonName: "a\nb" }, /printable/],
    nobody: [{ profile: "peer", dnsNames: [] }, /a name, an address or a SPIFFE ID/],
    "a longer life": [
      { ttlSeconds: 90 * DAY + 1 },
      /^life: 7776001 s is longer than the 7776000 s of /,
    ],
    "a broken life": [{ ttlSeconds: -1 }, /ttl is not a number/],
    "a SPIFFE ID for the web": [{ spiffeId: WEB }, /no SPIFFE ID/],
    "a SPIFFE ID by another set": [
      { profile: "peer", spiffeId: WEB },
      /'web' signs no SPIFFE IDs; those are the trust domain's/,
    ],
    "no SPIFFE ID": [{ set: "trust-domain", profile: "spiffe" }, /a SPIFFE ID is needed/],
    "a foreign SPIFFE ID": [
      { set: "trust-domain", profile: "spiffe", spiffeId: SpiffeId.parse("spiffe://b.org/web") },
      /no workload of trust domain example.org/,
    ],
    "an agent's": [
      {
        set: "trust-domain",
        profile: "spiffe",
        spiffeId: SpiffeId.parse("spiffe://example.org/spire/agent/x"),
      },
      /no workload/,
    ],
    "beyond the reach of the domain's": [
      { set: "trust-domain", profile: "peer", ttlSeconds: 20 * HOUR },
      /^life: the trust domain signs \d+ s at most, so that none is cut short; ask for less/,
    ],
  };
  for (const [name, [fields, message]] of Object.entries(cases)) {
    const asked = params(fields);
    t.throws(() => issuance().check(asked), { kind: "invalid", message }, name);
    await refused(t, issuance().issue(asked), { kind: "invalid", message }, name);
  }
  const ecOnly = new Map<string, CertificateProfile>(BUILT_IN_PROFILES);
  ecOnly.set("server-90d", {
    ...(BUILT_IN_PROFILES.get("peer") as CertificateProfile),
    keyTypes: ["ec-p384"],
  });
  await refused(t, issuance({ profiles: ecOnly }).issue(params()), {
    kind: "invalid",
    message: /keys of type ec-p384 only/,
  });
  t.same(records, []);

  // A clock that rotation has not followed: the active authority's end is too near.
  f.domain.pass(300 * DAY);
  await refused(t, issuance().issue(params()), {
    kind: "unavailable",
    message: /ends in \d+ s and signs nothing for 7776000 s; .*show --set web/,
  });
  t.ok(await issuance().issue(params({ profile: "server-7d" })), "a shorter one fits");
});

t.test("weak keys", async (t) => {
  const { issuance, params } = await frontEndRig(t);
  const good = await issuance().issue(params({ publicKey: WEAK.control }));
  t.ok(good, "a key made the same way");
  for (const [name, message] of [
    ["small factor", /its modulus has a small factor/],
    ["roca", /faulty generator/],
    ["close factors", /close together/],
    ["exponent 3", /exponent is below 65537/],
  ] as const) {
    const publicKey = WEAK[name];
    await refused(t, issuance().issue(params({ publicKey })), { kind: "invalid", message }, name);
  }
  const offCurve = Uint8Array.from(params().publicKey);
  offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1;
  await refused(t, issuance().issue(params({ publicKey: offCurve })), { kind: "invalid" });
  const short = Buffer.from(WEAK.control).subarray(0, 200);
  await refused(t, issuance().issue(params({ publicKey: short })), { kind: "invalid" });
});

t.test("the very bytes are checked before they are signed", async (t) => {
  const { issuance, params, web, records } = await frontEndRig(t);
  const other = (await generateKey("ec-p256")).signer.publicKey;
  const changed =
    (change: (leaf: NamedLeafParams) => Partial<NamedLeafParams>): Encode =>
    (leaf, keyType) =>
      encodeNamedLeafTbs({ ...leaf, ...change(leaf) }, keyType);
  const replacing =
    (id: string, replacement: Uint8Array): Encode =>
    (leaf, keyType) =>
      changeExtensions(encodeNamedLeafTbs(leaf, keyType), (list) =>
        list.map((extension) => (isExtension(extension, id) ? replacement : extension)),
      );
  const alsoNamed = (name: Uint8Array): Uint8Array =>
    encodeExtension(
      OID.subjectAltName,
      false,
      seq(contextPrimitive(2, Buffer.from("www.example.org")), name),
    );
  const broken: Record<string, [Encode, RegExp]> = {
    "a SPIFFE ID": [
      changed(() => ({ uri: WEB.toString() })),
      /the SPIFFE ID is the one decided, or none/,
    ],
    "a name more": [
      changed(({ dnsNames }) => ({ dnsNames: [...dnsNames, "b.org"] })),
      /dns names are/,
    ],
    "another name": [changed(() => ({ dnsNames: ["b.org"] })), /dns names are/],
    "an address more": [
      changed(() => ({ ipAddresses: ["10.0.0.1"] })),
      /addresses are those decided/,
    ],
    "a mail address": [
      replacing(OID.subjectAltName, alsoNamed(contextPrimitive(1, Buffer.from("a@b.c")))),
      /no names of other sorts/,
    ],
    "a broken address": [
      replacing(OID.subjectAltName, alsoNamed(contextPrimitive(7, new Uint8Array(5)))),
      /no names of other sorts/,
    ],
    "another key": [changed(() => ({ publicKey: other })), /public key is the requester's/],
    "another subject": [
      changed(({ issuer }) => ({ subject: issuer })),
      /subject is the one decided/,
    ],
    "another issuer": [changed(({ subject }) => ({ issuer: subject })), /issuer is the authority/],
    "another authority key": [
      changed(() => ({ authorityKeyId: new Uint8Array(20) })),
      /authority key id/,
    ],
    "another serial": [changed(() => ({ serial: Uint8Array.of(1) })), /serial is the one drawn/],
    "a second longer": [
      changed((leaf) => ({ notAfter: leaf.notAfter + 1 })),
      /validity is the one/,
    ],
    "client usage": [changed(() => ({ usages: ["server", "client"] })), /extended key usages are/],
    "any usage": [
      replacing(OID.extKeyUsage, encodeExtKeyUsage([OID.anyExtendedKeyUsage])),
      /extended key usages are/,
    ],
    "a certificate authority": [
      replacing(OID.basicConstraints, encodeBasicConstraints({ ca: true })),
      /say it is no ca/,
    ],
    "a path length": [
      replacing(OID.basicConstraints, encodeExtension(OID.basicConstraints, true, seq(integer(0)))),
      /./,
    ],
    "the usages of a CA": [
      replacing(OID.keyUsage, encodeKeyUsage(["digitalSignature", "keyCertSign"])),
      /key usages are/,
    ],
    "a list elsewhere": [
      changed(() => ({ crlUrl: "http://evil.example/x.crl" })),
      /extensions are/,
    ],
    "an unknown extension": [
      (leaf, keyType) =>
        changeExtensions(encodeNamedLeafTbs(leaf, keyType), (list) => [
          ...list,
          encodeExtension("1.2.3.4", false, nullValue()),
        ]),
      /extensions are/,
    ],
    "serial zero": [
      (leaf, keyType) =>
        changeFields(encodeNamedLeafTbs(leaf, keyType), (fields) => fields.with(1, integer(0))),
      /serial is positive/,
    ],
    "no extensions": [
      (leaf, keyType) =>
        changeFields(encodeNamedLeafTbs(leaf, keyType), (fields) => fields.slice(0, -1)),
      /no extensions/,
    ],
    nothing: [() => new Uint8Array(), /./],
  };
  let signatures = 0;
  const active = web.activeX509();
  const sign = (data: Uint8Array): Promise<Uint8Array> => {
    signatures += 1;
    return active.signer.sign(data);
  };
  const authorities = {
    plan: () => web.plan("x509"),
    records: () => web.records("x509"),
    lost: NONE_LOST,
    activeX509: () => ({
      ...active,
      signer: {
        ...active.signer,
        keyType: active.signer.keyType,
        publicKey: active.signer.publicKey,
        sign,
      },
    }),
  };
  const sets = new Map([["web", { authorities }]]);
  for (const [name, [encodeTbs, message]] of Object.entries(broken)) {
    await refused(
      t,
      issuance({ encodeTbs, sets }).issue(params()),
      { kind: "internal", message },
      name,
    );
  }
  t.equal(signatures, 0, "the key was not used");
  t.same(records, []);
  await issuance({ sets }).issue(params());
  t.equal(signatures, 1);
});

t.test("another chain is handed out while nothing in it is lost", async (t) => {
  const { web, issuance, params } = await frontEndRig(t);
  const root = await TestCa.create({});
  const cross = await root.intermediate({});
  const own = web.activeX509();
  const alternates = [{ chain: [cross.der], notAfter: own.notAfter }];
  const [record] = web.records("x509");
  if (record === undefined) throw new Error("none");
  const above = [toBase64(cross.der)];
  const stored = { chain: above, root: toBase64(root.der), notAfter: own.notAfter };
  const lostNow = new Map<string, Loss>();
  const setWith = (kept: readonly AlternateChain[]) => ({
    authorities: {
      plan: () => web.plan("x509"),
      records: () => [{ ...record, alternates: kept }],
      activeX509: () => ({ ...own, alternates }),
      lost: { keys: lostNow },
    },
  });
  const all = issuance({ sets: new Map([["web", setWith([stored])]]) });
  const has = (id = record.id, chain = above): boolean => all.hasAlternate(id, chain);
  const offered = async (): Promise<number> => (await all.issue(params())).alternates.length;
  t.ok(has());
  t.equal(await offered(), 1);
  t.notOk(has("00"), "an authority that was revoked");
  t.notOk(has(record.id, []));
  t.notOk(has(record.id, [...above, ...above]));
  t.notOk(issuance({ sets: new Map([["web", setWith([])]]) }).hasAlternate(record.id, above));
  for (const [what, id] of [
    ["the root", root.certificate.subjectKeyId],
    ["the cross certificate's key", cross.certificate.subjectKeyId],
  ] as const) {
    lostNow.set(id ?? "", "revoked");
    t.notOk(has(), what);
    t.equal(await offered(), 0, what);
    lostNow.clear();
  }
  t.ok(has());
});

type Encode = NonNullable<FrontEndIssuanceOptions["encodeTbs"]>;

/** Made for this test, with their factors thrown away: SubjectPublicKeyInfo of 2048 bits. */
const der = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
const WEAK = {
  control: der(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwzBzjFCjeHONQHmQppslEo/54m3vrICgzXXPaKMNfnrDw0lPF2y+VKuaGXwBye2aHA0TBtFWPZfwtxggk0InmTNJjJsjdru9gn4SfbOGbcyKCmJUsfoF26atLS95fPuRLIpM0fhgxafVKF9kN+PJgh9Hp8OhMBmOppzvKjAn6wzprOtH9yeO7OLUo6o8uqf2PMMkONgfaCeFBC3hPT+hMX7EB0Csj+JA7GgOU+QgNg9bhibtmykLVjzMHJrJhOU4+PHZHDXf8rrbxaBKuva3md4qV9mQSJX/3pP2zAaPllxZtoYCQUVl+20Ifuq/MrgRQOIvLbOOGDR8BNJYN558MwIDAQAB",
  ),
  "small factor": der(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwnWWCNps59KnTZvB5ecMFeW2sEmVBFTQ6eIm6hdGBYPb89gNkUF0P9Nu5SRBdknAA1LEz+pfwqPG6gDwh5OEXopFwFrBDjJnazNnEladNKAmzalwYN4lgxVWWxtWuZaJpteez/K0LtqCcZfOQtJWezrr2tJf8Fnhf41RDambYWV21H6UCnjEHDctdQM6l0ZVkxEJa+sYKcrEtQfOL/B+PiYCgl2423ID/kvKEoitRDFMFyM4a/WyjjGh6RGcv9ehPPX4Hroeubgz6mVTO3eaCHUD/4VRpo++K7tsJ6ec23KL0y0rgGcYFAiR3g600wWIA5OtgjD0dr2qUiq2rXqD1QIDAQAB",
  ),
  roca: der(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAxJ+jDl1Nkx5c+HzF46/JUwzJUdn6HMsDlm33LlQl+z/SG/PBS6E8b8MMAQy1hYyh3KakNYR9Lxp+LzcAMF5p3dRHOvMxfkd4vAXyQ77qIduHmr/PaWxvx3srxaHNrKhJB64fKSlgo7j/dFUAyj6yKhevWGo6lAvzHMg61pMcAZPdk3PdYl6+4QYOQkn99wAVTk9Tc3z2j7c3GN6thQwBH5IJ1bk/wr01Br65iZLzl8lJ9g8CPH2bLLUvIF3tMUIxwXcQBo58jnMX9gCMEwxvi9U8qtSwOKbyF+ukyG/genYhIgydpfQcKFHDtg6oOTlaAciNV4RR7pNmWwUongCZ7wIDAQAB",
  ),
  "close factors": der(
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA9MVypGA8A0nOodpf42QzPY69z1xKY+hN5JGjkzQ6RbFkUOLb+un46l60xL8Y06juOlo2fQ4xUt/7OV51BZzMTVHggXC66OWpIq/5urKkax2kmCufc/Hvj4j0sZf0ERLAGG22lgEALslAFxXMGyWgkKeY2Ve7qZyw9w+HqqIPMGiPC9KkN2Xk5r6AlxfQ00l4cUmAB9Xp5KvAh5pvFBqFmNPXZ18XpmkCITmj0uEj1NRSYCa8iy0DixVsWDx2467n26NTe3EKTgwXZLAr2WEILJgDM03ZvjCK35FDoOp8/ZKXSttd+6azClFoeJjCmKXAMoM7Tk8vapC0a2vphPMMOwIDAQAB",
  ),
  "exponent 3": der(
    "MIIBIDANBgkqhkiG9w0BAQEFAAOCAQ0AMIIBCAKCAQEAwzBzjFCjeHONQHmQppslEo/54m3vrICgzXXPaKMNfnrDw0lPF2y+VKuaGXwBye2aHA0TBtFWPZfwtxggk0InmTNJjJsjdru9gn4SfbOGbcyKCmJUsfoF26atLS95fPuRLIpM0fhgxafVKF9kN+PJgh9Hp8OhMBmOppzvKjAn6wzprOtH9yeO7OLUo6o8uqf2PMMkONgfaCeFBC3hPT+hMX7EB0Csj+JA7GgOU+QgNg9bhibtmykLVjzMHJrJhOU4+PHZHDXf8rrbxaBKuva3md4qV9mQSJX/3pP2zAaPllxZtoYCQUVl+20Ifuq/MrgRQOIvLbOOGDR8BNJYN558MwIBAw==",
  ),
} as const;
