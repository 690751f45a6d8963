import { createPrivateKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { openDiskUpstream } from "../../../src/server/upstream/disk.ts";
import { selfSigned } from "../../../src/server/upstream/self.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { NO_URIS } from "../../../src/x509/name-constraints.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { refused } from "../../support/refused.ts";
import { TEST_EPOCH, TestCa } from "../../support/test-ca.ts";
import { upstreamConformance } from "./conformance.ts";

const trustDomain = TrustDomain.parse("example.org");
const now = (): number => TEST_EPOCH;
const never = new AbortController().signal;

function files(t: Test): {
  readonly paths: { certFile: string; keyFile: string; bundleFile: string };
  readonly put: (ca: TestCa, options?: { passphrase?: string; chain?: readonly TestCa[] }) => void;
} {
  const dir = t.testdir({});
  const [certFile = "", keyFile = "", bundleFile = ""] = ["ca.pem", "ca.key", "roots.pem"].map(
    (name) => join(dir, name),
  );
  return {
    paths: { certFile, keyFile, bundleFile },
    put(ca, { passphrase, chain = [] } = {}) {
      writeFileSync(certFile, [ca, ...chain].map(({ pem }) => pem).join(""));
      const key = createPrivateKey({
        key: Buffer.from(ca.key.pkcs8),
        format: "der",
        type: "pkcs8",
      });
      const pem = key.export({
        format: "pem",
        type: "pkcs8",
        ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }),
      });
      writeFileSync(keyFile, pem);
      writeFileSync(bundleFile, ca.root.pem);
    },
  };
}

t.test("self", (t) =>
  upstreamConformance(t, {
    upstream: selfSigned(systemRandom),
    trustDomain,
    now,
    signsForSets: true,
  }),
);

t.test("disk: a root", async (t) => {
  const { paths, put } = files(t);
  put(await TestCa.create());
  const { certFile, keyFile } = paths;
  const upstream = await openDiskUpstream({ certFile, keyFile, random: systemRandom });
  await upstreamConformance(t, { upstream, trustDomain, now, signsForSets: true });
  const { signer: key } = await generateKey("ec-p256");
  const ask = { key, trustDomain, now: now(), ttlSeconds: 60 };
  const open = await openDiskUpstream({
    certFile,
    keyFile,
    nameConstraints: false,
    random: systemRandom,
  });
  for (const [name, signed, constraints] of [
    ["the trust domain's own", await upstream.authority.sign(ask, never), undefined],
    ["a set's", await upstream.authority.sign({ ...ask, set: "web" }, never), NO_URIS],
    ["a set's, unless not", await open.authority.sign({ ...ask, set: "web" }, never), undefined],
  ] as const) {
    t.same(parseCertificate(signed.chain[0] ?? key.publicKey).nameConstraints, constraints, name);
  }
});

t.test("disk: below two others, with an encrypted key", async (t) => {
  const { paths, put } = files(t);
  const root = await TestCa.create({ keyType: "rsa-2048" });
  const middle = await root.intermediate({ name: "middle", keyType: "ec-p384" });
  const issuing = await middle.intermediate({ name: "issuing", notAfter: TEST_EPOCH + 1800 });
  put(issuing, { passphrase: "open sesame", chain: [middle] });
  const passphraseFile = join(t.testdirName, "passphrase");
  writeFileSync(passphraseFile, "open sesame\n");
  const upstream = await openDiskUpstream({ ...paths, passphraseFile, random: systemRandom });
  await upstreamConformance(t, { upstream, trustDomain, now });
  const { signer: key } = await generateKey("ec-p256");
  const { chain } = await upstream.authority.sign(
    { key, trustDomain, now: TEST_EPOCH, ttlSeconds: 86_400 },
    never,
  );
  t.same(chain.slice(1), [issuing.der, middle.der]);
  const own = parseCertificate(chain[0] ?? new Uint8Array());
  t.equal(own.notAfter, TEST_EPOCH + 1800, "it does not outlive who signs it");
  t.equal(own.authorityKeyId, issuing.certificate.subjectKeyId);
  t.same(own.issuer, issuing.certificate.subject);

  writeFileSync(passphraseFile, "wrong\n");
  await refused(
    t,
    openDiskUpstream({ ...paths, passphraseFile, random: systemRandom }),
    { kind: "precondition", message: /ca\.key: private key is not a PEM key/ },
    "another passphrase",
  );
});

t.test("disk: files that are replaced count from the next signature on", async (t) => {
  const { paths, put } = files(t);
  const [first, second] = [await TestCa.create(), await TestCa.create({ name: "second" })];
  put(first);
  const upstream = await openDiskUpstream({ ...paths, random: systemRandom });
  const { signer: key } = await generateKey("ec-p256");
  const sign = () =>
    upstream.authority.sign({ key, trustDomain, now: TEST_EPOCH, ttlSeconds: 600 }, never);
  t.same((await sign()).roots, [first.der]);
  put(second);
  t.same((await sign()).roots, [second.der]);
  t.same((await upstream.watch?.look(never))?.x509Authorities, [
    { der: second.der, tainted: false },
  ]);

  const other = await TestCa.create({ name: "second" });
  writeFileSync(paths.certFile, other.pem);
  const message = /ca\.key holds another key than that of the first certificate in .*ca\.pem$/;
  await refused(t, sign(), { kind: "precondition", message }, "half replaced");
  put(first);
  t.same((await sign()).roots, [first.der], "whole again");
});

t.test("disk: files that do not do, said at the start", async (t) => {
  const { paths, put } = files(t);
  const root = await TestCa.create();
  const issuing = await root.intermediate();
  const open = (over: object = {}) => openDiskUpstream({ ...paths, random: systemRandom, ...over });
  put(issuing);
  const { bundleFile: _, ...noBundle } = paths;
  const cases: readonly [string, () => void, () => Promise<unknown>, RegExp][] = [
    [
      "no roots",
      () => put(issuing),
      () => openDiskUpstream({ ...noBundle, random: systemRandom }),
      /ca\.pem has no root: put the roots/,
    ],
    [
      "no file",
      () => put(issuing),
      () => open({ certFile: "/nowhere" }),
      /\/nowhere cannot be read \(ENOENT\)/,
    ],
    ["empty", () => writeFileSync(paths.certFile, "\n"), () => open(), /ca\.pem is empty/],
    ["no PEM", () => writeFileSync(paths.certFile, "hello"), () => open(), /ca\.pem/],
    [
      "no key",
      () => writeFileSync(paths.keyFile, issuing.pem),
      () => open(),
      /ca\.key: private key is not a PEM key/,
    ],
    [
      "garbage",
      () => writeFileSync(paths.bundleFile, encodePem("CERTIFICATE", Uint8Array.of(1, 2))),
      () => open(),
      /roots\.pem/,
    ],
  ];
  for (const [name, spoil, attempt, message] of cases) {
    put(issuing);
    spoil();
    await refused(t, attempt(), { kind: "precondition", message }, name);
  }
  put(await root.intermediate({ basicConstraints: { ca: true, pathLen: 0 } }));
  const upstream = await open();
  const { signer: key } = await generateKey("ec-p256");
  await refused(
    t,
    upstream.authority.sign({ key, trustDomain, now: TEST_EPOCH, ttlSeconds: 600 }, never),
    { kind: "precondition", message: /allows no authority below it \(path length 0\)/ },
    "path length 0",
  );
});
