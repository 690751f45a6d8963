/** What OIDC relying parties read: OpenID Connect Discovery 1.0 §3 and a JWK Set (RFC 7517 §5). */
import { fail } from "../../../base/errors.ts";
import { signingAlgorithm } from "../../../jwt/compact.ts";
import { jwkFromSpki } from "../../../jwt/jwk.ts";
import { isExperimental } from "../../../keys/contract.ts";
import { keyTypeOfSpki } from "../../../keys/public-key.ts";
import type { Bundle } from "../../../spiffe/bundle.ts";

export interface DiscoveryParams {
  readonly issuer: string;
  readonly jwksUri: string;
}

/**
 * As SPIRE's discovery provider has it, so that what reads that one reads this one too: there is no authorization
 * endpoint, and the empty text stands for one, since some readers demand the member. Subjects are public: everyone is
 * told the same `sub` (§8).
 */
export function discoveryDocument({ issuer, jwksUri }: DiscoveryParams): string {
  return json({
    issuer,
    jwks_uri: jwksUri,
    authorization_endpoint: "",
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256", "ES256", "ES384"],
    claims_supported: ["sub", "aud", "exp", "iat", "iss", "jti"],
  });
}

/**
 * The JWT authorities of a trust domain, tainted ones too: what they signed counts until they are revoked. A key of a
 * type that none of our validators takes is left out, for it would spoil the set for those who read it strictly.
 * @throws unavailable when there is none
 */
export function keySetDocument({ jwtAuthorities }: Bundle): string {
  const keys = jwtAuthorities.flatMap(({ keyId, publicKey }) => {
    const keyType = keyTypeOfSpki(publicKey);
    if (keyType === undefined || isExperimental(keyType)) return [];
    return [{ kid: keyId, alg: signingAlgorithm(keyType), use: "sig", ...jwkFromSpki(publicKey) }];
  });
  if (keys.length === 0) throw fail("unavailable", "there is no jwt authority yet");
  return json({ keys });
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
