import { bytesEqual } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseBundleRecord } from "../../spiffe/bundle-document.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { keyIdOf } from "../ca/check-signed-ca.ts";
import { publishOwnBundle } from "../ca/publish.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import type { Datastore } from "../datastore/contract.ts";
import type { RevokedAuthority } from "../datastore/revoked-authorities.ts";
import { encodeForeignBundle } from "./foreign-bundle.ts";

export type AddedAuthorities = Pick<Bundle, "x509Authorities" | "jwtAuthorities">;

export interface OwnBundleOptions {
  readonly trustDomain: TrustDomain;
  readonly datastore: Datastore;
  readonly clock: Clock;
}

/** Adds authorities that are not this server's to the domain's own bundle: an operator's or a downstream server's. */
export class OwnBundleAppender {
  readonly #options: OwnBundleOptions;

  constructor(options: OwnBundleOptions) {
    this.#options = options;
  }

  /**
   * What is there already stays as it is. The authorities leave with the first change a day after they end.
   * @returns the bundle as it is now
   * @throws invalid; precondition for one that was revoked here; exists when a key ID is that of another key
   */
  async append(added: AddedAuthorities): Promise<Bundle> {
    const { trustDomain, datastore, clock } = this.#options;
    const now = epochSeconds(clock);
    // Reads every certificate and key.
    encodeForeignBundle({ trustDomain: trustDomain.name, refreshHint: 0, ...added });
    refuseEnded(added, now);
    return datastore.transaction(async (writers) => {
      const { bundles, revokedAuthorities } = writers;
      refuseRevoked(added, await revokedAuthorities.list(TRUST_DOMAIN_SET));
      await publishOwnBundle(writers, trustDomain, now, (bundle) => {
        const merged = merge(bundle, added);
        // The whole has the bounds of any bundle.
        encodeForeignBundle(merged);
        return merged;
      });
      const record = await bundles.get(trustDomain.name);
      if (record === undefined) throw new TypeError("a bundle that was put is there");
      return parseBundleRecord(record.trustDomain, record.content, record.sequence);
    });
  }
}

/** They would be dropped again without a word. */
function refuseEnded(added: AddedAuthorities, now: EpochSeconds): void {
  const x509 = added.x509Authorities.some(({ der }) => parseCertificate(der).notAfter <= now);
  const jwt = added.jwtAuthorities.some(({ expiresAt }) => expiresAt !== 0 && expiresAt <= now);
  if (x509 || jwt) {
    throw fail("invalid", `an ${x509 ? "X.509" : "JWT"} authority to be added has ended already`);
  }
}

/** They would not be taken over, without a word. */
function refuseRevoked(added: AddedAuthorities, revoked: readonly RevokedAuthority[]): void {
  const ids = {
    x509: added.x509Authorities.map(({ der }) => keyIdOf(parseCertificate(der))),
    jwt: added.jwtAuthorities.map(({ keyId }) => keyId),
  };
  const found = revoked.find(({ kind, id }) => ids[kind].includes(id));
  if (found === undefined) return;
  throw fail(
    "precondition",
    `the ${found.kind === "x509" ? "X.509" : "JWT"} authority ${found.id} was revoked here; it is not taken back before it ends`,
  );
}

function merge(bundle: Bundle, added: AddedAuthorities): Bundle {
  const x509 = [...bundle.x509Authorities];
  for (const authority of added.x509Authorities) {
    if (!x509.some(({ der }) => bytesEqual(der, authority.der))) x509.push(authority);
  }
  const jwt = [...bundle.jwtAuthorities];
  for (const authority of added.jwtAuthorities) {
    const same = jwt.find(({ keyId }) => keyId === authority.keyId);
    if (same === undefined) {
      jwt.push(authority);
    } else if (!bytesEqual(same.publicKey, authority.publicKey)) {
      throw fail("exists", `the bundle has another JWT authority with the key id '${same.keyId}'`);
    }
  }
  return { ...bundle, x509Authorities: x509, jwtAuthorities: jwt };
}
