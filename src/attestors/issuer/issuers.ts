import { fail } from "../../base/errors.ts";
import type { Clock } from "../../base/clock.ts";
import { OidcIssuer, type VerifiedToken, claimedIssuer } from "./issuer.ts";

/** An issuer as a configuration file has it, in either daemon. */
export interface IssuerSettings {
  readonly alias: string;
  readonly url: string;
  readonly audiences: readonly string[];
  readonly jwksUrl?: string | undefined;
  readonly jwksFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly loopbackHttp: boolean;
  /** Seconds. */
  readonly maxLife: number;
}

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

  /** @throws invalid, naming the option of the issuer */
  static of(settings: readonly IssuerSettings[], clock: Clock): OidcIssuers {
    return new OidcIssuers(
      settings.map(({ alias, url, audiences, jwksUrl, jwksFile, caFile, ...issuer }) =>
        OidcIssuer.of({
          alias,
          issuerUrl: url,
          audiences,
          ...(jwksUrl === undefined ? {} : { jwksUrl }),
          ...(jwksFile === undefined ? {} : { jwksFile }),
          ...(caFile === undefined ? {} : { caFile }),
          allowLoopbackHttp: issuer.loopbackHttp,
          maxLifeSeconds: issuer.maxLife,
          clock,
        }),
      ),
    );
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
