/** A domain with an issuance, and the requests that come to it. */
import { systemRandom } from "../../../src/base/random.ts";
import { NO_AUDIT } from "../../support/no-audit.ts";
import type { KeyType } from "../../../src/keys/contract.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { AuthoritySet } from "../../../src/server/ca/authority-set.ts";
import type { EntryRecord } from "../../../src/server/datastore/contract.ts";
import { Issuance, type IssuanceOptions } from "../../../src/server/issuance/issuance.ts";
import { type Certificate, parseCertificate } from "../../../src/x509/certificate.ts";
import { type CertificateRequest, createCsr, parseCsr } from "../../../src/x509/csr.ts";
import { DAY, Domain, HOUR, TRUST_DOMAIN } from "../ca/domain.ts";
import { sampleEntry } from "../datastore/samples.ts";

export const TTL = { x509SvidSeconds: HOUR, jwtSvidSeconds: 300, agentSvidSeconds: 2 * HOUR };

export class Fixture implements AsyncDisposable {
  readonly domain: Domain;
  readonly set: AuthoritySet;

  private constructor(domain: Domain, set: AuthoritySet) {
    this.domain = domain;
    this.set = set;
  }

  static async open(keyType: KeyType = "ec-p256"): Promise<Fixture> {
    const domain = await Domain.open();
    const profile = { keyType, ttlSeconds: DAY };
    return new Fixture(domain, await domain.authorities({ x509: profile, jwt: profile }));
  }

  get now(): number {
    return this.domain.now;
  }

  issuance(options: Partial<IssuanceOptions> = {}): Issuance {
    return new Issuance({
      trustDomain: TRUST_DOMAIN,
      authorities: this.set,
      clock: this.domain.clock,
      random: systemRandom,
      audit: NO_AUDIT,
      ttl: TTL,
      ...options,
    });
  }

  entry(fields: Partial<EntryRecord> = {}): EntryRecord {
    return sampleEntry("entry-1", {
      spiffeId: "spiffe://example.org/web",
      createdAt: this.now,
      ...fields,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.set[Symbol.asyncDispose]();
    await this.domain[Symbol.asyncDispose]();
  }
}

export interface RequestParams {
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly subject?: Uint8Array;
  readonly keyType?: KeyType;
}

export async function request(params: RequestParams): Promise<CertificateRequest> {
  const { uris = [], keyType = "ec-p256", ...rest } = params;
  const { signer } = await generateKey(keyType);
  return parseCsr(await createCsr({ uris, signer, ...rest }));
}

export function leafOf(chain: readonly Uint8Array[]): Certificate {
  return parseCertificate(chain[0] ?? new Uint8Array());
}

/** The same authorities, telling of each use of the X.509 key. */
export function counting(set: AuthoritySet, used: () => void): IssuanceOptions["authorities"] {
  return {
    activeJwt: () => set.activeJwt(),
    plan: (kind) => set.plan(kind),
    records: (kind) => set.records(kind),
    lost: set.lost,
    activeX509() {
      const active = set.activeX509();
      const { keyType, publicKey } = active.signer;
      const sign = (data: Uint8Array): Promise<Uint8Array> => {
        used();
        return active.signer.sign(data);
      };
      return { ...active, signer: { keyType, publicKey, sign } };
    },
  };
}
