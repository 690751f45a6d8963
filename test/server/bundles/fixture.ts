import { generateKey } from "../../../src/keys/software-signer.ts";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import { BundleService } from "../../../src/server/bundles/bundle-service.ts";
import type { ForeignBundle } from "../../../src/server/bundles/foreign-bundle.ts";
import type { AuthoritySet } from "../../../src/server/ca/authority-set.ts";
import type { JwtAuthority, X509Authority } from "../../../src/spiffe/bundle.ts";
import { Domain, TRUST_DOMAIN } from "../ca/domain.ts";

/** A domain with authorities, its bundles, and authorities to put into foreign ones. */
export class Fixture implements AsyncDisposable {
  readonly domain: Domain;
  readonly bundles: BundleService;
  readonly x509: readonly X509Authority[];
  readonly jwt: readonly JwtAuthority[];
  readonly #set: AuthoritySet;

  private constructor(
    domain: Domain,
    set: AuthoritySet,
    bundles: BundleService,
    jwt: readonly JwtAuthority[],
  ) {
    this.domain = domain;
    this.#set = set;
    this.bundles = bundles;
    this.x509 = [{ der: set.activeX509().certificate.raw, tainted: false }];
    this.jwt = jwt;
  }

  static async open(): Promise<Fixture> {
    const domain = await Domain.open();
    const set = await domain.authorities();
    const { signer } = await generateKey("ec-p256");
    const { publicKey } = signer;
    return new Fixture(domain, set, await openBundles(domain), [
      { keyId: "key-1", publicKey, expiresAt: 0, tainted: false },
    ]);
  }

  foreign(trustDomain: string, fields: Partial<ForeignBundle> = {}): ForeignBundle {
    const { x509: x509Authorities, jwt: jwtAuthorities } = this;
    return { trustDomain, x509Authorities, jwtAuthorities, refreshHint: 0, ...fields };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bundles[Symbol.asyncDispose]();
    await this.#set[Symbol.asyncDispose]();
    await this.domain[Symbol.asyncDispose]();
  }
}

export function openBundles(domain: Domain, logger: Logger = silentLogger): Promise<BundleService> {
  return BundleService.open({ trustDomain: TRUST_DOMAIN, datastore: domain.datastore, logger });
}
