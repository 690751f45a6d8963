/** The authority sets that the configuration names beside the trust domain's own, and all of them together. */
import type { ServerConfig } from "../../config/server/server-config.ts";
import { fail } from "../../base/errors.ts";
import { BUILT_IN_PROFILES } from "../../config/certificate-profiles.ts";
import { AuthoritySet, type AuthoritySetOptions } from "./authority-set.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import type { CrlSigner } from "./authority.ts";
import { AllLost, type LostAuthorities } from "../../spiffe/lost-authorities.ts";
import { openUpstream } from "../upstream/open-upstream.ts";
import { OFFLINE } from "../upstream/contract.ts";

export type AuthoritySetsParts = Pick<
  AuthoritySetOptions,
  "trustDomain" | "datastore" | "keyManager" | "clock" | "random" | "logger" | "audit"
> & {
  /** The trust domain's own. */
  readonly own: AuthoritySet;
};

/** A set, and the names of the profiles that it signs; absent: all. */
interface NamedSet {
  readonly authorities: AuthoritySet;
  readonly profiles?: readonly string[];
}

type CertificateProfiles = NonNullable<ServerConfig["certificateProfiles"]>;

export class AuthoritySets implements AsyncDisposable {
  readonly #own: AuthoritySet;
  readonly #others: ReadonlyMap<string, NamedSet>;
  readonly #parts: AsyncDisposableStack;
  readonly #lost = new AllLost(() => this.all.map(({ lost }) => lost));

  private constructor(
    own: AuthoritySet,
    others: AuthoritySets["signing"],
    parts: AsyncDisposableStack,
  ) {
    this.#own = own;
    this.#others = others;
    this.#parts = parts;
  }

  /** Each can sign when it resolves, but for those whose upstream is offline or away. @throws precondition, invalid */
  static async open(
    { authoritySets = new Map(), certificateProfiles = BUILT_IN_PROFILES, ...config }: ServerConfig,
    { own, ...parts }: AuthoritySetsParts,
  ): Promise<AuthoritySets> {
    await using opened = new AsyncDisposableStack();
    const others = new Map<string, NamedSet>();
    for (const [name, { keyType, ttlSeconds, upstreamAuthority, profiles }] of authoritySets) {
      const upstream = await openUpstream(upstreamAuthority, parts);
      if (upstream !== OFFLINE) opened.use(upstream.authority);
      const isOwnRoot = Object.keys(upstreamAuthority).length === 0;
      const authorities = opened.use(
        await AuthoritySet.open({
          ...parts,
          name,
          upstream,
          x509: { keyType, ttlSeconds },
          longestTtlSeconds: longestOf(profiles, certificateProfiles),
          keepsOldKeys: config.revocation !== undefined,
          // The lead is far longer than what it covers; with one, half of caTtl could not be promised.
          margin: 0,
          // Whoever trusts such a root was given it by hand; others have a day to be away in.
          leadSeconds: isOwnRoot ? ROOT_LEAD : UPSTREAM_LEAD,
        }),
      );
      others.set(name, { authorities, profiles });
    }
    return new AuthoritySets(own, others, opened.move());
  }

  /** Authorities live by the longest certificates that their sets' profiles allow from now on. */
  setCertificateProfiles(all: CertificateProfiles = BUILT_IN_PROFILES): void {
    for (const { authorities, profiles } of this.#others.values()) {
      authorities.setLongestTtl(longestOf(profiles, all));
    }
  }

  /** Starts rotation of those beside the trust domain's own by the clock. */
  start(): void {
    for (const { authorities } of this.#others.values()) authorities.start();
  }

  /** Beside the trust domain's own, by name. */
  get signing(): ReadonlyMap<string, NamedSet> {
    return this.#others;
  }

  get others(): readonly AuthoritySet[] {
    return [...this.#others.values()].map(({ authorities }) => authorities);
  }

  /** The trust domain's own first. */
  get all(): readonly AuthoritySet[] {
    return [this.#own, ...this.others];
  }

  /** @param name empty = the trust domain's own. @throws not_found */
  get(name: string): AuthoritySet {
    if (name === "" || name === TRUST_DOMAIN_SET) return this.#own;
    const found = this.#others.get(name);
    if (found !== undefined) return found.authorities;
    const known = this.all.map((set) => set.name).join(", ");
    throw fail(
      "not_found",
      `there is no authority set '${name.slice(0, MAX_SHOWN)}'; there are ${known} (authoritySets of the server's file)`,
    );
  }

  /** X.509 authorities of all sets that are tainted or were revoked; the same object until a change of them. */
  get lost(): LostAuthorities {
    return this.#lost.current();
  }

  /** X.509 authorities of all sets whose revocation lists can be signed now. */
  crlSigners(): readonly CrlSigner[] {
    return this.all.flatMap((set) => set.crlSigners());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

function longestOf(
  names: readonly string[] = [],
  profiles: CertificateProfiles,
): { readonly x509: number; readonly jwt: number } {
  return {
    x509: Math.max(0, ...names.map((name) => profiles.get(name)?.maxTtlSeconds ?? 0)),
    jwt: 0,
  };
}

/** Seconds: that the next root can be had ('assay ca trust export') before anything is signed below it. */
const ROOT_LEAD = 30 * 24 * 3600;
/** Seconds: that the next authority is asked for before it is needed. */
const UPSTREAM_LEAD = 24 * 3600;
const MAX_SHOWN = 64;
