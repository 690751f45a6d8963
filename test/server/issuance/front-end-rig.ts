import type { Test } from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { AuditIssue } from "../../../src/observe/audit.ts";
import {
  type FrontEndCertificateParams,
  FrontEndIssuance,
  type FrontEndIssuanceOptions,
} from "../../../src/server/issuance/front-end-issuance.ts";
import { DAY, HOUR, TRUST_DOMAIN } from "../ca/domain.ts";
import { Fixture } from "./fixture.ts";

/** Issuance for front ends, with a set `web` beside the trust domain's. */
export async function frontEndRig(t: Test) {
  const f = await Fixture.open();
  const web = await f.domain.authorities({
    name: "web",
    x509: { keyType: "ec-p384", ttlSeconds: YEAR },
    jwt: undefined,
    longestTtlSeconds: { x509: 90 * DAY, jwt: 0 },
  });
  t.teardown(async () => {
    await web[Symbol.asyncDispose]();
    await f[Symbol.asyncDispose]();
  });
  const records: AuditIssue[] = [];
  const issuance = (options: Partial<FrontEndIssuanceOptions> = {}): FrontEndIssuance =>
    new FrontEndIssuance({
      trustDomain: TRUST_DOMAIN,
      sets: new Map([
        ["trust-domain", { authorities: f.set }],
        ["web", { authorities: web, profiles: ["server-90d", "server-7d", "peer"] }],
      ]),
      profiles: BUILT_IN_PROFILES,
      svidTtlSeconds: () => HOUR,
      clock: f.domain.clock,
      random: systemRandom,
      audit: { issued: async (record) => void records.push(record) },
      ...options,
    });
  const key = (await generateKey("ec-p256")).signer.publicKey;
  const params = (fields: Partial<FrontEndCertificateParams> = {}): FrontEndCertificateParams => ({
    set: "web",
    profile: "server-90d",
    publicKey: key,
    dnsNames: ["www.example.org"],
    ipAddresses: [],
    ttlSeconds: 0,
    by: { frontEnd: "acme", rule: "order 7" },
    ...fields,
  });
  return { f, web, issuance, params, records };
}

const YEAR = 365 * DAY;
