/** Authorizations: made and taken back by whoever may, each for one token, kept until they end. */
import { type Clock, type EpochSeconds, epochSeconds } from "../../../base/clock.ts";
import { errorFrom, fail, isKind } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import type { Random } from "../../../base/random.ts";
import {
  MAX_TOKEN_LIFE_SECONDS,
  type ProvisionFrontEndConfig,
} from "../../../config/server/provision-front-end.ts";
import { SpiffeId } from "../../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../../spiffe/trust-domain.ts";
import type {
  Datastore,
  EntryReader,
  EntryRecord,
  Page,
  PageRequest,
} from "../../datastore/contract.ts";
import type { ProvisionGrant } from "../../datastore/provision.ts";
import type { FrontEndCertificateParams } from "../../issuance/front-end-issuance.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import { isApiTokenLabel } from "./api-tokens.ts";
import {
  type GrantRequest,
  type Grantor,
  checkAllowed,
  checkToken,
  grantNames,
} from "./grant-request.ts";
import { secretHash } from "./secret-hash.ts";
import { TRUST_DOMAIN_SET } from "../../../config/own-sets.ts";

export interface GrantsOptions {
  readonly config: Pick<
    ProvisionFrontEndConfig,
    "set" | "profile" | "lifeSeconds" | "maxLifeSeconds" | "tokenLifeSeconds"
  >;
  readonly datastore: Datastore;
  readonly trustDomain: TrustDomain;
  readonly issuer: Pick<Issuance, "checkFrontEndCertificate">;
  readonly clock: Clock;
  readonly random: Random;
  /** How many are kept at most; 200,000 when absent. */
  readonly maxGrants?: number;
}

export interface MadeGrant {
  readonly grant: ProvisionGrant;
  /** As it was given, or made. */
  readonly token: string;
}

/** What is to be signed, but for the key. */
export type CertificateWish = Omit<FrontEndCertificateParams, "publicKey">;

export class Grants {
  readonly #options: GrantsOptions;
  /** As they were written, for the first who has a request signed: most containers ask at once. */
  readonly #fresh = new LruMap<string, ProvisionGrant>(MAX_FRESH);
  /** At least as many as are stored. */
  #count: number;

  private constructor(options: GrantsOptions, count: number) {
    this.#options = options;
    this.#count = count;
  }

  static async open(options: GrantsOptions): Promise<Grants> {
    return new Grants(options, await options.datastore.provisionGrants.count());
  }

  /**
   * Has a token count for one certificate. Errors name fields as `assay.provision.v1` does.
   * @throws invalid; denied when the grantor may not; unauthenticated when its API token is gone; exists when the token is in use for something else, or was used;
   * not_found without such an entry; limited when too many wait
   */
  async authorize(request: GrantRequest, grantor: Grantor): Promise<MadeGrant> {
    const { datastore, random, maxGrants = MAX_GRANTS } = this.#options;
    const { token = newToken(random) } = request;
    checkToken(token, grantor);
    const draft = await this.#draft(request, grantor, secretHash(token));
    const grant = await datastore.transaction(async ({ provisionGrants, provisionApiTokens }) => {
      const { apiTokenHash } = grantor;
      // Deleted meanwhile: what it authorizes now would outlive it.
      if (apiTokenHash !== undefined && !(await provisionApiTokens.get(apiTokenHash))) {
        throw fail("unauthenticated", "the api token was deleted");
      }
      const found = await provisionGrants.get(draft.hash);
      if (found !== undefined) this.#requireReplaceable(found, draft, grantor);
      else {
        if (this.#count >= maxGrants) {
          await provisionGrants.prune(draft.createdAt);
          this.#count = await provisionGrants.count();
        }
        if (this.#count >= maxGrants) {
          throw fail("limited", `more than ${maxGrants} authorizations are kept; try again later`);
        }
        this.#count += 1;
      }
      await provisionGrants.put(draft);
      // In the order of the transactions; where this one fails, there is no row for the signature to be written into.
      this.#fresh.set(draft.hash, draft);
      return draft;
    });
    return { grant, token };
  }

  /** By its hash. @returns false when there is none that could be used or renewed */
  async withdraw(hash: string): Promise<boolean> {
    return this.#options.datastore.transaction(async ({ provisionGrants }) => {
      this.#fresh.delete(hash);
      const found = await provisionGrants.get(hash);
      if (found === undefined || found.withdrawn) return false;
      // With a certificate the row stays, so that neither renewal nor another authorization forgets it.
      if (found.certificate === undefined) await provisionGrants.delete(hash);
      else await provisionGrants.put({ ...found, withdrawn: true });
      return true;
    });
  }

  /**
   * The authorization by its hash. What it says may be over by now: whoever writes a certificate into it looks again in the
   * transaction that does so.
   */
  async find(hash: string): Promise<ProvisionGrant | undefined> {
    const fresh = this.#fresh.get(hash);
    if (fresh === undefined) return this.#options.datastore.provisionGrants.get(hash);
    this.#fresh.delete(hash);
    return fresh;
  }

  /** Has all of them read again. */
  forget(): void {
    this.#fresh.clear();
  }

  /** Those of a common name. @returns how many there were */
  async withdrawAll(commonName: string): Promise<number> {
    let count = 0;
    let token: string | undefined;
    do {
      const page = { size: PAGE, ...(token === undefined ? {} : { token }) };
      const { items, nextToken } = await this.list(page);
      for (const { hash } of items.filter((grant) => grant.commonName === commonName)) {
        if (await this.withdraw(hash)) count += 1;
      }
      token = nextToken;
    } while (token !== undefined);
    return count;
  }

  list(page: PageRequest | undefined): Promise<Page<ProvisionGrant>> {
    return this.#options.datastore.provisionGrants.list(page);
  }

  /**
   * What is to be signed for it now: its entry counts as it is today, in names and life.
   * @throws denied when its entry has gone, has another SPIFFE ID, or has become one that its grantor may not authorize
   */
  async wishFor(grant: ProvisionGrant): Promise<CertificateWish> {
    const { entries } = this.#options.datastore;
    const { entryId, spiffeId } = grant;
    if (spiffeId === "") return this.#wish(grant);
    const entry = entryId === "" ? undefined : await entries.get(entryId);
    if (entryId !== "") requireGrantedEntry(entry, spiffeId, this.#now());
    const life = entry?.x509SvidTtl ?? (await requireEntryOf(entries, spiffeId, this.#now()));
    await requireMayGrant(entries, spiffeId, {
      isAdministrator: !isApiTokenLabel(grant.grantedBy),
    });
    return this.#wish(grant, { dnsNames: entry?.dnsNames ?? [], lifeSeconds: life });
  }

  /**
   * To be asked where a wish was refused as invalid: settings may have changed since it was authorized.
   * @throws denied when they do not allow it any more, whatever its key
   */
  requireStillAllowed(wish: CertificateWish): void {
    try {
      this.#options.issuer.checkFrontEndCertificate(wish);
    } catch (cause) {
      if (!isKind(cause, "invalid")) throw cause;
      const { message } = errorFrom(cause);
      throw fail("denied", `what was authorized is not allowed any more: ${message}`, { cause });
    }
  }

  /** @param ofEntry what its entry has today; settings and entry may have been shortened since it was authorized */
  #wish(
    grant: ProvisionGrant,
    ofEntry: Pick<GrantedIdentity, "dnsNames" | "lifeSeconds"> = NO_IDENTITY,
  ): CertificateWish {
    const { set, profile, maxLifeSeconds } = this.#options.config;
    const { spiffeId, entryId, hash } = grant;
    return {
      // An SVID is signed by the trust domain's own authorities, whoever signs the rest.
      set: spiffeId === "" ? set : TRUST_DOMAIN_SET,
      profile,
      // A longer one is among the DNS names.
      ...(grant.commonName.length > MAX_COMMON_NAME ? {} : { commonName: grant.commonName }),
      dnsNames: merged(grant.dnsNames, ofEntry.dnsNames),
      ipAddresses: grant.ipAddresses,
      ...(spiffeId === "" ? {} : { spiffeId: SpiffeId.parse(spiffeId) }),
      ttlSeconds: grant.lifeSeconds,
      mostSeconds: Math.min(maxLifeSeconds, ofEntry.lifeSeconds || maxLifeSeconds),
      by: {
        frontEnd: "provision",
        rule: `token ${hash}`,
        ...(entryId === "" ? {} : { entryId }),
      },
    };
  }

  async #draft(request: GrantRequest, grantor: Grantor, hash: string): Promise<ProvisionGrant> {
    const { config, issuer } = this.#options;
    const now = this.#now();
    const asked = grantNames(request.commonName, request.names);
    checkAllowed(asked, grantor);
    const identity = await this.#identityOf(request, grantor, now);
    const { tokenLifeSeconds } = request;
    if (tokenLifeSeconds < 0 || tokenLifeSeconds > MAX_TOKEN_LIFE_SECONDS) {
      throw fail("invalid", `ttl: is not from 1 to ${MAX_TOKEN_LIFE_SECONDS} seconds`);
    }
    const grant: ProvisionGrant = {
      hash,
      ...asked,
      lifeSeconds: this.#lifeOf(request.lifeSeconds, identity),
      spiffeId: identity.spiffeId,
      entryId: identity.entryId,
      grantedBy: grantor.label,
      createdAt: now,
      expiresAt: now + (tokenLifeSeconds === 0 ? config.tokenLifeSeconds : tokenLifeSeconds),
      failures: 0,
      withdrawn: false,
    };
    // What could not be signed is not promised either.
    issuer.checkFrontEndCertificate(this.#wish(grant, identity));
    return grant;
  }

  async #identityOf(
    { spiffeId, entryId }: GrantRequest,
    grantor: Grantor,
    now: EpochSeconds,
  ): Promise<GrantedIdentity> {
    if (spiffeId === undefined && entryId === undefined) return NO_IDENTITY;
    if (!grantor.allowEntries) {
      throw fail("denied", "this caller may not authorize spiffe ids and entries");
    }
    const { entries } = this.#options.datastore;
    if (entryId === undefined) {
      const id = SpiffeId.parse(spiffeId ?? "");
      if (!id.memberOf(this.#options.trustDomain)) {
        throw fail("invalid", "spiffe_id: is not of the server's trust domain");
      }
      const lifeSeconds = await requireEntryOf(entries, id.toString(), now);
      await requireMayGrant(entries, id.toString(), grantor);
      return { ...NO_IDENTITY, spiffeId: id.toString(), lifeSeconds };
    }
    const entry = await entries.get(entryId);
    if (entry === undefined || !isLive(entry, now)) {
      throw fail("not_found", `there is no entry '${entryId}' that could be handed out`);
    }
    if (spiffeId !== undefined && spiffeId !== entry.spiffeId) {
      throw fail("invalid", "entry_id: has another SPIFFE ID than the one given; give one of both");
    }
    await requireMayGrant(entries, entry.spiffeId, grantor);
    return {
      spiffeId: entry.spiffeId,
      entryId,
      dnsNames: entry.dnsNames,
      lifeSeconds: entry.x509SvidTtl,
    };
  }

  #lifeOf(asked: number, identity: GrantedIdentity): number {
    const { maxLifeSeconds, lifeSeconds } = this.#options.config;
    if (identity.lifeSeconds > 0 && asked > identity.lifeSeconds) {
      throw fail(
        "invalid",
        `life: ${asked} s is more than the ${identity.lifeSeconds} s that the entry has for its SVIDs (assay entry update --x509-ttl); ask for less`,
      );
    }
    const life = asked || identity.lifeSeconds || lifeSeconds;
    if (life >= 0 && life <= maxLifeSeconds) return life;
    const whose = asked === 0 && identity.lifeSeconds > 0 ? ", as the entry has it," : "";
    throw fail(
      "invalid",
      `life: ${life} s${whose} is more than the ${maxLifeSeconds} s that may be authorized (frontends.provision.maxLife); ask for less`,
    );
  }

  #requireReplaceable(found: ProvisionGrant, next: ProvisionGrant, { anonymous }: Grantor): void {
    if (anonymous) return;
    if (found.certificate !== undefined || found.withdrawn) {
      throw fail("exists", "this token was used; take another one");
    }
    if (found.expiresAt <= next.createdAt || contentOf(found) === contentOf(next)) return;
    throw fail("exists", "this token is in use for something else; take another one");
  }

  #now(): EpochSeconds {
    return epochSeconds(this.#options.clock);
  }
}

/** What the token is for: two that agree in it are the same authorization. */
export function contentOf(grant: ProvisionGrant): string {
  const { commonName, dnsNames, ipAddresses, lifeSeconds, spiffeId, entryId } = grant;
  return JSON.stringify([commonName, dnsNames, ipAddresses, lifeSeconds, spiffeId, entryId]);
}

interface GrantedIdentity {
  /** Empty = none. */
  readonly spiffeId: string;
  /** Empty = none. */
  readonly entryId: string;
  readonly dnsNames: readonly string[];
  /** Seconds; 0 = it does not say. */
  readonly lifeSeconds: number;
}

function isLive({ expiresAt, template }: EntryRecord, now: EpochSeconds): boolean {
  return template === undefined && (expiresAt === 0 || expiresAt > now);
}

/** Those of the entry are not kept with the authorization: what it loses, the next certificate has lost. */
function merged(asked: readonly string[], ofEntry: readonly string[]): readonly string[] {
  if (ofEntry.length === 0) return asked;
  const lower = ofEntry.map((name) => name.toLowerCase());
  return [...new Set([...asked, ...lower])].sort();
}

/** @throws denied unless it can be handed out still, as what it was authorized as */
function requireGrantedEntry(
  entry: EntryRecord | undefined,
  spiffeId: string,
  now: EpochSeconds,
): asserts entry is EntryRecord {
  if (entry === undefined || !isLive(entry, now)) {
    throw fail(
      "denied",
      "the registration entry that it was authorized with is gone, or has expired; have it authorized anew",
    );
  }
  if (entry.spiffeId === spiffeId) return;
  throw fail(
    "denied",
    "the registration entry that it was authorized with has another spiffe id now; have it authorized anew",
  );
}

/**
 * @returns the shortest life that an entry with the ID has for its SVIDs, seconds; 0 when none says
 * @throws denied when no entry has the ID: identities are registered, not made up
 */
async function requireEntryOf(
  entries: Pick<EntryReader, "list">,
  spiffeId: string,
  now: EpochSeconds,
): Promise<number> {
  const { items } = await entries.list({ spiffeId });
  const live = items.filter((entry) => isLive(entry, now));
  if (live.length === 0) {
    throw fail("denied", "no registration entry has this spiffe id; create one");
  }
  const lives = live.map(({ x509SvidTtl }) => x509SvidTtl).filter((seconds) => seconds > 0);
  return lives.length === 0 ? 0 : Math.min(...lives);
}

/**
 * Whoever has such an SVID has the server's own API: an API token must not become more than it is.
 * @throws denied
 */
async function requireMayGrant(
  entries: Pick<EntryReader, "list">,
  spiffeId: string,
  { isAdministrator }: Pick<Grantor, "isAdministrator">,
): Promise<void> {
  if (isAdministrator) return;
  const { items } = await entries.list({ spiffeId });
  if (!items.some(({ admin, downstream }) => admin || downstream)) return;
  throw fail(
    "denied",
    "the spiffe id is an administrator's or a downstream server's; have an administrator authorize it",
  );
}

function newToken(random: Random): string {
  return `prov-${Buffer.from(random.bytes(32)).toString("base64url")}`;
}

const NO_IDENTITY: GrantedIdentity = { spiffeId: "", entryId: "", dnsNames: [], lifeSeconds: 0 };
/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_COMMON_NAME = 64;
const PAGE = 1000;
/** Held in memory until they are used; the oldest go first. */
const MAX_FRESH = 4096;
/** Some 2 KB each. */
const MAX_GRANTS = 200_000;
