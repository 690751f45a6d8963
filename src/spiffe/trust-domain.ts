import { fail } from "../base/errors.ts";

/** A trust domain name (SPIFFE-ID §2.1): 1..255 bytes of `a-z 0-9 . - _`, always valid once it exists. */
export class TrustDomain {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * Takes `example.org` or the ID form `spiffe://example.org`.
   * @throws invalid, with the rule that is broken
   */
  static parse(text: string): TrustDomain {
    const name = text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text;
    checkTrustDomainName(name);
    return new TrustDomain(name);
  }

  /** The trust domain ID, `spiffe://example.org`: an ID with an empty path. */
  get id(): string {
    return SCHEME + this.name;
  }

  equals(other: TrustDomain): boolean {
    return this.name === other.name;
  }

  toString(): string {
    return this.name;
  }
}

/** @throws invalid */
export function checkTrustDomainName(name: string): void {
  if (name.length === 0) throw fail("invalid", "trust domain is missing");
  if (name.length > MAX_TRUST_DOMAIN_LENGTH) {
    throw fail("invalid", `trust domain is longer than ${MAX_TRUST_DOMAIN_LENGTH} bytes`);
  }
  if (!TRUST_DOMAIN.test(name)) {
    throw fail(
      "invalid",
      "trust domain characters are limited to lower case letters, numbers, dots, dashes, and underscores",
    );
  }
}

const SCHEME = "spiffe://";
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
/** SPIFFE-ID §2.3. */
const MAX_TRUST_DOMAIN_LENGTH = 255;
