import type { Bundle } from "../../spiffe/bundle.ts";
import { parseCertificate } from "../../x509/certificate.ts";

/**
 * Remembers which of the own trust domain's authorities are not to be relied on any more: tainted ones, and those that
 * were in the bundle before and are gone (revoked). What they signed is made anew.
 */
export class AuthorityWatch {
  readonly #lost = new Set<string>();
  #known: ReadonlySet<string> = new Set();
  #seen: Bundle | undefined;
  #jwtKeyIds: ReadonlySet<string> = new Set();

  /** Hex subject key ids of X.509 authorities. */
  get lost(): ReadonlySet<string> {
    return this.#lost;
  }

  /** Keys that are neither tainted nor gone. */
  get jwtKeyIds(): ReadonlySet<string> {
    return this.#jwtKeyIds;
  }

  /** @returns true when an authority was lost with this bundle */
  see(bundle: Bundle): boolean {
    if (bundle === this.#seen) return false;
    this.#seen = bundle;
    const before = this.#lost.size;
    const present = new Set<string>();
    for (const { der, tainted } of bundle.x509Authorities) {
      const keyId = parseCertificate(der).subjectKeyId;
      if (keyId === undefined) continue;
      present.add(keyId);
      if (tainted) this.#lost.add(keyId);
      else this.#lost.delete(keyId);
    }
    for (const keyId of this.#known) if (!present.has(keyId)) this.#lost.add(keyId);
    this.#known = present;
    this.#jwtKeyIds = new Set(
      bundle.jwtAuthorities.filter(({ tainted }) => !tainted).map(({ keyId }) => keyId),
    );
    return this.#lost.size > before;
  }
}
