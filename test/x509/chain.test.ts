import t from "tap";
import { generateKey } from "../../src/keys/software-signer.ts";
import { type Certificate, parseCertificate } from "../../src/x509/certificate.ts";
import { verifyChain } from "../../src/x509/chain.ts";
import * as der from "../../src/x509/der.ts";
import { encodeExtension } from "../../src/x509/extension-encoding.ts";
import {
  type CaOptions,
  type Forgery,
  type LeafOptions,
  TEST_EPOCH,
  TestCa,
} from "../support/test-ca.ts";

const root = await TestCa.create();
const middle = await root.intermediate();
const low = await middle.intermediate({ name: "low" });

async function leafOf(ca: TestCa, options: LeafOptions = {}): Promise<Certificate> {
  return parseCertificate((await ca.leaf(options)).der);
}

function certificates(...cas: readonly TestCa[]): Certificate[] {
  return cas.map((ca) => ca.certificate);
}

t.test("paths that lead to an authority", async (t) => {
  const other = await TestCa.create({ name: "other" });
  const twin = await TestCa.create({ name: "root" });
  const renewed = await TestCa.create({
    name: "root",
    key: root.key,
    notAfter: TEST_EPOCH + 99_999,
  });
  const expired = await TestCa.create({ name: "root", key: root.key, notAfter: TEST_EPOCH - 1 });
  const p384 = await TestCa.create({ name: "p384", keyType: "ec-p384" });
  const crossed = await other.intermediate({ name: "root", key: root.key });
  const tight = await TestCa.create({ name: "tight", basicConstraints: { ca: true, pathLen: 0 } });
  const rolled = await tight.intermediate({ name: "tight" });
  const noUsage = await TestCa.create({ name: "no usage", keyUsage: "omit" });
  const anyUse = { extKeyUsage: ["1.3.6.1.5.5.7.3.3"] };
  const good: readonly (readonly [string, Certificate[], Certificate[]])[] = [
    ["root", [await leafOf(root)], certificates(root)],
    ["one below", [await leafOf(middle), ...certificates(middle)], certificates(root)],
    ["two below", [await leafOf(low), ...certificates(low, middle)], certificates(root)],
    ["in another order", [await leafOf(low), ...certificates(middle, low)], certificates(root)],
    ["with the root", [await leafOf(low), ...certificates(low, middle, root)], certificates(root)],
    ["with strangers", [await leafOf(middle), ...certificates(other, middle)], certificates(root)],
    [
      "an intermediate is the authority",
      [await leafOf(low), ...certificates(low)],
      certificates(middle),
    ],
    ["several roots of one name", [await leafOf(twin)], certificates(root, twin)],
    ["and the other", [await leafOf(root)], certificates(twin, root)],
    ["renewed root", [await leafOf(root)], certificates(renewed)],
    ["expired and renewed root", [await leafOf(root)], certificates(expired, renewed)],
    ["p-384 authority", [await leafOf(p384)], certificates(p384)],
    ["cross-signed", [await leafOf(root), ...certificates(crossed)], certificates(other)],
    ["path length 0, leaf below", [await leafOf(tight)], certificates(tight)],
    [
      "path length 0, self-issued between",
      [await leafOf(rolled), ...certificates(rolled)],
      certificates(tight),
    ],
    ["authority without key usage", [await leafOf(noUsage)], certificates(noUsage)],
    ["any extended key usage", [await leafOf(root, anyUse)], certificates(root)],
    [
      "without key identifiers",
      [await leafOf(twin, { authorityKeyId: "omit" })],
      certificates(root, twin),
    ],
    [
      "with a misleading key identifier",
      [await leafOf(twin, { authorityKeyId: Uint8Array.of(1) })],
      certificates(root, twin),
    ],
  ];
  for (const [what, chain, roots] of good) {
    await verifyChain(chain, roots, TEST_EPOCH);
    t.pass(what);
  }
});

t.test("both ends of the validity are inclusive", async (t) => {
  const leaf = await leafOf(root, { notBefore: TEST_EPOCH, notAfter: TEST_EPOCH + 5 });
  const roots = certificates(root);
  await verifyChain([leaf], roots, TEST_EPOCH);
  await verifyChain([leaf], roots, TEST_EPOCH + 5);
  await t.rejects(verifyChain([leaf], roots, TEST_EPOCH - 1), {
    kind: "unauthenticated",
    message: "certificate is not valid before 2026-01-01T00:00:00Z (now 2025-12-31T23:59:59Z)",
  });
  await t.rejects(verifyChain([leaf], roots, TEST_EPOCH + 6), {
    kind: "unauthenticated",
    message: /^certificate expired at 2026-01-01T00:00:05Z/,
  });
});

t.test("paths that do not, each with its reason", async (t) => {
  const below = async (options: CaOptions): Promise<Certificate[]> => {
    const ca = await root.intermediate(options);
    return [await leafOf(ca), ca.certificate];
  };
  const under = async (options: CaOptions): Promise<[Certificate[], Certificate[]]> => {
    const ca = await TestCa.create(options);
    return [[await leafOf(ca)], [ca.certificate]];
  };
  const twin = await TestCa.create({ name: "root" });
  const tight = await TestCa.create({ name: "tight", basicConstraints: { ca: true, pathLen: 0 } });
  const tightMiddle = await tight.intermediate();
  const stranger = await generateKey("ec-p256");
  const critical = (id: string): Forgery => ({
    extraExtensions: [encodeExtension(id, true, der.seq())],
  });
  const selfSigned = await TestCa.create({
    name: "self",
    basicConstraints: { ca: false },
    keyUsage: ["digitalSignature"],
    uris: ["spiffe://example.org/self"],
  });
  const sha1 = { algorithm: der.seq(der.oid("1.2.840.10045.4.1")) };
  const rsaName = { algorithm: der.seq(der.oid("1.2.840.113549.1.1.11"), der.nullValue()) };
  const roots = certificates(root);
  const bad: readonly (readonly [string, Certificate[], Certificate[], RegExp])[] = [
    ["no certificate", [], roots, /chain is empty/],
    ["no authority", [await leafOf(root)], [], /leads to no authority/],
    [
      "another root's name",
      [await leafOf(await TestCa.create({ name: "x" }))],
      roots,
      /no authority/,
    ],
    [
      "another key of the same name",
      [await leafOf(twin)],
      roots,
      /does not fit its issuer 'C=US, O=SPIFFE, CN=root'/,
    ],
    ["missing intermediate", [await leafOf(middle)], roots, /leads to no authority/],
    [
      "signed by a stranger",
      [await leafOf(root, { signer: stranger.signer })],
      roots,
      /does not fit/,
    ],
    [
      "expired intermediate",
      await below({ notAfter: TEST_EPOCH - 1 }),
      roots,
      /CN=intermediate' expired/,
    ],
    [
      "future intermediate",
      await below({ notBefore: TEST_EPOCH + 1 }),
      roots,
      /is not valid before/,
    ],
    ["expired root", ...(await under({ notAfter: TEST_EPOCH - 1 })), /CN=root' expired/],
    ["future root", ...(await under({ notBefore: TEST_EPOCH + 1 })), /is not valid before/],
    [
      "intermediate that is no ca",
      await below({ basicConstraints: { ca: false } }),
      roots,
      /is no ca/,
    ],
    [
      "intermediate without constraints",
      await below({ basicConstraints: "omit" }),
      roots,
      /is no ca/,
    ],
    [
      "intermediate without keyCertSign",
      await below({ keyUsage: ["cRLSign"] }),
      roots,
      /may not sign/,
    ],
    ["root that is no ca", ...(await under({ basicConstraints: "omit" })), /is no ca/],
    [
      "root without keyCertSign",
      ...(await under({ keyUsage: ["digitalSignature"] })),
      /may not sign/,
    ],
    [
      "path longer than the root allows",
      [await leafOf(tightMiddle), ...certificates(tightMiddle)],
      certificates(tight),
      /allows a path of 0 only/,
    ],
    [
      "unknown critical extension",
      [await leafOf(root, critical("1.2.3"))],
      roots,
      /critical extension 1\.2\.3/,
    ],
    ["self-signed leaf", certificates(selfSigned), roots, /no authority/],
    [
      "self-signed leaf as its own root",
      certificates(selfSigned),
      certificates(selfSigned),
      /is no ca/,
    ],
    ["weak hash", [await leafOf(root, sha1)], roots, /ecdsa with sha-1 is not supported/],
    [
      "algorithm of another family",
      [await leafOf(root, rsaName)],
      roots,
      /does not fit the signing key/,
    ],
    [
      "leaf signs leaf",
      [
        await leafOf(root, {
          issuer: selfSigned.certificate.subject,
          signer: selfSigned.key.signer,
        }),
        selfSigned.certificate,
      ],
      roots,
      /is no ca/,
    ],
  ];
  for (const [what, chain, anchors, message] of bad) {
    await t.rejects(
      verifyChain(chain, anchors, TEST_EPOCH),
      { kind: "unauthenticated", message },
      what,
    );
  }
});

t.test("long chains, loops and thickets are bounded", async (t) => {
  const leaf = await leafOf(low);
  const many = Array.from({ length: 16 }, () => middle.certificate);
  await t.rejects(verifyChain([leaf, ...many], certificates(root), TEST_EPOCH), {
    kind: "unauthenticated",
    message: /longer than 16 certificates/,
  });

  const one = await TestCa.create({ name: "one" });
  const two = await one.intermediate({ name: "two" });
  const back = await two.intermediate({ name: "one", key: one.key });
  const loop = [await leafOf(two), ...certificates(two, back)];
  await t.rejects(verifyChain(loop, certificates(root), TEST_EPOCH), {
    kind: "unauthenticated",
    message: /leads to no authority/,
  });

  // Five levels of three interchangeable certificates: 243 paths, none of which ends at a root.
  let above = await TestCa.create({ name: "nowhere" });
  const thicket: TestCa[] = [];
  for (let level = 0; level < 5; level++) {
    const first = await above.intermediate({ name: `level ${level}` });
    const options = { name: `level ${level}`, key: first.key };
    thicket.push(first, await above.intermediate(options), await above.intermediate(options));
    above = first;
  }
  const chain = [await leafOf(above), ...certificates(...thicket)];
  await t.rejects(verifyChain(chain, certificates(root), TEST_EPOCH), {
    kind: "unauthenticated",
    message: /too many signature checks/,
  });
});
