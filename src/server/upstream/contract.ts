/**
 * Who signs a set's X.509 authorities: the set itself, files, another server, a PKI service, or an operator who takes
 * requests to a safe machine. Each implementation that answers by itself passes test/server/upstream/conformance.ts.
 */
import type { EpochSeconds } from "../../base/clock.ts";
import type { Signer } from "../../keys/contract.ts";
import type { JwtAuthority, X509Authority } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";

/** A new X.509 authority of ours that is to be signed. */
export interface CaRequest {
  /** The new authority's key, which stays where it is: it signs the request, and at `self` the certificate. */
  readonly key: Signer;
  readonly trustDomain: TrustDomain;
  /** Name of an authority set beside the trust domain's own, whose authorities have no SPIFFE ID; absent: the own one. */
  readonly set?: string;
  readonly now: EpochSeconds;
  /** Seconds that are asked for; an upstream may give less. */
  readonly ttlSeconds: number;
}

/** What an upstream signed, believed by nobody before ca/check-signed-ca.ts has looked at it. */
export interface SignedCa {
  /** DER, the new authority first, then those between it and the root; a root is only in it when it is the new one. */
  readonly chain: readonly Uint8Array[];
  /** DER, at least one: what verifiers of the new authority's SVIDs are to trust. */
  readonly roots: readonly Uint8Array[];
}

/** Signs X.509 authorities; it may be away for hours, as the next one is asked for long before it is needed. */
export interface UpstreamAuthority extends AsyncDisposable {
  /** For messages, logs and metrics: `self`, `disk`, `vault`, `nested`. */
  readonly name: string;
  /** How its own certificate is renewed, where that is known: an operator's steps, for a message. */
  readonly renewal?: string;
  /**
   * Has the key signed as a certificate authority. What comes back is checked by the caller (ca/check-signed-ca.ts).
   * @throws unavailable, deadline when it may do later; denied, precondition, invalid when somebody has to do something
   */
  sign(request: CaRequest, signal: AbortSignal): Promise<SignedCa>;
}

/** What an upstream says verifiers are to trust. */
export interface UpstreamBundle {
  readonly x509Authorities: readonly X509Authority[];
  readonly jwtAuthorities: readonly JwtAuthority[];
}

/** Of upstreams that tell when their roots change. */
export interface UpstreamWatch {
  /** Between two looks, milliseconds. */
  readonly pollMs: number;
  /** It tells the bundle of the whole trust domain: what was tainted in it and is gone was revoked. */
  readonly isWhole: boolean;
  /** @throws as `sign` does */
  look(signal: AbortSignal): Promise<UpstreamBundle>;
}

/** Of upstreams that are servers of the same trust domain: what JWT keys sign must verify at theirs, too. */
export interface UpstreamJwtKeys {
  /** Resolves when the key is in the upstream's bundle. @throws as `sign` does */
  publish(key: JwtAuthority, signal: AbortSignal): Promise<void>;
}

/** An upstream with whatever else it can do. */
export interface Upstream {
  readonly authority: UpstreamAuthority;
  readonly watch?: UpstreamWatch;
  readonly jwtKeys?: UpstreamJwtKeys;
}

/** Requests are carried to the root by hand: nothing is signed when asked. */
export const OFFLINE = "offline";
