import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { JWTKey__Output } from "../../rpc/gen/spire/api/types/JWTKey.ts";
import type { X509Certificate__Output } from "../../rpc/gen/spire/api/types/X509Certificate.ts";
import type { JwtAuthority, X509Authority } from "../../spiffe/bundle.ts";
import { type ForeignBundle, MAX_REFRESH_HINT } from "../bundles/foreign-bundle.ts";
import { epochField, integerField } from "./fields.ts";

/** A bundle from a request. The sequence is counted here and cannot be set. */
export function foreignBundle(message: Bundle__Output, trustDomain: string): ForeignBundle {
  return {
    trustDomain,
    x509Authorities: x509AuthoritiesField(message.x509_authorities),
    jwtAuthorities: jwtAuthoritiesField(message.jwt_authorities),
    refreshHint: refreshHintField(message.refresh_hint),
  };
}

/** Whether an authority is tainted is its own domain's to say, not the importer's. */
export function x509AuthoritiesField(
  messages: readonly X509Certificate__Output[],
): readonly X509Authority[] {
  return messages.map(({ asn1 }) => ({ der: asn1, tainted: false }));
}

export function jwtAuthoritiesField(messages: readonly JWTKey__Output[]): readonly JwtAuthority[] {
  return messages.map(({ key_id, public_key, expires_at }, index) => ({
    keyId: key_id,
    publicKey: public_key,
    expiresAt: epochField(`jwt_authorities[${index}].expires_at`, expires_at),
    tainted: false,
  }));
}

export function refreshHintField(text: string): number {
  return integerField("refresh_hint", text, MAX_REFRESH_HINT);
}
