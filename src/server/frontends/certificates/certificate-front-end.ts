/**
 * Certificates with DNS names and addresses for whoever proves what it is, whether or not an agent is near. It knows no
 * wire and signs nothing: names come from entries, from pods as the cluster has them, and from the configuration.
 */
import type { PsatCluster } from "../../../attestors/node/k8s-psat/server.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../../base/clock.ts";
import { AssayError, errorFrom, fail } from "../../../base/errors.ts";
import type { CertificatesConfig } from "../../../config/server/certificates-front-end.ts";
import { TRUST_DOMAIN_SET } from "../../../config/own-sets.ts";
import { type Selector, formatSelector } from "../../../spiffe/selector.ts";
import { SpiffeId } from "../../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../../spiffe/trust-domain.ts";
import type { TokenBearer, TokenBearers } from "../../bearers/token-bearers.ts";
import type { EntryReader, EntryRecord } from "../../datastore/contract.ts";
import type { AuthorizedEntries } from "../../entries/authorized-entries.ts";
import { entriesWithId, memberBySelectors } from "../../entries/family.ts";
import type { OneTimeTokens } from "../../nodes/one-time-tokens.ts";
import type { RenewableCertificates, Renews } from "../../nodes/renewable-certificates.ts";
import { type Holder, type Wish, granted } from "./granted-names.ts";
import { type ShownSvid, standingOf } from "./svid-holder.ts";
import { factsOfPod, reviewedPod } from "./pods.ts";

/** How somebody proves what it is. */
export type Proof =
  | { readonly kind: "pod"; readonly cluster: string; readonly token: string }
  | { readonly kind: "oidc"; readonly token: string }
  | { readonly kind: "once"; readonly token: string }
  /** One that was given here, DER; the caller has proved that it has the key. */
  | { readonly kind: "certificate"; readonly der: Uint8Array }
  /** The gate has checked the caller's SVID. */
  | ({ readonly kind: "svid" } & ShownSvid);

/** As `Issuance`'s own; what it throws comes through. */
interface FrontEndIssuance {
  checkFrontEndCertificate(params: Omit<SignParams, "publicKey">): void;
  frontEndCertificate(params: SignParams): Promise<{
    readonly chain: readonly Uint8Array[];
    readonly root: Uint8Array;
    readonly serial: string;
    readonly notBefore: EpochSeconds;
    readonly notAfter: EpochSeconds;
  }>;
}

interface SignParams extends Wish {
  readonly set: string;
  readonly profile: string;
  readonly publicKey: Uint8Array;
  readonly spiffeId?: SpiffeId;
  readonly by: { readonly frontEnd: string; readonly rule: string; readonly entryId: string };
}

export interface CertificateFrontEndParts {
  readonly config: CertificatesConfig;
  readonly trustDomain: TrustDomain;
  readonly issuance: FrontEndIssuance;
  readonly clusterOf: (name: string) => Pick<PsatCluster, "client"> | undefined;
  readonly bearers: Pick<TokenBearers, "admit">;
  readonly oneTimeTokens: Pick<OneTimeTokens, "redeem">;
  readonly renewable: Pick<RenewableCertificates, "requirePlace" | "remember" | "find">;
  readonly entries: Pick<AuthorizedEntries, "childrenOf" | "refresh">;
  readonly registry: Pick<EntryReader, "list">;
  readonly clock: Clock;
}

export interface CertificateParams extends Wish {
  /** DER SubjectPublicKeyInfo of a key that the caller has proved to hold. */
  readonly publicKey: Uint8Array;
  /** Of several entries only the one with this ID. */
  readonly spiffeId?: string;
  readonly signal: AbortSignal;
}

/** Somebody who may have a certificate. */
export interface Admitted {
  readonly caller: Holder["caller"];
  /** Spends what counts once, then signs. @throws denied when it was spent meanwhile; unavailable without an authority */
  readonly issue: () => Promise<IssuedCertificate>;
}

export interface IssuedCertificate extends Wish {
  /** Name of the authority set that signed. */
  readonly set: string;
  /** DER, leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** DER. */
  readonly root: Uint8Array;
  readonly serial: string;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** In the certificate. */
  readonly spiffeId?: SpiffeId;
}

/** Thrown at somebody who has proved nothing: the reason is for the audit log. */
export class NotProven extends Error {
  override readonly name = "NotProven";
  readonly error: AssayError;

  constructor(error: AssayError) {
    super(error.message, { cause: error });
    this.error = error;
  }
}

export class CertificateFrontEnd {
  readonly #parts: CertificateFrontEndParts;

  constructor(parts: CertificateFrontEndParts) {
    this.#parts = parts;
  }

  /**
   * Finds out who asks and whether it may have what it asks for. Nothing is spent yet.
   * @throws NotProven; invalid, denied with what is wrong with the wish; unavailable when a pod has no address yet
   */
  async admit(proof: Proof, params: CertificateParams): Promise<Admitted> {
    switch (proof.kind) {
      case "pod":
        return this.#admitPod(proof, params);
      case "oidc":
        return this.#admitBearer(proof.token, params);
      case "once": {
        const redeemed = this.#parts.oneTimeTokens.redeem(proof.token, params.publicKey);
        const { entry, tokenHash, spend } = await redeemed.catch(notProven);
        const caller = { role: "token", id: `once:${entry.id}` };
        const admitted = this.#admitted(
          nameless("once", caller, one([entry], params)),
          params,
          spend,
        );
        return this.#renewable(admitted, { entryId: entry.id, tokenHash });
      }
      case "certificate": {
        const { entry, renews } = await this.#parts.renewable.find(proof.der).catch(notProven);
        const caller = { role: "token", id: `certificate:${entry.id}` };
        const holder = nameless("certificate", caller, one([entry], params));
        return this.#renewable(this.#admitted(holder, params), renews);
      }
      case "svid": {
        const { spiffeId: id } = proof;
        const { config, registry, clock } = this.#parts;
        const now = epochSeconds(clock);
        const own = await entriesWithId(SpiffeId.parse(id), registry, now);
        const { entries, ...bound } = standingOf(proof, own, { config, now });
        const entry = one(entries, params, "one of them");
        const holder = nameless("svid", { role: "workload", id }, entry);
        return this.#admitted({ ...holder, ...bound }, params);
      }
    }
  }

  async #admitPod(
    { cluster: name, token }: Extract<Proof, { kind: "pod" }>,
    params: CertificateParams,
  ): Promise<Admitted> {
    const { config, clusterOf, entries, trustDomain } = this.#parts;
    const settings = config.clusters.get(name);
    const cluster = clusterOf(name);
    if (settings === undefined || cluster === undefined) {
      throw new NotProven(fail("denied", `there is no cluster '${name.slice(0, 64)}' here`));
    }
    const pod = await reviewedPod(cluster.client, settings, token, params.signal).catch(notProven);
    const { selectors, dnsNames, ipAddresses } = factsOfPod(pod, settings);
    await entries.refresh();
    const own = new Set(selectors.map(formatSelector));
    const parentId = `${trustDomain.id}/spire/pod/${name}`;
    const found = entries
      .childrenOf(parentId)
      .filter((entry) => entry.selectors.every((wanted) => own.has(formatSelector(wanted))));
    const { entries: matching, why } = await this.#withMembers(found, selectors);
    const where = `pod ${pod.namespace}/${pod.name}`;
    if (matching.length === 0) {
      const unfilled = why.length === 0 ? "" : `: ${why.slice(0, MAX_TOLD).join("; ")}`;
      throw fail("denied", `no entry below ${parentId} matches ${where}${unfilled}`);
    }
    const caller = { role: "pod", id: `${name}:${pod.namespace}/${pod.name}` };
    const entry = one(matching, params);
    const holder = { rule: `pod:${name}`, caller, entry, dnsNames, ipAddresses };
    return this.#admitted(holder, params);
  }

  /** Entries with a template become those of the one member that the pod is; of the others is told what they want. */
  async #withMembers(
    entries: readonly EntryRecord[],
    selectors: readonly Selector[],
  ): Promise<{ readonly entries: readonly EntryRecord[]; readonly why: readonly string[] }> {
    const { registry } = this.#parts;
    const members = entries.map(async ({ template, ...entry }) =>
      template === undefined
        ? entry
        : memberBySelectors({ ...entry, template }, selectors, registry),
    );
    const all = await Promise.all(members);
    return {
      entries: all.filter((each) => typeof each !== "string"),
      why: all.filter((each) => typeof each === "string"),
    };
  }

  async #admitBearer(token: string, params: CertificateParams): Promise<Admitted> {
    const { publicKey, signal } = params;
    let admitted: Admitted | AssayError | undefined;
    const check = (bearer: TokenBearer): void => {
      try {
        admitted = this.#admitted(holderOf(bearer, params), params);
      } catch (thrown) {
        // The token has proved who asks, and stays as it was.
        admitted = errorFrom(thrown);
        throw thrown;
      }
    };
    const spiffeId = params.spiffeId === undefined ? {} : { spiffeId: params.spiffeId };
    try {
      await this.#parts.bearers.admit({ token, publicKey, ...spiffeId, signal, check });
    } catch (thrown) {
      if (admitted instanceof AssayError) throw admitted;
      notProven(thrown);
    }
    if (admitted === undefined || admitted instanceof AssayError) {
      throw fail("internal", "a token was admitted without a look");
    }
    return admitted;
  }

  /** An X.509-SVID renews itself; another set's certificate stands for the token that it was given for. */
  #renewable(admitted: Admitted, renews: Renews): Admitted {
    const { config, renewable } = this.#parts;
    if (config.set === TRUST_DOMAIN_SET) return admitted;
    return {
      ...admitted,
      issue: async () => {
        // Before the token is spent.
        await renewable.requirePlace(renews);
        const issued = await admitted.issue();
        const [leaf] = issued.chain;
        if (leaf !== undefined) await renewable.remember(leaf, renews);
        return issued;
      },
    };
  }

  #admitted(
    holder: Holder,
    params: CertificateParams,
    spend: () => Promise<void> = async () => undefined,
  ): Admitted {
    const { config, issuance } = this.#parts;
    const { set, profile } = config;
    const { entry, rule, caller } = holder;
    const wish = granted(holder, params, config);
    const request = {
      set,
      profile,
      ...wish,
      ...(set === TRUST_DOMAIN_SET ? { spiffeId: SpiffeId.parse(entry.spiffeId) } : {}),
      by: { frontEnd: "certificates", rule, entryId: entry.id },
    };
    issuance.checkFrontEndCertificate(request);
    return {
      caller,
      issue: async () => {
        await spend();
        const { publicKey } = params;
        return { ...request, ...(await issuance.frontEndCertificate({ ...request, publicKey })) };
      },
    };
  }
}

function nameless(rule: string, caller: Holder["caller"], entry: EntryRecord): Holder {
  return { rule, caller, entry, dnsNames: [], ipAddresses: [] };
}

/** The token itself is a secret; issuer and subject are not. */
function holderOf(bearer: TokenBearer, params: CertificateParams): Holder {
  const { alias, claims } = bearer.token;
  const { sub } = claims as { sub?: unknown };
  const subject = typeof sub === "string" ? `:sub:${sub.slice(0, MAX_SUBJECT)}` : "";
  const caller = { role: "token", id: `oidc:${alias}${subject}` };
  const holder = nameless(`oidc:${alias}`, caller, one(bearer.entries, params));
  return { ...holder, maxTtlSeconds: bearer.maxTtlSeconds };
}

/**
 * The one identity that entries stand for. Several may have one SPIFFE ID, as where it is served on several nodes: whoever
 * was seen to match each of them has the names of all, whoever shows the ID alone what they have in common.
 * @throws denied when none has the ID that is asked for; invalid when there are several IDs
 */
function one(
  entries: readonly EntryRecord[],
  { spiffeId }: Pick<CertificateParams, "spiffeId">,
  proven: "each" | "one of them" = "each",
): EntryRecord {
  const [first, ...others] =
    spiffeId === undefined ? entries : entries.filter((entry) => entry.spiffeId === spiffeId);
  if (first === undefined) {
    throw fail("denied", `no entry here has the ID ${spiffeId ?? "asked for"}`);
  }
  if (others.some((entry) => entry.spiffeId !== first.spiffeId)) {
    throw fail("invalid", "entries with several SPIFFE IDs match; name one of them");
  }
  const all = [first, ...others];
  const names = all.flatMap(({ dnsNames }) => dnsNames);
  const inEach = (name: string): boolean => all.every(({ dnsNames }) => dnsNames.includes(name));
  const lives = all.map(({ x509SvidTtl }) => x509SvidTtl).filter((seconds) => seconds > 0);
  return {
    ...first,
    dnsNames: [...new Set(proven === "each" ? names : names.filter(inEach))],
    x509SvidTtl: lives.length === 0 ? 0 : Math.min(...lives),
  };
}

function notProven(thrown: unknown): never {
  throw new NotProven(errorFrom(thrown));
}

const MAX_SUBJECT = 256;
/** Entries that are named in one error. */
const MAX_TOLD = 3;
