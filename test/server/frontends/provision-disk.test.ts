/** A disk that fails in the middle of provisioning: what it may have lost is nobody's. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { fail } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { secretHash } from "../../../src/server/frontends/provision/secret-hash.ts";
import { Signing } from "../../../src/server/frontends/provision/signing.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { TestCa } from "../../support/test-ca.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { makeRequest } from "./provision-rig.ts";

t.test("a certificate that the disk may have lost is not answered again", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const clock = new VirtualClock();
  let isDiskWell = true;
  const flush = async (): Promise<void> => {
    if (!isDiskWell) throw fail("unavailable", "could not be written to the disk");
  };
  await using datastore = await openSqliteDatastore({
    path: join(folder, "server.db"),
    clock,
    logger: silentLogger,
    openFlush: async () => ({ flush, [Symbol.asyncDispose]: async () => undefined }),
  });
  const token = "a token";
  const hash = secretHash(token);
  const now = Math.floor(clock.nowMs() / 1000);
  await datastore.transaction(({ provisionGrants }) =>
    provisionGrants.put({
      hash,
      commonName: "web.example.org",
      dnsNames: ["web.example.org"],
      ipAddresses: [],
      lifeSeconds: 0,
      spiffeId: "",
      entryId: "",
      grantedBy: "local",
      createdAt: now,
      expiresAt: now + 3600,
      failures: 0,
      withdrawn: false,
    }),
  );
  const ca = await TestCa.create();
  let signatures = 0;
  const signing = new Signing({
    datastore,
    grants: {
      find: (each) => datastore.provisionGrants.get(each),
      wishFor: async ({ commonName, dnsNames, ipAddresses, lifeSeconds }) => ({
        set: "web",
        profile: "peer",
        commonName,
        dnsNames,
        ipAddresses,
        ttlSeconds: lifeSeconds,
        by: { frontEnd: "provision", rule: "token" },
      }),
      requireStillAllowed: () => undefined,
    },
    issuer: {
      async frontEndCertificate({ publicKey, dnsNames }) {
        signatures += 1;
        const { der } = await ca.leaf({ publicKey, dnsNames });
        const { serial, notBefore, notAfter } = parseCertificate(der);
        const authority = { root: ca.der, authorityId: "", alternates: [] };
        return { chain: [der], serial, notBefore, notAfter, ...authority };
      },
    },
    attempts: 3,
    renewals: true,
    roots: () => [],
    isOwn: () => true,
    isRevoked: () => false,
    clock,
  });
  const { csr } = await makeRequest("web.example.org");
  isDiskWell = false;
  const refusal = { kind: "unavailable", message: /could not be written/ };
  await t.rejects(signing.sign(hash, Buffer.from(csr)), refusal);
  t.equal(signatures, 1);
  t.ok((await datastore.provisionGrants.get(hash))?.certificate, "it can be read");
  await t.rejects(signing.sign(hash, Buffer.from(csr)), refusal, "and is given to nobody");
  t.equal(signatures, 1);
});
