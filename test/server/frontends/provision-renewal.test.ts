/** Who may renew a certificate: its holder, and nobody who merely shows its serial number below the same root. */
import t, { type Test } from "tap";
import { toHex } from "../../../src/base/bytes.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { administrator } from "../../../src/server/frontends/provision/grant-request.ts";
import { Grants } from "../../../src/server/frontends/provision/grants.ts";
import { secretHash } from "../../../src/server/frontends/provision/secret-hash.ts";
import { Signing } from "../../../src/server/frontends/provision/signing.ts";
import type { FrontEndCertificateParams } from "../../../src/server/issuance/front-end-issuance.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { subjectKeyId } from "../../../src/x509/subject-key-id.ts";
import { TEST_EPOCH, TestCa } from "../../support/test-ca.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { PROVISION, makeRequest } from "./provision-rig.ts";

const NAME = "web.example.org";

async function rig(t: Test) {
  const clock = new VirtualClock(TEST_EPOCH * 1000);
  const datastore = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  t.teardown(() => datastore[Symbol.asyncDispose]());
  const root = await TestCa.create();
  const own = await root.intermediate({ name: "own" });
  const idOf = (ca: TestCa): string => toHex(subjectKeyId(ca.key.signer.publicKey));
  const trusted = new Set([idOf(own)]);
  const revoked = new Set<string>();
  const issuer = {
    checkFrontEndCertificate: () => undefined,
    async frontEndCertificate({ publicKey }: FrontEndCertificateParams) {
      const { der } = await own.leaf({ publicKey, dnsNames: [NAME], uris: [] });
      const { serial, notBefore, notAfter } = parseCertificate(der);
      const chain = [der, ...own.intermediates];
      return { chain, root: root.der, serial, authorityId: idOf(own), notBefore, notAfter };
    },
  };
  const shared = { datastore, clock };
  const grants = await Grants.open({
    ...shared,
    config: PROVISION,
    trustDomain: TrustDomain.parse("example.org"),
    issuer,
    random: systemRandom,
  });
  const signing = new Signing({
    ...shared,
    grants,
    issuer: {
      frontEndCertificate: async (wish) => ({
        ...(await issuer.frontEndCertificate(wish)),
        alternates: [],
      }),
    },
    attempts: 3,
    renewals: true,
    roots: () => [root.certificate],
    isOwn: (id) => trusted.has(id),
    isRevoked: (id, serial) => revoked.has(`${id} ${serial}`),
  });
  const { token } = await grants.authorize(
    { commonName: NAME, names: [], lifeSeconds: 0, tokenLifeSeconds: 0 },
    administrator("local"),
  );
  const csr = async () => Buffer.from((await makeRequest(NAME)).csr);
  const chainOf = (chain: readonly string[]) => chain.map((der) => Buffer.from(der, "base64"));
  const { certificate } = await signing.sign(secretHash(token), await csr());
  return {
    root,
    own,
    idOf,
    trusted,
    revoked,
    first: { serial: certificate.serial, chain: chainOf(certificate.chain) },
    renew: async (chain: readonly Uint8Array[]) => {
      const { certificate: next } = await signing.renew({ chain }, await csr());
      return { serial: next.serial, chain: chainOf(next.chain) };
    },
  };
}

/** A leaf with somebody else's serial number, and the key to it. */
async function copyOf(serial: string, ca: TestCa): Promise<readonly Uint8Array[]> {
  const number = Buffer.from(serial.padStart(serial.length + (serial.length % 2), "0"), "hex");
  const { der } = await ca.leaf({ serial: number, dnsNames: [NAME], authorityKeyId: "omit" });
  t.equal(parseCertificate(der).serial, serial);
  return [der, ...ca.intermediates];
}

const STRANGER = { kind: "unauthenticated", message: /was replaced, or was not made here/ };

t.test("a serial number below the same root is no proof", async (t) => {
  const { root, own, idOf, trusted, first, renew } = await rig(t);
  const sibling = await root.intermediate({ name: "sibling" });
  // What calls itself by the own authority's key identifier is another one nevertheless.
  const posing = await root.intermediate({
    name: "own",
    subjectKeyId: Buffer.from(idOf(own), "hex"),
  });
  for (const ca of [sibling, posing, own]) {
    await t.rejects(renew(await copyOf(first.serial, ca)), STRANGER, "of the newest one");
  }
  const second = await renew(first.chain);
  t.not(second.serial, first.serial, "the holder's own");
  for (const ca of [sibling, posing]) {
    await t.rejects(renew(await copyOf(first.serial, ca)), STRANGER, "of the one before");
    await t.rejects(renew(await copyOf(second.serial, ca)), STRANGER, "of the newest one");
  }
  trusted.delete(idOf(own));
  await t.rejects(renew(await copyOf(first.serial, own)), STRANGER, "with a tainted key");
  const third = await renew(second.chain);
  t.not(third.serial, second.serial, "the holder leaves a tainted authority by renewing");
});

t.test("a revocation is not evaded with the certificate before", async (t) => {
  const { own, idOf, revoked, first, renew } = await rig(t);
  const second = await renew(first.chain);
  t.ok(await renew(first.chain), "its answer was lost");
  const third = await renew(first.chain);
  t.not(third.serial, second.serial);
  revoked.add(`${idOf(own)} ${third.serial}`);
  const message = /revoked/;
  await t.rejects(renew(third.chain), { kind: "unauthenticated", message });
  await t.rejects(renew(first.chain), { kind: "unauthenticated", message });
});
