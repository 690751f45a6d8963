/**
 * Tokens of an OpenID Connect issuer (or any that serves a JSON Web Key Set), checked: the room that node attestation
 * (`oidc`), attestation without an agent and the agent's `token` attestor share. It decides whether a token says the
 * truth; what follows from its claims is for whoever asks. It knows no wire and keeps nothing but public keys.
 */
import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import {
  type ForeignToken,
  TOKEN_ALGORITHMS,
  type TokenAlgorithm,
  parseForeignToken,
} from "./foreign-token.ts";
import { numericDate } from "../../jwt/numeric-date.ts";
import { type KeySet, checkSignature, keysFor } from "./key-set.ts";
import { KeySource } from "./key-source.ts";
import { checkWebUrl } from "./web-document.ts";

export interface OidcIssuerOptions {
  /** Names the issuer in selectors and paths: 1 to 63 of `a-z 0-9 . _ -`, beginning with a letter or digit. */
  readonly alias: string;
  /** Exactly the tokens' `iss`. Its discovery document is fetched below it unless one of the two next is given. */
  readonly issuerUrl: string;
  /** A token must be meant for at least one of these; at least one. */
  readonly audiences: readonly string[];
  /** Address of the key set, in place of discovery. */
  readonly jwksUrl?: string;
  /** File with the key set, in place of any fetching: for an issuer that cannot be reached. Read again as it ages. */
  readonly jwksFile?: string;
  /** PEM file of TLS authorities in place of the host's. */
  readonly caFile?: string;
  /** Accepts `http:` to loopback addresses. For tests and for an issuer behind a local proxy; default false. */
  readonly allowLoopbackHttp?: boolean;
  /** Default: all of `TOKEN_ALGORITHMS`. */
  readonly algorithms?: readonly TokenAlgorithm[];
  /** How far the clocks may be apart, seconds; default 60. */
  readonly leewaySeconds?: number;
  /** Tokens with more life left than this are refused, seconds; default one day. */
  readonly maxLifeSeconds?: number;
  readonly clock: Clock;
}

export interface VerifiedToken {
  /** Of the issuer that vouches for it. */
  readonly alias: string;
  /** All claims; treat their values as unknown. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** `exp`, whole seconds, rounded up. */
  readonly expiresAt: EpochSeconds;
  /** From when on it is refused for its age: `expiresAt` and the leeway. What binds a token must last until then. */
  readonly refusedFrom: EpochSeconds;
  /** Of the key that signed; empty where the token names none. */
  readonly keyId: string;
  /**
   * Lower-case hex, SHA-256 of what is signed: names this token for good. Not of the whole token, since anyone can
   * write an ECDSA signature in a second way.
   */
  readonly fingerprint: string;
}

export class OidcIssuer implements AsyncDisposable {
  readonly alias: string;
  readonly issuerUrl: string;
  readonly #options: OidcIssuerOptions;
  readonly #source: KeySource;

  private constructor(options: OidcIssuerOptions) {
    this.alias = options.alias;
    this.issuerUrl = options.issuerUrl;
    this.#options = options;
    this.#source = new KeySource({
      ...options,
      allowLoopbackHttp: options.allowLoopbackHttp ?? false,
    });
  }

  /** Checks the options; nothing is fetched before the first token. @throws invalid, naming the option */
  static of(options: OidcIssuerOptions): OidcIssuer {
    const { alias, issuerUrl, audiences, jwksUrl, jwksFile } = options;
    const http = options.allowLoopbackHttp ?? false;
    if (!ALIAS.test(alias)) {
      throw fail(
        "invalid",
        `issuer alias '${alias.slice(0, 64)}' is not 1 to 63 of a-z, 0-9, dot, dash and underscore`,
      );
    }
    if (jwksUrl !== undefined && jwksFile !== undefined) {
      throw fail("invalid", `issuer ${alias} has both a jwks url and a jwks file; leave one out`);
    }
    if (jwksUrl !== undefined) checkWebUrl(`jwks url of issuer ${alias}`, jwksUrl, http);
    if (issuerUrl === "") throw fail("invalid", `issuer ${alias} has no url`);
    // With keys from elsewhere the issuer is but a name, as that of a cluster often is.
    if (jwksUrl === undefined && jwksFile === undefined) {
      const url = checkWebUrl(`url of issuer ${alias}`, issuerUrl, http);
      if (url.search !== "") throw fail("invalid", `url of issuer ${alias} has a query`);
    }
    if (audiences.length === 0 || audiences.includes("")) {
      throw fail("invalid", `issuer ${alias} needs audiences, none of them empty`);
    }
    return new OidcIssuer(options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }

  /**
   * Checks a token: form, issuer, algorithm, signature, life, audience. No message holds the token or a claim's value.
   * @throws invalid when it is no token of this issuer; denied when it is one that does not count (signature, life,
   * audience); unavailable when the issuer's keys cannot be had; the signal's reason when aborted
   */
  async verify(token: string, signal: AbortSignal): Promise<VerifiedToken> {
    const parsed = parseForeignToken(token);
    const { algorithms = TOKEN_ALGORITHMS } = this.#options;
    if (issuerClaimOf(parsed) !== this.issuerUrl) {
      throw fail("invalid", `token is of another issuer than ${this.alias}`);
    }
    if (!algorithms.includes(parsed.algorithm)) {
      throw fail("denied", `token algorithm is not allowed for issuer ${this.alias}`);
    }
    // Before the signature: an old token must not make anyone fetch keys.
    const life = this.#checkLife(parsed);
    this.#checkAudience(parsed);
    await this.#checkSignature(parsed, signal);
    return {
      alias: this.alias,
      claims: parsed.claims,
      ...life,
      keyId: parsed.keyId ?? "",
      fingerprint: toHex(createHash("sha256").update(parsed.signingInput).digest()),
    };
  }

  async #checkSignature(token: ForeignToken, signal: AbortSignal): Promise<void> {
    const set = await this.#source.current(signal);
    if (await fitsOneOf(set, token)) return;
    // A key that has the token's name and does not fit will not fit after a refresh either.
    if (keysFor(set, token).length > 0) throw this.#denied("signature does not fit its key");
    const newer = await this.#source.newerThan(set, signal);
    if (newer !== undefined && (await fitsOneOf(newer, token))) return;
    throw this.#denied("is signed with a key that the issuer does not publish");
  }

  #checkLife({ claims }: ForeignToken): Pick<VerifiedToken, "expiresAt" | "refusedFrom"> {
    const { leewaySeconds = LEEWAY_SECONDS, maxLifeSeconds = MAX_LIFE_SECONDS } = this.#options;
    const now = epochSeconds(this.#options.clock);
    const exp = numericDate(claims, "exp");
    if (exp === undefined) throw fail("invalid", "token has no exp claim");
    const expiresAt = Math.ceil(exp);
    if (now >= expiresAt + leewaySeconds) throw this.#denied("has expired");
    if (expiresAt > now + maxLifeSeconds + leewaySeconds) {
      throw this.#denied(`lives for more than ${maxLifeSeconds} s; have shorter ones issued`);
    }
    for (const name of ["nbf", "iat"] as const) {
      const since = numericDate(claims, name);
      if (since !== undefined && since > now + leewaySeconds) {
        throw this.#denied(`is not valid yet (${name})`);
      }
    }
    return { expiresAt, refusedFrom: expiresAt + leewaySeconds };
  }

  /** RFC 7519 §4.1.3: one text or a list of them. */
  #checkAudience({ claims }: ForeignToken): void {
    const { aud } = claims as { aud?: unknown };
    const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
    if (!list.some((each) => this.#options.audiences.includes(each as string))) {
      throw this.#denied("is for another audience");
    }
  }

  #denied(rule: string): AssayError {
    return fail("denied", `token of issuer ${this.alias} ${rule}`);
  }
}

/**
 * The `iss` that a token claims, believed by nobody yet: for choosing among issuers.
 * @throws invalid when it is no token
 */
export function claimedIssuer(token: string): string {
  return issuerClaimOf(parseForeignToken(token));
}

function issuerClaimOf({ claims }: ForeignToken): string {
  const { iss } = claims as { iss?: unknown };
  if (typeof iss !== "string" || iss === "") throw fail("invalid", "token has no iss claim");
  return iss;
}

async function fitsOneOf(set: KeySet, token: ForeignToken): Promise<boolean> {
  for (const key of keysFor(set, token)) if (await checkSignature(key, token)) return true;
  return false;
}

const ALIAS = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const LEEWAY_SECONDS = 60;
const MAX_LIFE_SECONDS = 24 * 3600;
