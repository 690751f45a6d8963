import { fail } from "../../base/errors.ts";
import { type OidcIssuer, type VerifiedToken, claimedIssuer } from "./issuer.ts";

/** Several issuers, told apart by the `iss` of a token; ends them when disposed. */
export class OidcIssuers implements AsyncDisposable {
  readonly #byUrl: ReadonlyMap<string, OidcIssuer>;

  /** @throws invalid when two have one alias or one url */
  constructor(issuers: readonly OidcIssuer[]) {
    this.#byUrl = new Map(issuers.map((issuer) => [issuer.issuerUrl, issuer]));
    const aliases = new Set(issuers.map(({ alias }) => alias));
    if (aliases.size !== issuers.length) throw fail("invalid", "two issuers have the same alias");
    if (this.#byUrl.size !== issuers.length) {
      throw fail("invalid", "two issuers have the same url; give one all the audiences");
    }
  }

  /** @throws as `OidcIssuer.verify`; denied when the token's issuer is none of these */
  verify(token: string, signal: AbortSignal): Promise<VerifiedToken> {
    return this.#of(token).then((issuer) => issuer.verify(token, signal));
  }

  async #of(token: string): Promise<OidcIssuer> {
    const issuer = this.#byUrl.get(claimedIssuer(token));
    if (issuer === undefined) {
      throw fail("denied", "token is of an issuer that is not configured here");
    }
    return issuer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#byUrl.values()].map((issuer) => issuer[Symbol.asyncDispose]()));
  }
}
