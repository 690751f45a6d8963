/** Certificates that front ends hand out: by an authority set and a profile, with a record of what authorized each. */
import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { CertificateProfile } from "../../config/certificate-profiles.ts";
import type { Proof } from "../../keys/contract.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import { type IssuanceAudit, expectRecord } from "../../observe/audit.ts";
import { worstLoss } from "../../spiffe/lost-authorities.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { type NameAttribute, distinguishedName } from "../../x509/names.ts";
import { type NamedLeafParams, encodeNamedLeafTbs, finishCertificate } from "../../x509/sign.ts";
import type { AuthoritySet } from "../ca/authority-set.ts";
import { randomSerial } from "../ca/serial-number.ts";
import { setOption, setWords } from "../ca/set-name.ts";
import { requireAllowedKey } from "./allowed-key.ts";
import { checkFrontEndBytes } from "./check-front-end-bytes.ts";
import {
  type DecidedNames,
  type FrontEndRequest,
  checkNames,
  lifeOf,
} from "./front-end-profile.ts";
import { requireStrongKey } from "./weak-key.ts";

/** What a front end asks for; it has found out that the requester may have it. */
export interface FrontEndCertificateParams extends FrontEndRequest {
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Of the same key, checked before anything is signed; absent: the front end has seen that the requester holds the key. */
  readonly proof?: Proof;
  /** What authorized it, for the audit record. */
  readonly by: FrontEndAuthorization;
}

export interface FrontEndAuthorization {
  /** `provision`, `acme`. */
  readonly frontEnd: string;
  /** In the front end's own words, without secrets: an authorization's ID, an account and order. */
  readonly rule: string;
  readonly entryId?: string;
}

export interface FrontEndCertificate {
  /** DER, leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** DER. */
  readonly root: Uint8Array;
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  readonly authorityId: string;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** Other chains to roots that verifiers may trust, each like `chain`. */
  readonly alternates: readonly (readonly Uint8Array[])[];
}

/** What a certificate is to say, before it is signed: who wrote that down can have the same one made once more. */
export interface CertificatePlan {
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  readonly authorityId: string;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** SHA-256 of the bytes to be signed, lower hex. */
  readonly digest: string;
}

/** A certificate that nothing forbids, and that is not signed yet. */
export interface PreparedCertificate {
  readonly plan: CertificatePlan;
  /** Asked for again, it is signed again. @throws what the signer or the audit log throws */
  readonly sign: () => Promise<FrontEndCertificate>;
}

/** A set as far as certificates are signed by it. */
export interface SigningSet {
  readonly authorities: Pick<AuthoritySet, "activeX509" | "plan" | "records" | "lost">;
  /** Names of the profiles that it signs; absent: all. */
  readonly profiles?: readonly string[];
}

export interface FrontEndIssuanceOptions {
  readonly trustDomain: TrustDomain;
  /** By name; the trust domain's own among them. */
  readonly sets: ReadonlyMap<string, SigningSet>;
  readonly profiles: ReadonlyMap<string, CertificateProfile>;
  /** Life of an X.509-SVID whose entry names none. */
  readonly svidTtlSeconds: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: IssuanceAudit;
  readonly crlUrl?: (authorityId: string) => string;
  /** Another encoder than the project's own: for tests of the check before signing. */
  readonly encodeTbs?: typeof encodeNamedLeafTbs;
}

interface Decided extends DecidedNames {
  readonly set: SigningSet;
  readonly profile: CertificateProfile;
  readonly lifeSeconds: number;
}

/** What a certificate that was begun earlier would be today. */
interface Today {
  readonly authorityId: string;
  readonly lastEnd: EpochSeconds;
  readonly now: EpochSeconds;
}

interface ReadyToSign {
  readonly decided: Decided;
  readonly active: ReturnType<SigningSet["authorities"]["activeX509"]>;
  readonly tbs: Uint8Array;
  readonly serial: string;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
}

export class FrontEndIssuance {
  readonly #options: FrontEndIssuanceOptions;
  #profiles: FrontEndIssuanceOptions["profiles"];

  constructor(options: FrontEndIssuanceOptions) {
    this.#options = options;
    this.#profiles = options.profiles;
  }

  /** Others from now on. */
  setProfiles(profiles: FrontEndIssuanceOptions["profiles"]): void {
    this.#profiles = profiles;
  }

  /** Whether it could be signed, by set, profile, names and life. @throws invalid, naming the rule */
  check(request: FrontEndRequest): void {
    this.#decide(request);
  }

  /**
   * @throws invalid when the profile or the set does not allow it, or the key is weak; unavailable when no authority
   * can sign, or the active one ends before the certificate would; invalid when it would begin before that one, or has
   * ended by now
   */
  async issue(params: FrontEndCertificateParams): Promise<FrontEndCertificate> {
    return this.prepare(params).sign();
  }

  /**
   * @param plan of one that may have been signed before: it is to be the very same
   * @throws as `issue`; conflict when it would not be the one of the plan
   */
  prepare(params: FrontEndCertificateParams, plan?: CertificatePlan): PreparedCertificate {
    const { random, crlUrl, encodeTbs = encodeNamedLeafTbs } = this.#options;
    const { publicKey, proof, notBefore: begin } = params;
    if (proof !== undefined && proof.publicKey !== publicKey) {
      throw new TypeError("a proof is one for the key that is certified");
    }
    const decided = this.#decide(params);
    requireKey(params, decided.profile);
    const active = decided.set.authorities.activeX509();
    const { id, signer, certificate: authority, notAfter: end } = active;
    const now = epochSeconds(this.#options.clock);
    const lastEnd = (begin ?? now) + decided.lifeSeconds;
    const {
      notBefore = begin ?? Math.max(now - BACKDATE_SECONDS, authority.notBefore),
      notAfter = lastEnd,
    } = plan ?? {};
    if (plan !== undefined) requireStill(plan, { authorityId: id, lastEnd, now });
    else if (notBefore < authority.notBefore || notAfter <= now) {
      throw fail(
        "invalid",
        "the certificate would begin before its authority does, or has ended by now; name no begin",
      );
    }
    if (notAfter > end) throw tooLate(params.set, notAfter - now, end - now);
    const { uri, dnsNames, ipAddresses } = decided;
    const leaf: NamedLeafParams = {
      serial: plan === undefined ? randomSerial(random) : serialOf(plan),
      issuer: authority.subject,
      authorityKeyId: Buffer.from(id, "hex"),
      subject: subjectOf(decided),
      notBefore,
      notAfter,
      publicKey,
      ...(uri === undefined ? {} : { uri }),
      dnsNames,
      ipAddresses,
      usages: decided.profile.usages,
      ...(crlUrl === undefined ? {} : { crlUrl: crlUrl(id) }),
    };
    const tbs = encodeTbs(leaf, signer.keyType);
    checkFrontEndBytes(tbs, leaf, authority, signer.keyType);
    const serial = toHex(leaf.serial).replace(/^0+/, "");
    const digest = createHash("sha256").update(tbs).digest("hex");
    if (plan !== undefined && plan.digest !== digest) throw tooDifferent(CHANGED);
    return {
      plan: { serial, authorityId: id, notBefore, notAfter, digest },
      sign: () => this.#sign(params, { decided, active, tbs, serial, notBefore, notAfter }),
    };
  }

  async #sign(
    { proof, by, set, profile }: FrontEndCertificateParams,
    { decided, active, tbs, serial, notBefore, notAfter }: ReadyToSign,
  ): Promise<FrontEndCertificate> {
    const { audit } = this.#options;
    const { id, signer, chain, root } = active;
    const { uri } = decided;
    using _record = expectRecord(audit);
    const der = await finishCertificate(tbs, signer, proof);
    await audit.issued({
      action: `x509.${by.frontEnd}`,
      subject: {
        ...(uri === undefined ? {} : { spiffeId: uri }),
        names: namesOf(decided),
        serial,
        ...(by.entryId === undefined ? {} : { entryId: by.entryId }),
        authorityId: id,
        authoritySet: set,
        profile,
        rule: by.rule,
        expiresAt: notAfter,
      },
    });
    return {
      chain: [der, ...chain],
      root,
      serial,
      authorityId: id,
      notBefore,
      notAfter,
      // What the leaf would outlive is no chain of it.
      alternates: active.alternates
        .filter((each) => each.notAfter >= notAfter && !this.#isLost(each.chain))
        .map((each) => [der, ...each.chain]),
    };
  }

  /** Whether what the authority signed is to be replaced at once: it is tainted, or revoked and gone. */
  isWithdrawn(authorityId: string): boolean {
    const all = [...this.#options.sets.values()].flatMap(({ authorities }) =>
      authorities.records("x509"),
    );
    return all.find(({ id }) => id === authorityId)?.tainted !== false;
  }

  /**
   * Whether another chain of what the authority signed is to be had still: its authority has it, and nothing in it, nor the
   * root that it ends below, was tainted or revoked here.
   * @param above DER in base64, without the leaf
   */
  hasAlternate(authorityId: string, above: readonly string[]): boolean {
    const all = [...this.#options.sets.values()].flatMap(({ authorities }) =>
      authorities.records("x509"),
    );
    const { alternates = [] } = all.find(({ id }) => id === authorityId) ?? {};
    const isKnown = alternates.some(
      ({ chain }) => chain.length === above.length && chain.every((der, at) => der === above[at]),
    );
    return isKnown && !this.#isLost(above.map((der) => Buffer.from(der, "base64")));
  }

  #isLost(chain: readonly Uint8Array[]): boolean {
    const parsed = chain.map((der) => parseCertificate(der));
    return [...this.#options.sets.values()].some(
      ({ authorities }) => worstLoss(parsed, authorities.lost) !== undefined,
    );
  }

  #decide(request: FrontEndRequest): Decided {
    const { sets, trustDomain, svidTtlSeconds } = this.#options;
    const profiles = this.#profiles;
    const set = sets.get(request.set);
    if (set === undefined) {
      throw fail(
        "invalid",
        `there is no authority set '${request.set}'; there are ${[...sets.keys()].join(", ")} (authoritySets)`,
      );
    }
    const profile = profiles.get(request.profile);
    if (profile === undefined) {
      throw fail(
        "invalid",
        `there is no certificate profile '${request.profile}'; there are ${[...profiles.keys()].join(", ")} (certificateProfiles)`,
      );
    }
    if (set.profiles?.includes(request.profile) === false) {
      throw fail(
        "invalid",
        `authority set '${request.set}' does not sign certificate profile '${request.profile}'; it signs ${set.profiles.join(", ")}`,
      );
    }
    const names = checkNames(request, profile, trustDomain);
    const lifeSeconds = lifeOf(request, profile, svidTtlSeconds());
    const { reach } = set.authorities.plan("x509");
    if (lifeSeconds > reach) {
      throw fail(
        "invalid",
        `life: ${setWords(request.set)} signs ${reach} s at most, so that none is cut short; ask for less, or raise the life of its authorities (caTtl)`,
      );
    }
    return { ...names, set, profile, lifeSeconds };
  }
}

/** @throws invalid */
function requireKey(
  { profile: name, publicKey, proof }: FrontEndCertificateParams,
  { keyTypes }: Pick<CertificateProfile, "keyTypes">,
): void {
  requireStrongKey(publicKey, { isReadLater: proof !== undefined });
  requireAllowedKey(publicKey, false);
  const keyType = keyTypeOfSpki(publicKey);
  if (keyTypes === undefined || (keyType !== undefined && keyTypes.includes(keyType))) return;
  throw fail(
    "invalid",
    `certificate profile '${name}' certifies keys of type ${keyTypes.join(", ")} only`,
  );
}

function tooLate(set: string, lifeSeconds: number, leftSeconds: number): Error {
  return fail(
    "unavailable",
    `${setWords(set)}: its active authority ends in ${Math.max(0, leftSeconds)} s and signs nothing for ${lifeSeconds} s; have the next one made and activated ('assay authority x509 show${setOption(set)}')`,
  );
}

/** One serial number stands for one certificate (RFC 5280 §4.1.2.2), which is not to come late. @throws conflict */
function requireStill(plan: CertificatePlan, { authorityId, lastEnd, now }: Today): void {
  if (plan.authorityId !== authorityId) throw tooDifferent(CHANGED);
  if (plan.notAfter > lastEnd + CLOCK_STEP_SECONDS) {
    throw tooDifferent("it may not live that long any more");
  }
  if (now - plan.notBefore <= (plan.notAfter - plan.notBefore) * MOST_LOST) return;
  throw tooDifferent("too much of its life has passed");
}

function tooDifferent(why: string): Error {
  return fail("conflict", `the certificate that was begun cannot be made any more: ${why}`);
}

function serialOf({ serial }: CertificatePlan): Uint8Array {
  return Uint8Array.from(Buffer.from(serial.padStart(32, "0"), "hex"));
}

/** SVIDs have the subject of all others; what names no SPIFFE ID has none but its common name. */
function subjectOf({ uri, commonName }: DecidedNames): Uint8Array {
  const attributes: NameAttribute[] = uri === undefined ? [] : [...SVID_SUBJECT];
  if (commonName !== undefined) attributes.push({ type: "CN", value: commonName });
  return distinguishedName(attributes);
}

function namesOf({ commonName, dnsNames, ipAddresses }: DecidedNames): readonly string[] {
  const own = commonName === undefined || dnsNames.includes(commonName) ? [] : [commonName];
  return [...own, ...dnsNames, ...ipAddresses];
}

const SVID_SUBJECT: readonly NameAttribute[] = [
  { type: "C", value: "US" },
  { type: "O", value: "SPIRE" },
];
const BACKDATE_SECONDS = 10;
const CHANGED = "its authority or its profile is another one now";
/** By so much the clock may have been set back since a certificate was begun. */
const CLOCK_STEP_SECONDS = 60;
/** Share of the life of a certificate that comes later than it was begun. */
const MOST_LOST = 0.1;
