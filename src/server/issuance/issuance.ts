/**
 * The only way to a signature: front ends and APIs ask here, and only this room asks the authorities. Policy comes
 * from profiles and entries; of a request it is the public key alone that gets into a certificate.
 */
import { toHex } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { type Random, uuid } from "../../base/random.ts";
import type { Proof } from "../../keys/contract.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import { type AuditSubject, type IssuanceAudit, expectRecord } from "../../observe/audit.ts";
import { SpiffeId, isReservedPath, serverId } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { type CertificateRequest, proofOf } from "../../x509/csr.ts";
import { distinguishedName } from "../../x509/names.ts";
import { type LeafParams, encodeLeafTbs, finishCertificate } from "../../x509/sign.ts";
import type { JwtClaims } from "../../jwt/compact.ts";
import { BUILT_IN_PROFILES } from "../../config/certificate-profiles.ts";
import type { AuthoritySet } from "../ca/authority-set.ts";
import { randomSerial } from "../ca/serial-number.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import { jwtClaimsOf } from "../entries/jwt-claims.ts";
import { requireAllowedKey } from "./allowed-key.ts";
import { checkAudience } from "./audience.ts";
import { checkLeafBytes } from "./check-leaf-bytes.ts";
import {
  type CertificatePlan,
  type FrontEndCertificate,
  type FrontEndCertificateParams,
  FrontEndIssuance,
  type FrontEndIssuanceOptions,
  type PreparedCertificate,
  type SigningSet,
} from "./front-end-issuance.ts";
import type { FrontEndRequest } from "./front-end-profile.ts";
import { signToken } from "./sign-token.ts";
import {
  type ProfileTtls,
  type X509Profile,
  type X509ProfileName,
  type X509Request,
  isTtl,
  x509Profiles,
} from "./x509-profile.ts";

/** What holds where a request or an entry says nothing. */
export interface IssuanceDefaults {
  readonly ttl: ProfileTtls;
  /** `iss` of tokens; absent or empty = none. */
  readonly jwtIssuer?: string;
}

export interface IssuanceOptions extends IssuanceDefaults {
  readonly trustDomain: TrustDomain;
  readonly authorities: Pick<
    AuthoritySet,
    "activeX509" | "activeJwt" | "plan" | "records" | "lost"
  >;
  readonly clock: Clock;
  readonly random: Random;
  /** Nothing leaves this room that is not recorded there. */
  readonly audit: IssuanceAudit;
  /** Where the revocation list of an authority is said to be, in the SVIDs it signs; absent = nowhere. */
  readonly crlUrl?: (authorityId: string) => string;
  /** Whether keys of experimental types get SVIDs; they do not when absent. */
  readonly experimentalKeys?: boolean;
  /** Another encoder than the project's own: for tests of the check before signing. */
  readonly encodeTbs?: typeof encodeLeafTbs;
  /** Authority sets beside the domain's own, by name; none when absent. */
  readonly sets?: ReadonlyMap<string, SigningSet>;
  /** Of front ends' certificates, by name; the built-in ones when absent. */
  readonly certificateProfiles?: FrontEndIssuanceOptions["profiles"];
}

export interface IssuedX509 {
  readonly spiffeId: SpiffeId;
  /** DER, leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  readonly expiresAt: EpochSeconds;
}

export interface IssuedJwt {
  readonly token: string;
  readonly spiffeId: SpiffeId;
  readonly issuedAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

export interface WorkloadX509Params {
  readonly entry: EntryRecord;
  readonly csr: CertificateRequest;
}

export interface AgentX509Params {
  readonly spiffeId: SpiffeId;
  readonly csr: CertificateRequest;
}

export interface ServerX509Params {
  readonly publicKey: Uint8Array;
  /** For listeners that are known by a name of the web. */
  readonly dnsNames?: readonly string[];
}

export interface MintX509Params {
  readonly spiffeId: SpiffeId;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Of the same key, checked before anything is signed; absent: whoever asks has seen that the requester holds the key. */
  readonly proof?: Proof;
  readonly dnsNames: readonly string[];
  /** Seconds; 0 = the default. */
  readonly ttlSeconds: number;
  /** DER Name in place of the usual one. */
  readonly subject?: Uint8Array;
}

export interface WorkloadJwtParams {
  readonly entry: EntryRecord;
  readonly audience: readonly string[];
}

export interface MintJwtParams {
  readonly spiffeId: SpiffeId;
  readonly audience: readonly string[];
  /** Seconds; 0 = the default. */
  readonly ttlSeconds: number;
}

export class Issuance {
  readonly #options: IssuanceOptions;
  readonly #frontEnds: FrontEndIssuance;
  #policy: Policy;

  /** @throws invalid when a life is out of range */
  constructor(options: IssuanceOptions) {
    const { encodeTbs: _, sets = [], authorities, ...others } = options;
    this.#options = options;
    this.#policy = policyOf(options, options.trustDomain);
    this.#frontEnds = new FrontEndIssuance({
      ...others,
      sets: new Map([[TRUST_DOMAIN_SET, { authorities }], ...sets]),
      profiles: options.certificateProfiles ?? BUILT_IN_PROFILES,
      svidTtlSeconds: () => this.ttl.x509SvidSeconds,
    });
  }

  get #profiles(): Policy["profiles"] {
    return this.#policy.profiles;
  }

  /** Lives that hold now where nothing else is said. */
  get ttl(): ProfileTtls {
    return this.#policy.ttl;
  }

  /** Checks other defaults. @returns what makes them hold for everything signed from then on. @throws invalid */
  change(defaults: IssuanceDefaults): () => void {
    const policy = policyOf(defaults, this.#options.trustDomain);
    return () => {
      this.#policy = policy;
    };
  }

  /** Of front ends' certificates, from now on. */
  setCertificateProfiles(profiles: FrontEndIssuanceOptions["profiles"] = BUILT_IN_PROFILES): void {
    this.#frontEnds.setProfiles(profiles);
  }

  /** @throws denied when the entry has expired; invalid for a bad CSR; unavailable without an authority */
  async workloadX509({ entry, csr }: WorkloadX509Params): Promise<IssuedX509> {
    const { dnsNames, x509SvidTtl: ttlSeconds } = entry;
    const request = { spiffeId: SpiffeId.parse(entry.spiffeId), dnsNames, ttlSeconds };
    this.#requireLive(entry);
    return this.#sign(this.#profiles.workload, request, proofOf(csr), {
      by: { entryId: entry.id },
      // As late as can be: an entry may end while its CSR is checked.
      recheck: () => this.#requireLive(entry),
    });
  }

  /** @throws invalid for a bad CSR or another ID than an agent's; unavailable without an authority */
  async agentX509({ spiffeId, csr }: AgentX509Params): Promise<IssuedX509> {
    return this.#sign(this.#profiles.agent, plain(spiffeId), proofOf(csr));
  }

  /** The server's own SVID. @throws unavailable without an authority; invalid for a bad DNS name */
  serverX509({ publicKey, dnsNames = [] }: ServerX509Params): Promise<IssuedX509> {
    const request = { ...plain(serverId(this.#options.trustDomain)), dnsNames };
    return this.#sign(this.#profiles.server, request, { publicKey });
  }

  /** What an administrator asks for. @throws invalid, unavailable */
  async mintX509(params: MintX509Params): Promise<IssuedX509> {
    const { publicKey, proof, ...request } = params;
    if (keyTypeOfSpki(publicKey) === undefined) {
      throw fail("invalid", "public key is not supported; use ec p-256, p-384 or rsa 2048..4096");
    }
    if (proof !== undefined && proof.publicKey !== publicKey) {
      throw new TypeError("a proof is one for the key that is certified");
    }
    return this.#sign(this.#profiles.mint, request, proof ?? { publicKey });
  }

  /** @throws denied when the entry has expired; invalid for a bad audience; unavailable without an authority */
  async workloadJwt({ entry, audience }: WorkloadJwtParams): Promise<IssuedJwt> {
    this.#requireLive(entry);
    const jti = entry.jwtSvidIncludeJti ? { jti: uuid(this.#options.random) } : {};
    const spiffeId = SpiffeId.parse(entry.spiffeId);
    const own = jwtClaimsOf(entry);
    const params = { spiffeId, audience, ttlSeconds: entry.jwtSvidTtl, own, ...jti };
    return this.#signJwt("workload", params, { entryId: entry.id });
  }

  /** What an administrator asks for. @throws invalid, unavailable */
  async mintJwt(params: MintJwtParams): Promise<IssuedJwt> {
    return this.#signJwt("mint", params);
  }

  /** Before anything is stored for it: could it be signed? @throws invalid, naming the rule */
  checkFrontEndCertificate(request: FrontEndRequest): void {
    this.#frontEnds.check(request);
  }

  /**
   * A certificate for a front end that has found out who may have it. Never cut short.
   * @throws invalid when its profile or set does not allow it, or the key is weak; unavailable when no authority can
   * sign for that long
   */
  frontEndCertificate(params: FrontEndCertificateParams): Promise<FrontEndCertificate> {
    return this.#frontEnds.issue(params);
  }

  /**
   * A front end's certificate before it is signed, for one that writes down first what it is going to be.
   * @param plan of one that was begun: it is the very same then
   * @throws as `frontEndCertificate`; conflict when it cannot be made any more
   */
  prepareFrontEndCertificate(
    params: FrontEndCertificateParams,
    plan?: CertificatePlan,
  ): PreparedCertificate {
    return this.#frontEnds.prepare(params, plan);
  }

  /** Whether what an authority signed is to be replaced at once, for front ends that are asked when. */
  isWithdrawn(authorityId: string): boolean {
    return this.#frontEnds.isWithdrawn(authorityId);
  }

  /** Whether another chain of what an authority signed is to be handed out still. @param above DER in base64 */
  hasAlternate(authorityId: string, above: readonly string[]): boolean {
    return this.#frontEnds.hasAlternate(authorityId, above);
  }

  async #sign(
    profile: X509Profile,
    request: X509Request,
    key: Proof | CheckedKey,
    { by = {}, recheck }: SignOptions = {},
  ): Promise<IssuedX509> {
    const { publicKey } = key;
    const { authorities, audit, random, crlUrl, encodeTbs = encodeLeafTbs } = this.#options;
    const ttlSeconds = profile.check(request);
    requireAllowedKey(publicKey, this.#options.experimentalKeys);
    const { signer, certificate: authority, chain, id, notAfter: end } = authorities.activeX509();
    const now = this.#now();
    const { spiffeId, dnsNames, subject = subjectOf(dnsNames) } = request;
    const serial = randomSerial(random);
    const leaf: LeafParams = {
      serial,
      issuer: authority.subject,
      authorityKeyId: Buffer.from(id, "hex"),
      subject,
      notBefore: Math.max(now - BACKDATE_SECONDS, authority.notBefore),
      notAfter: Math.min(now + ttlSeconds, end),
      publicKey,
      uri: spiffeId.toString(),
      dnsNames,
      ...(crlUrl === undefined ? {} : { crlUrl: crlUrl(id) }),
    };
    const tbs = encodeTbs(leaf, signer.keyType);
    checkLeafBytes(tbs, leaf, authority, signer.keyType);
    using _record = expectRecord(audit);
    const proof = "signature" in key ? key : undefined;
    const certificate = await finishCertificate(tbs, signer, proof);
    recheck?.();
    const issued = {
      spiffeId,
      chain: [certificate, ...chain],
      serial: toHex(serial).replace(/^0+/, ""),
      expiresAt: leaf.notAfter,
    };
    await audit.issued({
      action: `x509.${profile.name}`,
      subject: {
        spiffeId: leaf.uri,
        serial: issued.serial,
        ...by,
        authorityId: id,
        expiresAt: leaf.notAfter,
      },
    });
    return issued;
  }

  async #signJwt(
    action: "workload" | "mint",
    params: MintJwtParams & { readonly jti?: string; readonly own?: JwtClaims },
    by: AuditSubject = {},
  ): Promise<IssuedJwt> {
    const { authorities, audit, trustDomain } = this.#options;
    const { ttl, jwtIssuer } = this.#policy;
    const { spiffeId, jti, own = {} } = params;
    if (!spiffeId.memberOf(trustDomain) || spiffeId.path === "" || isReservedPath(spiffeId.path)) {
      throw fail(
        "invalid",
        `SPIFFE ID ${spiffeId.toString()} is no workload of trust domain ${trustDomain.name}`,
      );
    }
    const audience = checkAudience(params.audience);
    if (!isTtl(params.ttlSeconds)) {
      throw fail("invalid", "ttl is not a number of seconds from 0 to 2^31-1");
    }
    const ttlSeconds = params.ttlSeconds === 0 ? ttl.jwtSvidSeconds : params.ttlSeconds;
    const authority = authorities.activeJwt();
    const issuedAt = this.#now();
    const expiresAt = Math.min(issuedAt + ttlSeconds, authority.notAfter);
    const claims = {
      // First: what follows is what the token says, whatever an entry may have stored.
      ...own,
      sub: spiffeId.toString(),
      aud: audience,
      exp: expiresAt,
      iat: issuedAt,
      ...(jwtIssuer === "" ? {} : { iss: jwtIssuer }),
      ...(jti === undefined ? {} : { jti }),
    };
    using _record = expectRecord(audit);
    const token = await signToken(claims, authority);
    await audit.issued({
      action: `jwt.${action}`,
      subject: {
        spiffeId: claims.sub,
        keyId: authority.keyId,
        ...(jti === undefined ? {} : { tokenId: jti }),
        audience,
        ...by,
        expiresAt,
      },
    });
    return { token, spiffeId, issuedAt, expiresAt };
  }

  #requireLive({ id, expiresAt, template }: EntryRecord): void {
    // Whoever asks has filled it in.
    if (template !== undefined) {
      throw fail("denied", `registration entry ${id} is a template and no identity`);
    }
    if (expiresAt === 0 || expiresAt > this.#now()) return;
    throw fail("denied", `registration entry ${id} has expired; update or delete it`);
  }

  #now(): EpochSeconds {
    return epochSeconds(this.#options.clock);
  }
}

/** A key that the requester was seen to hold. */
interface CheckedKey {
  readonly publicKey: Uint8Array;
}

interface SignOptions {
  readonly by?: AuditSubject;
  /** Once more before the certificate is recorded and leaves. */
  readonly recheck?: () => void;
}

/** What requests are checked against and filled up with. */
interface Policy {
  readonly profiles: Readonly<Record<X509ProfileName, X509Profile>>;
  readonly ttl: ProfileTtls;
  readonly jwtIssuer: string;
}

function policyOf({ ttl, jwtIssuer = "" }: IssuanceDefaults, trustDomain: TrustDomain): Policy {
  if (!isTtl(ttl.jwtSvidSeconds) || ttl.jwtSvidSeconds < 1) {
    throw fail("invalid", "ttl of jwt-svids is not a number of seconds from 1 to 2^31-1");
  }
  return { profiles: x509Profiles(ttl, trustDomain), ttl, jwtIssuer };
}

function plain(spiffeId: SpiffeId): X509Request {
  return { spiffeId, dnsNames: [], ttlSeconds: 0 };
}

function subjectOf([commonName]: readonly string[]): Uint8Array {
  if (commonName === undefined) return PLAIN_SUBJECT;
  return distinguishedName([...SUBJECT, { type: "CN", value: commonName }]);
}

const SUBJECT = [
  { type: "C", value: "US" },
  { type: "O", value: "SPIRE" },
] as const;
const PLAIN_SUBJECT = distinguishedName(SUBJECT);
const BACKDATE_SECONDS = 10;
