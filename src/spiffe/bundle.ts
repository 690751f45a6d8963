import type { EpochSeconds } from "../base/clock.ts";

/** Signs X.509-SVIDs of the domain, or other authorities that do. */
export interface X509Authority {
  /** One DER certificate. */
  readonly der: Uint8Array;
  /** About to be revoked: what it signed is to be replaced, and verifies until then. */
  readonly tainted: boolean;
}

/** Signs JWT-SVIDs of the domain. */
export interface JwtAuthority {
  readonly keyId: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** 0 = unknown. */
  readonly expiresAt: EpochSeconds;
  readonly tainted: boolean;
}

/** The public keys of one trust domain (SPIFFE Trust Domain and Bundle §3). */
export interface Bundle {
  readonly trustDomain: string;
  readonly x509Authorities: readonly X509Authority[];
  readonly jwtAuthorities: readonly JwtAuthority[];
  /** Seconds; 0 = none given. */
  readonly refreshHint: number;
  /** Rises with each change (SPIFFE Trust Domain and Bundle §4.1.1). */
  readonly sequence: number;
  /** DER revocation lists of its X.509 authorities. They travel beside the bundle, not in it: no document has them. */
  readonly crls?: readonly Uint8Array[];
}
