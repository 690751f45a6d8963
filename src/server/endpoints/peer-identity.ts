import type { Bundle } from "../../spiffe/bundle.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { type Clock, type EpochSeconds, epochSeconds } from "../../base/clock.ts";
import { type ErrorKind, errorFrom, fail } from "../../base/errors.ts";
import { checkLeaf } from "../../spiffe/x509-svid.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { type LostAuthorities, worstLoss } from "../../spiffe/lost-authorities.ts";
import { verifyChain } from "../../x509/chain.ts";

/** Who is at the other end of a TLS connection, by the certificate it presented. */
export type Peer = KnownPeer | UnknownPeer;

export interface KnownPeer {
  readonly kind: "known";
  readonly id: SpiffeId;
  /** Lower-case hex, no leading zeros. */
  readonly serial: string;
  /** All that were presented, its own first. */
  readonly presented: readonly PresentedCertificate[];
  readonly expiresAt: EpochSeconds;
  /** Its certificate's, in their one text. */
  readonly ipAddresses: readonly string[];
  /** A tainted authority of ours is in the chain, or it leads to no root but tainted ones. */
  readonly tainted: boolean;
}

export interface PresentedCertificate {
  /** Key identifier of the authority that signed it, lower hex; empty when the certificate does not say. */
  readonly authorityId: string;
  /** Lower-case hex, no leading zeros. */
  readonly serial: string;
}

/** No caller at all: no certificate, or one that proves nothing. */
export interface UnknownPeer {
  readonly kind: "unknown";
  readonly errorKind: Extract<ErrorKind, "denied" | "unauthenticated">;
  readonly why: string;
  /** AGENT_EXPIRED when expiry alone is what is wrong. */
  readonly reason?: string;
}

/**
 * The own trust domain's X.509 authorities, parsed once for each sequence of its bundle, and those of any set of ours
 * that are lost.
 */
export class TrustedRoots {
  readonly #bundle: () => Bundle;
  readonly #lost: () => LostAuthorities;
  #parsed: RootSet | undefined;

  /** @param lost the same object until it changes */
  constructor(bundle: () => Bundle, lost: () => LostAuthorities) {
    this.#bundle = bundle;
    this.#lost = lost;
  }

  /** The same object until something in it changes. */
  current(): RootSet {
    const bundle = this.#bundle();
    const lost = this.#lost();
    const held = this.#parsed;
    if (held?.sequence === bundle.sequence && held.lost === lost) return held;
    const all = bundle.x509Authorities.flatMap(({ der, tainted }) => {
      const certificate = parseAuthority(der);
      return certificate === undefined ? [] : [{ certificate, tainted }];
    });
    this.#parsed = {
      trustDomain: bundle.trustDomain,
      sequence: bundle.sequence,
      all: all.map(({ certificate }) => certificate),
      sound: all.filter(({ tainted }) => !tainted).map(({ certificate }) => certificate),
      lost,
    };
    return this.#parsed;
  }
}

export interface RootSet {
  readonly trustDomain: string;
  readonly sequence: number;
  readonly all: readonly Certificate[];
  /** Those that are not tainted. */
  readonly sound: readonly Certificate[];
  readonly lost: LostAuthorities;
}

interface Verdict {
  readonly peer: Peer;
  readonly roots: RootSet;
  readonly from: EpochSeconds;
  readonly until: EpochSeconds;
}

/**
 * One connection's identity. The chain is verified against the bundle of today: again when the bundle changes, and
 * when the time for which the last verdict holds is over.
 */
export class PeerIdentity {
  readonly #leafFirst: readonly Uint8Array[];
  readonly #roots: TrustedRoots;
  readonly #clock: Clock;
  #chain: readonly Certificate[] | undefined;
  #verdict: Verdict | undefined;

  /** @param leafFirst DER certificates as presented; empty when there was none */
  constructor(leafFirst: readonly Uint8Array[], roots: TrustedRoots, clock: Clock) {
    this.#leafFirst = leafFirst;
    this.#roots = roots;
    this.#clock = clock;
  }

  async resolve(): Promise<Peer> {
    const now = epochSeconds(this.#clock);
    const roots = this.#roots.current();
    const held = this.#verdict;
    if (held?.roots === roots && held.from <= now && now <= held.until) {
      return held.peer;
    }
    const peer = await this.#verify(roots, now);
    const until = peer.kind === "known" ? lastMoment(this.#chain ?? [], roots.all, now) : now;
    this.#verdict = { peer, roots, from: now, until };
    return peer;
  }

  async #verify(roots: RootSet, now: EpochSeconds): Promise<Peer> {
    if (this.#leafFirst.length === 0) {
      return { kind: "unknown", errorKind: "denied", why: "no client certificate was presented" };
    }
    try {
      this.#chain ??= parsePresented(this.#leafFirst);
    } catch (thrown) {
      return unauthenticated(thrown);
    }
    const chain = this.#chain;
    const [leaf] = chain;
    if (leaf === undefined) throw new TypeError("a presented chain has a leaf");
    let id: SpiffeId;
    try {
      id = checkLeaf(leaf);
    } catch (thrown) {
      return unauthenticated(thrown);
    }
    if (id.trustDomain.name !== roots.trustDomain) {
      return distrusted("client certificate is of another trust domain");
    }
    if (!(await chainsTo(chain, roots.all, now))) {
      if (now > leaf.notAfter && (await chainsTo(chain, roots.all, leaf.notAfter))) {
        return { ...distrusted("client certificate has expired"), reason: "AGENT_EXPIRED" };
      }
      return distrusted("client certificate is not trusted");
    }
    const loss = worstLoss(chain, roots.lost);
    // As below a root that was taken out of the bundle.
    if (loss === "revoked") return distrusted("client certificate is not trusted");
    const tainted = loss === "tainted" || !(await chainsTo(chain, roots.sound, now));
    const { serial, notAfter: expiresAt, ipAddresses } = leaf;
    const presented = chain.map(({ authorityKeyId: authorityId = "", serial: number }) => ({
      authorityId,
      serial: number,
    }));
    return { kind: "known", id, serial, presented, expiresAt, ipAddresses, tainted };
  }
}

/** One authority that cannot be read is trusted by nobody and spoils no other. */
function parseAuthority(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch {
    return undefined;
  }
}

function parsePresented(leafFirst: readonly Uint8Array[]): readonly Certificate[] {
  if (leafFirst.length > MAX_CHAIN_LENGTH) {
    throw fail("unauthenticated", `client certificate chain is longer than ${MAX_CHAIN_LENGTH}`);
  }
  return leafFirst.map((der) => {
    if (der.length > MAX_CERTIFICATE_BYTES) {
      throw fail("unauthenticated", "client certificate is too large");
    }
    return parseCertificate(der);
  });
}

async function chainsTo(
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  at: EpochSeconds,
): Promise<boolean> {
  try {
    await verifyChain(chain, roots, at);
    return true;
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.kind === "internal") throw error;
    return false; // why exactly is nothing that a stranger has to know
  }
}

/** The last second for which a verdict holds: some certificate it may rest on expires then. */
function lastMoment(
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  now: EpochSeconds,
): EpochSeconds {
  const ends = [...chain, ...roots].map(({ notAfter }) => notAfter).filter((end) => end >= now);
  return Math.min(...ends);
}

function unauthenticated(thrown: unknown): UnknownPeer {
  const error = errorFrom(thrown);
  if (error.kind === "internal") throw error;
  const why = `client certificate is no X.509-SVID: ${error.message}`;
  return { kind: "unknown", errorKind: "unauthenticated", why };
}

function distrusted(why: string): UnknownPeer {
  return { kind: "unknown", errorKind: "denied", why };
}

/** As many as peerCertificates returns. */
const MAX_CHAIN_LENGTH = 16;
const MAX_CERTIFICATE_BYTES = 64 * 1024;
