/** WIT-SVIDs (WIT-SVID §2..4): tokens that are worth something only with the key that they name. */
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { type Random, uuid } from "../../base/random.ts";
import { signingAlgorithm } from "../../jwt/compact.ts";
import { jwkFromSpki } from "../../jwt/jwk.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import type { IssuanceAudit } from "../../observe/audit.ts";
import { SpiffeId, isReservedPath } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { WitAuthorities } from "../ca/wit-authorities.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import { signToken } from "./sign-token.ts";
import { isTtl } from "./x509-profile.ts";

export interface WitIssuanceOptions {
  readonly trustDomain: TrustDomain;
  readonly authorities: Pick<WitAuthorities, "active">;
  /** Where an entry or a request names no life, seconds. */
  readonly ttlSeconds: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: IssuanceAudit;
}

export interface WitKeyParams {
  /** DER SubjectPublicKeyInfo of the workload's key. */
  readonly publicKey: Uint8Array;
  /** JWS name of what the key signs with; empty: the key type's own. */
  readonly algorithm: string;
}

export interface IssuedWit {
  readonly token: string;
  readonly spiffeId: SpiffeId;
  readonly issuedAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

export class WitIssuance {
  readonly #options: WitIssuanceOptions;

  constructor(options: WitIssuanceOptions) {
    this.#options = options;
  }

  /** @throws denied when the entry has expired; invalid for a bad key; unavailable without an authority */
  async workload(entry: EntryRecord, key: WitKeyParams): Promise<IssuedWit> {
    const { id, expiresAt, template } = entry;
    if (template !== undefined) {
      throw fail("denied", `registration entry ${id} is a template and no identity`);
    }
    if (expiresAt !== 0 && expiresAt <= epochSeconds(this.#options.clock)) {
      throw fail("denied", `registration entry ${id} has expired; update or delete it`);
    }
    const spiffeId = SpiffeId.parse(entry.spiffeId);
    return this.#sign(
      { action: "workload", spiffeId, ttlSeconds: entry.jwtSvidTtl, entryId: id },
      key,
    );
  }

  /** What an administrator asks for. @param ttlSeconds 0 = the default. @throws invalid, unavailable */
  async mint(spiffeId: SpiffeId, ttlSeconds: number, key: WitKeyParams): Promise<IssuedWit> {
    return this.#sign({ action: "mint", spiffeId, ttlSeconds }, key);
  }

  async #sign(order: WitOrder, key: WitKeyParams): Promise<IssuedWit> {
    const { trustDomain, authorities, clock, random, audit, ttlSeconds } = this.#options;
    const { action, spiffeId, ttlSeconds: askedSeconds, entryId } = order;
    if (!spiffeId.memberOf(trustDomain) || spiffeId.path === "" || isReservedPath(spiffeId.path)) {
      throw fail(
        "invalid",
        `SPIFFE ID ${spiffeId.toString()} is no workload of trust domain ${trustDomain.name}`,
      );
    }
    if (!isTtl(askedSeconds)) {
      throw fail("invalid", "ttl is not a number of seconds from 0 to 2^31-1");
    }
    const authority = authorities.active();
    const issuedAt = epochSeconds(clock);
    const life = askedSeconds === 0 ? ttlSeconds() : askedSeconds;
    const expiresAt = Math.min(issuedAt + life, authority.notAfter);
    // No `aud` and no `iss`: nobody is to take it for a bearer token (WIT-SVID §3.7, §7.1).
    const claims = {
      sub: spiffeId.toString(),
      exp: expiresAt,
      iat: issuedAt,
      nbf: issuedAt - BACKDATE_SECONDS,
      jti: uuid(random),
      cnf: { jwk: confirmationKey(key) },
    };
    const token = await signToken(claims, authority, "wit+jwt");
    await audit.issued({
      action: `wit.${action}`,
      subject: {
        spiffeId: claims.sub,
        keyId: authority.keyId,
        tokenId: claims.jti,
        ...(entryId === undefined ? {} : { entryId }),
        expiresAt,
      },
    });
    return { token, spiffeId, issuedAt, expiresAt };
  }
}

/** Whose token it will be, and by whose right. */
interface WitOrder {
  readonly action: "workload" | "mint";
  readonly spiffeId: SpiffeId;
  /** 0 = the default. */
  readonly ttlSeconds: number;
  readonly entryId?: string;
}

/** RFC 7800 §3.2, with the algorithm (WIT-SVID §3.2). @throws invalid */
function confirmationKey({ publicKey, algorithm }: WitKeyParams): Readonly<Record<string, string>> {
  const keyType = keyTypeOfSpki(publicKey);
  if (keyType === undefined) {
    throw fail("invalid", "public key is not supported; use ec p-256, p-384 or rsa 2048..4096");
  }
  const own = signingAlgorithm(keyType);
  const fits = keyType.startsWith("rsa") ? RSA_ALGORITHMS.has(algorithm) : algorithm === own;
  if (algorithm !== "" && !fits) {
    throw fail("invalid", `the key does not sign with the algorithm it is to be named with`);
  }
  return { ...jwkFromSpki(publicKey), alg: algorithm === "" ? own : algorithm };
}

const RSA_ALGORITHMS: ReadonlySet<string> = new Set([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
]);
const BACKDATE_SECONDS = 10;
