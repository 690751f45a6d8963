/**
 * Node attestation by a device key in a TPM (`tpm_devid`), the server's half: what counts, and hostile hosts. Keys are
 * described here as a TPM would; test/trust/tpm-devid.test.ts has a TPM.
 */
import { type KeyObject, createHash, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { ErrorKind } from "../../src/base/errors.ts";
import { ATTRIBUTE } from "../../src/tpm/constants.ts";
import { nameOf, spkiOf } from "../../src/tpm/public-area.ts";
import { sized } from "../../src/tpm/wire.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { oid, seq } from "../../src/x509/der.ts";
import { attestNode } from "../support/attest-node.ts";
import {
  type Challenge,
  FIXED,
  type HostKey,
  type HostParts,
  answerOf,
  attestationKey,
  base64,
  devidKey,
  endorsementKey,
  newEcc,
  newRsa,
  payloadOf,
  signNonce,
  signatureOf,
  statementOf,
} from "../support/devid-host.ts";
import { refused } from "../support/refused.ts";
import { Domain } from "../support/running.ts";
import { startTestServer } from "../support/server.ts";
import { type LeafOptions, TestCa } from "../support/test-ca.ts";

const EK_CERTIFICATE = "2.23.133.8.1";

const NOW = Math.floor(Date.now() / 1000);
const LIFE = { notBefore: NOW - 3600, notAfter: NOW + 3600 };
const devices = await TestCa.create({ name: "devices", ...LIFE });
const makers = await TestCa.create({ name: "makers", keyType: "rsa-2048", ...LIFE });
const stranger = await TestCa.create({ name: "devices", ...LIFE });
const keys = { devid: newRsa(), endorsement: newRsa(), attestation: newRsa(), other: newRsa() };

async function certificate(
  ca: TestCa,
  { area }: HostKey,
  change: LeafOptions = {},
): Promise<Uint8Array> {
  const subject = distinguishedName([{ type: "CN", value: "device-7" }]);
  return (
    await ca.leaf({ publicKey: spkiOf(area), subject, extKeyUsage: "omit", ...LIFE, ...change })
  ).der;
}

const ekCertificate = (key: HostKey, change: LeafOptions = {}, ca = makers) =>
  certificate(ca, key, {
    keyUsage: ["keyEncipherment"],
    extKeyUsage: [EK_CERTIFICATE],
    ...change,
  });

async function host(change: Partial<HostParts> = {}): Promise<HostParts> {
  const devid = change.devid ?? devidKey(keys.devid);
  const endorsement = change.endorsement ?? endorsementKey(keys.endorsement);
  return {
    devid,
    endorsement,
    devidChain: [await certificate(devices, devid)],
    endorsementCertificate: await ekCertificate(endorsement),
    attestation: attestationKey(keys.attestation),
    ...change,
  };
}

function respondAs(
  parts: HostParts,
  change: (answer: object, challenge: Challenge) => unknown = (answer) => answer,
) {
  return (bytes: Uint8Array): Promise<Uint8Array> => {
    const challenge = JSON.parse(Buffer.from(bytes).toString()) as Challenge;
    const answer = change(answerOf(parts, challenge), challenge);
    return Promise.resolve(Buffer.from(JSON.stringify(answer)));
  };
}

async function serverOf(t: Test) {
  const dir = t.testdir({});
  const file = (name: string, ca: TestCa): string => {
    writeFileSync(join(dir, name), ca.pem);
    return join(dir, name);
  };
  const devidCaFile = file("devices.pem", devices);
  const endorsementCaFile = file("makers.pem", makers);
  const server = await startTestServer(t, {
    config: {
      nodeAttestors: { tpmDevid: { devidCaFile, endorsementCaFile } },
      limits: { attestPerSecond: 1000, signPerSecond: 1000 },
    },
  });
  const channel = server.connect();
  const attest = (payload: string, respond?: (challenge: Uint8Array) => Promise<Uint8Array>) =>
    attestNode(channel, {
      type: "tpm_devid",
      payload,
      ...(respond === undefined ? {} : { respond }),
    });
  return { server, attest, devidCaFile };
}

t.test("every kind of key, and the selectors that SPIRE gives", async (t) => {
  const { server, attest } = await serverOf(t);
  const pss = { scheme: { kind: "rsapss", hash: "sha256" } } as const;
  const p384 = { scheme: { kind: "ecdsa", hash: "sha384" } } as const;
  const large = { nameAlg: "sha384", symmetricBits: 256 } as const;
  for (const devid of [
    devidKey(keys.devid, pss),
    devidKey(newEcc()),
    devidKey(newEcc("P-384"), p384),
  ]) {
    const parts = await host({ devid });
    const { path, reattestable } = await attest(payloadOf(parts), respondAs(parts));
    t.match(path, /^\/spire\/agent\/tpm_devid\/[0-9a-f]{40}$/);
    t.equal(reattestable, true);
    t.equal((await attest(payloadOf(parts), respondAs(parts))).path, path, "and again");
  }
  for (const endorsement of [endorsementKey(newEcc()), endorsementKey(newEcc("P-384"), large)]) {
    const parts = await host({ endorsement, attestation: attestationKey(newEcc()) });
    t.ok(await attest(payloadOf(parts), respondAs(parts)), endorsement.area.key.type);
  }
  const between = await devices.intermediate({ name: "plant 3", ...LIFE });
  const devid = devidKey(keys.devid);
  const leaf = await certificate(between, devid);
  const parts = await host({ devid, devidChain: [leaf, between.der] });
  const { path } = await attest(payloadOf(parts), respondAs(parts));
  t.equal(path, `/spire/agent/tpm_devid/${sha1(leaf)}`);
  const { selectors } = await server.admin.unary<Agent>(
    "spire.api.server.agent.v1.Agent",
    "GetAgent",
    { id: { trust_domain: "example.org", path } },
  );
  t.same(
    selectors.map(({ type, value }) => `${type}:${value}`),
    [
      "tpm_devid:subject:cn:device-7",
      "tpm_devid:issuer:cn:plant 3",
      `tpm_devid:ca:fingerprint:${sha1(between.der)}`,
      `tpm_devid:ca:fingerprint:${sha1(devices.der)}`,
    ].sort(),
  );
});

t.test(
  "a key under the algorithm that it is used with, as older endorsement certificates have it",
  async (t) => {
    const { attest } = await serverOf(t);
    const endorsement = endorsementKey(keys.endorsement);
    const spki = spkiOf(endorsement.area);
    // rsaEncryption with NULL becomes id-RSAES-OAEP, whose parameters may be absent.
    const key = spki.subarray(24 - 5);
    const oaep = seq(seq(oid("1.2.840.113549.1.1.7")), key);
    const parts = await host({
      endorsement,
      endorsementCertificate: await ekCertificate(endorsement, { publicKey: oaep }),
    });
    t.ok(await attest(payloadOf(parts), respondAs(parts)));
  },
);

t.test("hostile hosts", async (t) => {
  const { attest } = await serverOf(t);
  const good = await host();
  t.ok(await attest(payloadOf(good), respondAs(good)));
  const with_ = async (change: Partial<HostParts>): Promise<string> =>
    payloadOf(await host(change));
  const devid = (change: LeafOptions = {}, ca = devices) => certificate(ca, good.devid, change);
  const ek = async (change: LeafOptions = {}, ca = makers): Promise<string> =>
    with_({ endorsementCertificate: await ekCertificate(good.endorsement, change, ca) });
  const chain = async (change: LeafOptions = {}, ca = devices): Promise<string> =>
    with_({ devidChain: [await devid(change, ca)] });
  const ekOf = (attributes: number) =>
    with_({ endorsement: endorsementKey(keys.endorsement, { attributes }) });
  const statement = statementOf(nameOf(good.devid.area));
  const stated = (bytes: Uint8Array, by = good.attestation): string =>
    payloadOf(good, {
      CertifiedDevID: base64(bytes),
      CertificationSignature: base64(signatureOf(by, bytes)),
    });
  const raw = (member: string, bytes: Uint8Array): string =>
    payloadOf(good, { [member]: base64(bytes) });
  const area = good.attestation.area.raw;
  const patched = (at: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = Uint8Array.from(area);
    copy.set(bytes, at);
    return copy;
  };
  const signs = ATTRIBUTE.userWithAuth | ATTRIBUTE.sign;
  const restricted = signs | ATTRIBUTE.restricted;
  const attestation = (attributes: number, key: KeyObject = keys.attestation) =>
    with_({ attestation: attestationKey(key, { attributes }) });
  const devidOf = (attributes: number) => with_({ devid: devidKey(keys.devid, { attributes }) });
  const otherDevid = devidKey(keys.other);
  const many = Array.from({ length: 6 }, () => base64(good.endorsementCertificate));
  const signature = signatureOf(good.attestation, statement);
  const ecSignature = signatureOf(attestationKey(newEcc()), statement);
  const scheme = { kind: "rsassa", hash: "sha384" } as const;
  const otherwise = attestationKey(keys.attestation, { scheme });
  const cases: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ["no json", "DevIDCert", "invalid", /not json/],
    ["a list", "[]", "invalid", /not a json object/],
    ["1 MB", payloadOf(good, { x: "a".repeat(1 << 20) }), "invalid", /longer than 65536/],
    ["nothing", "{}", "invalid", /no devid certificate/],
    ["six certificates", payloadOf(good, { DevIDCert: many }), "invalid", /more than 4/],
    ["a certificate that is none", payloadOf(good, { DevIDCert: ["AAAA"] }), "invalid", /certif/],
    ["no certificate's text", payloadOf(good, { DevIDCert: [7] }), "invalid", /not base64/],
    ["no endorsement", payloadOf(good, { EKCert: null }), "invalid", /endorsement certificate is/],
    ["no key", payloadOf(good, { DevIDPub: "" }), "invalid", /devid key is missing/],
    ["not base64", payloadOf(good, { AKPub: "%%" }), "invalid", /attestation key is missing or/],
    ["a cut key", raw("AKPub", area.subarray(0, 60)), "invalid", /attestation key ends too early/],
    ["a cut head", raw("EKPub", area.subarray(0, 3)), "invalid", /endorsement key ends too early/],
    ["a longer key", raw("AKPub", Buffer.concat([area, area])), "invalid", /something behind it/],
    ["a key with its length", raw("DevIDPub", sized(area)), "invalid", /neither rsa nor ecc/],
    ["a symmetric key", raw("AKPub", patched(0, 0x00, 0x25)), "invalid", /neither rsa nor ecc/],
    ["a name in SHA-1", raw("AKPub", patched(2, 0x00, 0x04)), "invalid", /hash other than/],
    ["a policy of 64 KB", raw("AKPub", patched(8, 0xff, 0xff)), "invalid", /longer than 64/],
    ["another cipher", raw("AKPub", patched(10, 0x00, 0x26)), "invalid", /other than aes/],
    ["a scheme of SHA-1", raw("AKPub", patched(14, 0x00, 0x04)), "invalid", /hash other than/],
    ["another scheme", raw("AKPub", patched(12, 0x00, 0x18)), "invalid", /other than rsassa/],
    ["RSA of 1024 bits", raw("AKPub", patched(16, 0x04, 0x00)), "invalid", /2048 to 4096/],
    ["exponent 3", raw("AKPub", patched(21, 3)), "invalid", /another exponent/],
    ["a modulus of zeros", raw("AKPub", patched(24, 0)), "invalid", /another length/],
    ["a point off its curve", await offCurve(good), "invalid", /not a valid key/],
    ["devices of another", await chain({}, stranger), "denied", /devid cert/],
    ["an old device", await chain({ notAfter: 1 }), "denied", /devid .*expired/],
    [
      "a device that may not sign",
      await chain({ keyUsage: ["keyEncipherment"] }),
      "denied",
      /digital signatures/,
    ],
    ["a TPM of nobody", await ek({}, stranger), "denied", /endorsement cert/],
    [
      "a device's certificate for a TPM's",
      await ek({}, devices),
      "denied",
      /endorsement certificate chain/,
    ],
    [
      "a TPM's authority",
      await ek({
        basicConstraints: { ca: true },
        keyUsage: ["keyCertSign"],
      }),
      "denied",
      /is an authority's/,
    ],
    [
      "a certificate for a server",
      await ek({
        extKeyUsage: ["1.3.6.1.5.5.7.3.1"],
      }),
      "denied",
      /for something else/,
    ],
    [
      "a certificate for signing",
      await ek({
        keyUsage: ["digitalSignature"],
      }),
      "denied",
      /not meant for encipherment/,
    ],
    [
      "another TPM's certificate",
      await with_({ endorsementCertificate: await ekCertificate(endorsementKey(keys.other)) }),
      "denied",
      /endorsement key is not that/,
    ],
    [
      "an endorsement key that may leave",
      await ekOf(ATTRIBUTE.restricted | ATTRIBUTE.decrypt),
      "denied",
      /endorsement key is not a storage/,
    ],
    [
      "an endorsement key for all",
      await ekOf(FIXED | ATTRIBUTE.decrypt),
      "denied",
      /endorsement key is not a storage/,
    ],
    // SPIRE's server compares the key in the TPM with the certificate's nowhere.
    [
      "a device's key outside of its TPM",
      await with_({ devid: otherDevid, devidChain: good.devidChain }),
      "denied",
      /devid key is not that of/,
    ],
    [
      "a device's key that may leave",
      await devidOf(signs),
      "denied",
      /devid key is not a signing key/,
    ],
    [
      "a device's key from outside",
      await devidOf((FIXED & ~ATTRIBUTE.sensitiveDataOrigin) | signs),
      "denied",
      /made in its tpm/,
    ],
    [
      "a device's key that deciphers",
      await devidOf(FIXED | ATTRIBUTE.decrypt),
      "denied",
      /not a signing key/,
    ],
    ["an attestation key for all", await attestation(FIXED | signs), "denied", /not a restricted/],
    [
      "an attestation key that may leave",
      await attestation(restricted),
      "denied",
      /not a restricted/,
    ],
    [
      "an attestation key that deciphers",
      await attestation(FIXED | restricted | ATTRIBUTE.decrypt),
      "denied",
      /not a restricted/,
    ],
    ["no statement", payloadOf(good, { CertifiedDevID: "" }), "invalid", /statement is missing/],
    [
      "a statement of another",
      stated(statement, attestationKey(keys.other)),
      "denied",
      /not signed with/,
    ],
    [
      "a statement about another key",
      stated(statementOf(nameOf(otherDevid.area))),
      "denied",
      /another key/,
    ],
    [
      "a made-up statement",
      stated(statementOf(nameOf(good.devid.area), { magic: 1 })),
      "invalid",
      /not made by a tpm/,
    ],
    [
      "a quote",
      stated(statementOf(nameOf(good.devid.area), { type: 0x8018 })),
      "invalid",
      /does not certify/,
    ],
    ["a cut statement", stated(statement.subarray(0, 40)), "invalid", /ends too early/],
    [
      "a longer statement",
      stated(Buffer.concat([statement, statement])),
      "invalid",
      /something behind/,
    ],
    [
      "a cut signature",
      raw("CertificationSignature", signature.subarray(0, 9)),
      "invalid",
      /ends too early/,
    ],
    [
      "a longer signature",
      raw("CertificationSignature", Buffer.concat([signature, signature])),
      "invalid",
      /something behind/,
    ],
    [
      "a signature of another kind",
      raw("CertificationSignature", ecSignature),
      "invalid",
      /not for a key of this kind/,
    ],
    [
      "a signature of another hash",
      raw("CertificationSignature", signatureOf(otherwise, statement)),
      "denied",
      /not signed with/,
    ],
  ];
  for (const [name, payload, kind, message] of cases) {
    const unasked = (): Promise<Uint8Array> => Promise.reject(new Error(`${name}: challenged`));
    await refused(t, attest(payload, unasked), { kind, message }, name);
  }

  const elsewhere = attestationKey(keys.other);
  const recorded: object[] = [];
  await attest(
    payloadOf(good),
    respondAs(good, (answer) => {
      recorded.push(answer);
      return answer;
    }),
  );
  type Change = NonNullable<Parameters<typeof respondAs>[1]>;
  const answers: readonly (readonly [string, Change, ErrorKind, RegExp])[] = [
    ["none", () => ({}), "invalid", /signature is missing/],
    ["no object", () => [], "invalid", /not a json object/],
    ["1 MB", (answer) => ({ ...answer, x: "a".repeat(1 << 20) }), "invalid", /longer than 65536/],
    ["an answer of before", () => recorded[0] ?? {}, "denied", /not signed with/],
    [
      "a credential of before",
      (answer) => ({ ...recorded[0], DevID: (answer as Answer).DevID }),
      "denied",
      /has not opened/,
    ],
    [
      "a credential left closed",
      (answer) => ({ ...answer, CredActivation: base64(randomBytes(32)) }),
      "denied",
      /has not opened/,
    ],
    [
      "half a credential",
      (answer) => ({ ...answer, CredActivation: (answer as Answer).CredActivation.slice(0, 20) }),
      "denied",
      /has not opened/,
    ],
    [
      "a credential without content",
      (answer) => ({ ...answer, CredActivation: "" }),
      "invalid",
      /content is missing/,
    ],
    [
      "another's signature",
      (answer, { DevID }) => ({ ...answer, DevID: base64(signNonce(otherDevid, DevID)) }),
      "denied",
      /not signed with/,
    ],
    [
      "a signature of something else",
      (answer) => ({ ...answer, DevID: base64(signNonce(good.devid, base64(randomBytes(32)))) }),
      "denied",
      /not signed with/,
    ],
  ];
  for (const [name, change, kind, message] of answers) {
    const attempt = attest(payloadOf(good), respondAs(good, change));
    await refused(t, attempt, { kind, message }, name);
  }
  // The statement is right, but its key is in another TPM: whoever holds the endorsement key opens nothing for it.
  const relayed = await host({ attestation: elsewhere });
  await refused(t, attest(payloadOf(relayed), respondAs(good)), { message: /integrity/ });
});

t.test("authorities: of now, and none is an error at the start", async (t) => {
  const { attest, devidCaFile } = await serverOf(t);
  const parts = await host();
  t.ok(await attest(payloadOf(parts), respondAs(parts)));
  const next = await TestCa.create({ name: "next", ...LIFE });
  writeFileSync(devidCaFile, next.pem);
  await refused(t, attest(payloadOf(parts), respondAs(parts)), { kind: "denied" });
  const later = await host({ devidChain: [await certificate(next, parts.devid)] });
  t.ok(await attest(payloadOf(later), respondAs(later)));
  for (const [devid, endorsement, message] of [
    ["none", devidCaFile, /tpm_devid device authorities none.*ENOENT/],
    [devidCaFile, "none", /tpm_devid endorsement authorities none/],
  ] as const) {
    const tpmDevid = { devidCaFile: devid, endorsementCaFile: endorsement };
    const start = Domain.start({ nodeAttestors: { tpmDevid } });
    start.then((domain) => domain[Symbol.asyncDispose]()).catch(() => undefined);
    await refused(t, start, { message });
  }
});

interface Agent {
  readonly selectors: readonly { readonly type: string; readonly value: string }[];
}

interface Answer {
  readonly DevID: string;
  readonly CredActivation: string;
}

async function offCurve(good: HostParts): Promise<string> {
  const attestation = attestationKey(newEcc());
  const { raw } = attestation.area;
  const copy = Uint8Array.from(raw);
  copy[raw.length - 1] = (copy[raw.length - 1] ?? 0) ^ 1;
  return payloadOf({ ...good, attestation }, { AKPub: base64(copy) });
}

function sha1(bytes: Uint8Array): string {
  return createHash("sha1").update(bytes).digest("hex");
}
