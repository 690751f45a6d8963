/**
 * Identities for whoever shows a token, without an agent: which entries a token reaches, and for which key. It knows
 * no wire and signs nothing.
 */
import { createHash } from "node:crypto";
import { claimSelectors } from "../../attestors/issuer/claim-selectors.ts";
import type { VerifiedToken } from "../../attestors/issuer/issuer.ts";
import { OIDC_TYPE } from "../../attestors/node/oidc/payload.ts";
import { toHex } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import { formatSelector } from "../../spiffe/selector.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { Datastore, EntryRecord } from "../datastore/contract.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import { bindToken } from "../nodes/bound-tokens.ts";

export interface TokenBearersOptions {
  readonly trustDomain: TrustDomain;
  readonly issuers: {
    verify(token: string, signal: AbortSignal): Promise<VerifiedToken>;
  };
  /** Longest life of an SVID had this way, seconds, by issuer alias; an alias without: nothing is had. */
  readonly maxTtlSeconds: (alias: string) => number | undefined;
  readonly entries: Pick<AuthorizedEntries, "childrenOf" | "refresh">;
  readonly datastore: Pick<Datastore, "transaction">;
}

export interface TokenBearer {
  readonly token: VerifiedToken;
  readonly maxTtlSeconds: number;
  /** At least one, in the entries' order. */
  readonly entries: readonly EntryRecord[];
}

export interface BearerParams {
  readonly token: string;
  /** DER SubjectPublicKeyInfo of a key that the caller has proved to hold. */
  readonly publicKey: Uint8Array;
  /** Of several identities only this one. */
  readonly spiffeId?: string;
  readonly signal: AbortSignal;
  /** Called before the token is bound to the key; what it throws leaves the token as it was. */
  readonly check?: (bearer: TokenBearer) => void;
}

export class TokenBearers {
  readonly #options: TokenBearersOptions;

  constructor(options: TokenBearersOptions) {
    this.#options = options;
  }

  /**
   * Whom a token stands for; from then on it counts for this key alone.
   * @throws what `OidcIssuer.verify` throws; denied when no entry matches, or the token was used with another key;
   * limited when too many entries match or too many tokens are bound
   */
  async admit({
    token: text,
    publicKey,
    spiffeId,
    signal,
    check,
  }: BearerParams): Promise<TokenBearer> {
    const { issuers, maxTtlSeconds, datastore } = this.#options;
    const token = await issuers.verify(text, signal);
    const ttl = maxTtlSeconds(token.alias);
    if (ttl === undefined) {
      throw fail("denied", `tokens of issuer ${token.alias} are not exchanged for SVIDs here`);
    }
    const entries = await this.#entriesOf(token, spiffeId);
    const bearer = { token, maxTtlSeconds: ttl, entries };
    check?.(bearer);
    const keyHash = toHex(createHash("sha256").update(publicKey).digest());
    const binding = { fingerprint: token.fingerprint, until: token.refusedFrom };
    // Not before there is something to have: a job may be registered while its first token lives.
    await datastore.transaction(({ boundTokens }) => bindToken(boundTokens, binding, keyHash));
    return bearer;
  }

  async #entriesOf(
    token: VerifiedToken,
    spiffeId: string | undefined,
  ): Promise<readonly EntryRecord[]> {
    const { entries, trustDomain } = this.#options;
    await entries.refresh();
    const parentId = tokenParentId(trustDomain, token.alias);
    const selectors = new Set(claimSelectors(OIDC_TYPE, token).map(formatSelector));
    const matching = entries
      .childrenOf(parentId)
      .filter(({ template }) => template === undefined)
      .filter((entry) => entry.selectors.every((wanted) => selectors.has(formatSelector(wanted))));
    const wanted =
      spiffeId === undefined ? matching : matching.filter((entry) => entry.spiffeId === spiffeId);
    if (wanted.length === 0) {
      throw fail(
        "denied",
        `${matching.length} entries below ${parentId} match the token's claims${spiffeId === undefined ? "" : `, none of them ${spiffeId}`}`,
      );
    }
    if (wanted.length > MAX_ENTRIES) {
      throw fail("limited", `more than ${MAX_ENTRIES} entries match; name one SPIFFE ID`);
    }
    return wanted;
  }
}

/** The parent ID of the entries that tokens of an issuer reach. No agent and no entry can have it. */
function tokenParentId(trustDomain: TrustDomain, alias: string): string {
  return `${trustDomain.id}/spire/token/${alias}`;
}

const MAX_ENTRIES = 16;
