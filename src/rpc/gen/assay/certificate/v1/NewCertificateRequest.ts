// Original file: proto/assay/certificate/v1/certificate.proto

import type { PodToken as _assay_certificate_v1_PodToken, PodToken__Output as _assay_certificate_v1_PodToken__Output } from '../../../assay/certificate/v1/PodToken.ts';
import type { HeldCertificate as _assay_certificate_v1_HeldCertificate, HeldCertificate__Output as _assay_certificate_v1_HeldCertificate__Output } from '../../../assay/certificate/v1/HeldCertificate.ts';

export interface NewCertificateRequest {
  /**
   * ASN.1 DER PKCS #10 request; of it only the key and the proof that the caller has it count.
   */
  'csr'?: (Buffer | Uint8Array | string);
  'pod'?: (_assay_certificate_v1_PodToken | null);
  /**
   * A signed JWT in compact form, of an issuer in nodeAttestors.oidc with `fetch`.
   */
  'token'?: (string);
  /**
   * As `assay token generate --entry` makes them, for an entry below spiffe://TRUST_DOMAIN/spire/once.
   */
  'one_time_token'?: (string);
  /**
   * Of several entries only the one with this ID.
   */
  'spiffe_id'?: (string);
  /**
   * A part of what is allowed; empty: all of it.
   */
  'dns_names'?: (string)[];
  /**
   * Empty: those of the pod, and else none.
   */
  'ip_addresses'?: (string)[];
  /**
   * Seconds; 0: what the server has for it, which is the most.
   */
  'ttl'?: (number);
  /**
   * A certificate that was given for a one-time token or for such a certificate, where it is no X.509-SVID.
   */
  'certificate'?: (_assay_certificate_v1_HeldCertificate | null);
  /**
   * For NewCertificateByToken one of these.
   */
  'proof'?: "pod"|"token"|"one_time_token"|"certificate";
}

export interface NewCertificateRequest__Output {
  /**
   * ASN.1 DER PKCS #10 request; of it only the key and the proof that the caller has it count.
   */
  'csr': (Buffer);
  'pod'?: (_assay_certificate_v1_PodToken__Output | null);
  /**
   * A signed JWT in compact form, of an issuer in nodeAttestors.oidc with `fetch`.
   */
  'token'?: (string);
  /**
   * As `assay token generate --entry` makes them, for an entry below spiffe://TRUST_DOMAIN/spire/once.
   */
  'one_time_token'?: (string);
  /**
   * Of several entries only the one with this ID.
   */
  'spiffe_id': (string);
  /**
   * A part of what is allowed; empty: all of it.
   */
  'dns_names': (string)[];
  /**
   * Empty: those of the pod, and else none.
   */
  'ip_addresses': (string)[];
  /**
   * Seconds; 0: what the server has for it, which is the most.
   */
  'ttl': (number);
  /**
   * A certificate that was given for a one-time token or for such a certificate, where it is no X.509-SVID.
   */
  'certificate'?: (_assay_certificate_v1_HeldCertificate__Output | null);
  /**
   * For NewCertificateByToken one of these.
   */
  'proof'?: "pod"|"token"|"one_time_token"|"certificate";
}
