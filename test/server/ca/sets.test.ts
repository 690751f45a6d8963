/** Sets over years: no certificate is cut short, and each verifies until its end, whoever looks and however rarely. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NONE_LOST } from "../../../src/spiffe/lost-authorities.ts";
import t, { type Test } from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { AuthoritySet } from "../../../src/server/ca/authority-set.ts";
import { FrontEndIssuance } from "../../../src/server/issuance/front-end-issuance.ts";
import { randomSerial } from "../../../src/server/ca/serial-number.ts";
import { openDiskUpstream } from "../../../src/server/upstream/disk.ts";
import { type Certificate, parseCertificate } from "../../../src/x509/certificate.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { parseCsr } from "../../../src/x509/csr.ts";
import { signIntermediate } from "../../../src/x509/intermediate.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import { NO_AUDIT } from "../../support/no-audit.ts";
import { refused } from "../../support/refused.ts";
import { TEST_EPOCH, TestCa } from "../../support/test-ca.ts";
import { DAY, Domain, TRUST_DOMAIN } from "./domain.ts";

const YEAR = 365 * DAY;

async function rig(t: Test, upstream: "offline" | "self") {
  const domain = await Domain.open();
  const root = await TestCa.create({ notAfter: TEST_EPOCH + 10 * YEAR });
  const open = (): Promise<AuthoritySet> =>
    domain.authorities({
      name: "web",
      jwt: undefined,
      x509: { keyType: "ec-p256", ttlSeconds: YEAR },
      longestTtlSeconds: { x509: 90 * DAY, jwt: 0 },
      ...(upstream === "offline" ? { upstream, leadSeconds: DAY } : { leadSeconds: 30 * DAY }),
    });
  let set = await open();
  t.teardown(async () => {
    await set[Symbol.asyncDispose]();
    await domain[Symbol.asyncDispose]();
  });
  const { signer } = await generateKey("ec-p256");
  const issuance = new FrontEndIssuance({
    trustDomain: TRUST_DOMAIN,
    sets: new Map([
      [
        "web",
        {
          authorities: {
            activeX509: () => set.activeX509(),
            plan: (kind) => set.plan(kind),
            records: (kind) => set.records(kind),
            lost: NONE_LOST,
          },
        },
      ],
    ]),
    profiles: BUILT_IN_PROFILES,
    svidTtlSeconds: () => 3600,
    clock: domain.clock,
    random: systemRandom,
    audit: NO_AUDIT,
  });
  const issue = (profile = "server-90d") =>
    issuance.issue({
      set: "web",
      profile,
      publicKey: signer.publicKey,
      dnsNames: ["www.example.org"],
      ipAddresses: [],
      ttlSeconds: 0,
      by: { frontEnd: "acme", rule: "test" },
    });
  /** What the operator does on the safe machine. */
  const renew = async (): Promise<void> => {
    const { csr } = await set.requestX509(false);
    const { publicKey } = parseCsr(csr);
    const der = await signIntermediate(
      {
        issuer: root.certificate,
        publicKey,
        subject: [{ type: "CN", value: "example.org web" }],
        serial: randomSerial(systemRandom),
        now: domain.now,
        ttlSeconds: YEAR,
        pathLen: 0,
      },
      root.key.signer,
    );
    await set.importX509([der, root.der]);
  };
  const restart = async (): Promise<void> => {
    await set[Symbol.asyncDispose]();
    set = await open();
  };
  return { domain, root, issue, renew, restart, set: () => set };
}

/** Verifies a chain in its first second, in its middle and in its last. */
async function goodThroughout(
  t: Test,
  chain: readonly Uint8Array[],
  roots: readonly Certificate[],
  from: number,
): Promise<void> {
  const certificates = chain.map(parseCertificate);
  const end = certificates[0]?.notAfter ?? 0;
  for (const at of [from, from + 45 * DAY, end]) await verifyChain(certificates, roots, at);
  if (end - from !== 90 * DAY) t.fail(`a certificate of ${(end - from) / DAY} days`);
}

t.test(
  "T2: intermediates of a year below an offline root, for clients that look every sixty days",
  async (t) => {
    const { domain, root, issue, renew, restart, set } = await rig(t, "offline");
    await refused(t, issue(), {
      kind: "unavailable",
      message: /of authority set 'web' can sign now/,
    });
    await renew();
    let [warned, renewals, issued] = [0, 0, 0];
    const issuers = new Set<string>();
    /** Sixty clients, one of which renews each day, as one that goes by a life of 90 days from its configuration. */
    for (let day = 0; day < 4 * 365; day++) {
      domain.pass(DAY);
      await set().rotate();
      if (day % 97 === 0) await restart();
      const { chain, authorityId } = await issue();
      issued += 1;
      issuers.add(authorityId);
      await goodThroughout(t, chain, [root.certificate], domain.now);
      // The operator comes after three weeks of being told.
      warned = set().warnings().length > 0 ? warned + 1 : 0;
      if (warned < 21) continue;
      await renew();
      renewals += 1;
      t.same(set().warnings(), []);
    }
    t.equal(issued, 4 * 365);
    t.ok(renewals >= 5, `${renewals} times to the safe`);
    t.ok(issuers.size >= 5, "each intermediate signed");
  },
);

t.test("an operator who does not come: told in time, and nothing shorter is signed", async (t) => {
  const { domain, issue, renew, set } = await rig(t, "offline");
  await renew();
  domain.pass(YEAR - (90 + 61) * DAY);
  t.same(set().warnings(), []);
  domain.pass(2 * DAY);
  await set().rotate();
  t.match(set().warnings(), [
    /^authority set 'web': X\.509 authority [0-9a-f]{40} ends in 1(49|48) days and allows certificates of 90 days for (59|58) days more: have another signed \('assay authority x509 csr --set web'\) and import it$/,
  ]);
  t.ok(await issue());
  domain.pass(60 * DAY);
  await refused(t, issue(), {
    kind: "unavailable",
    message:
      /^authority set 'web': its active authority ends in \d+ s and signs nothing for 7776000 s/,
  });
  t.ok(await issue("server-7d"), "a shorter profile is still whole");
  await renew();
  await set().rotate();
  t.ok(await issue(), "as soon as the next one is there");
});

t.test("a set of its own roots: whoever fetches them once in a month verifies all", async (t) => {
  const { domain, issue, set, restart } = await rig(t, "self");
  const living: { readonly chain: readonly Certificate[]; readonly end: number }[] = [];
  let trusted: readonly Certificate[] = [];
  const roots = new Set<string>();
  for (let day = 0; day < 3 * 365; day++) {
    if (day % 29 === 0) trusted = set().x509Roots().map(parseCertificate);
    const { chain, notAfter, authorityId } = await issue();
    roots.add(authorityId);
    living.push({ chain: chain.map(parseCertificate), end: notAfter });
    while ((living[0]?.end ?? Number.POSITIVE_INFINITY) < domain.now) living.shift();
    for (const each of [living[0], living.at(-1)]) {
      if (each !== undefined) await verifyChain(each.chain, trusted, domain.now);
    }
    domain.pass(DAY);
    if (day % 211 === 0) await restart();
    await set().rotate();
  }
  t.ok(roots.size >= 4, `${roots.size} roots`);
});

t.test("a server that was away for long: the next root is to be had before it signs", async (t) => {
  const { domain, issue, set, restart } = await rig(t, "self");
  const first = set().activeX509().id;
  domain.pass(YEAR - 100 * DAY);
  await restart();
  t.same(
    set()
      .records("x509")
      .map(({ status }) => status),
    ["active", "prepared"],
  );
  t.equal(set().x509Roots().length, 2);
  domain.pass(15 * DAY);
  await set().rotate();
  t.equal(set().activeX509().id, first, "nobody may have it yet");
  await refused(t, issue(), { kind: "unavailable", message: /its active authority ends/ });
  t.ok(await issue("server-7d"));
  domain.pass(16 * DAY);
  await set().rotate();
  t.not(set().activeX509().id, first);
  t.ok(await issue());
});

t.test("a CA folder whose root ends soon: told with the commands", async (t) => {
  await using domain = await Domain.open();
  const root = await TestCa.create({ name: "root", notAfter: TEST_EPOCH + 30 * DAY });
  const dir = mkdtempSync(join(tmpdir(), "assay-ca-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const named = async (certFile: string, keyFile: string): Promise<readonly string[]> => {
    const paths = { certFile: join(dir, certFile), keyFile: join(dir, keyFile) };
    writeFileSync(paths.certFile, root.pem);
    writeFileSync(paths.keyFile, encodePem("PRIVATE KEY", root.key.pkcs8));
    await using set = await domain.authorities({
      name: "web",
      jwt: undefined,
      x509: { keyType: "ec-p256", ttlSeconds: YEAR },
      longestTtlSeconds: { x509: 90 * DAY, jwt: 0 },
      upstream: await openDiskUpstream({ ...paths, random: systemRandom }),
    });
    return set.warnings();
  };
  const said =
    "upstream authority 'C=US, O=SPIFFE, CN=root' ends in 30 days and allows no certificates of 90 days: renew it, nothing outlives it";
  t.same(await named("other.pem", "cakey.pem"), [`authority set 'web': ${said}`]);
  t.same(await named("cacert.pem", "cakey.pem"), [
    `authority set 'web': ${said} ('assay ca init NEW --from ${dir} --ttl 3650d' certifies its key anew; put NEW/cacert.pem in the place of ${dir}/cacert.pem and hand it out; then 'assay authority x509 rotate --set web')`,
  ]);
});
