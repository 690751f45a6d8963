// Original file: proto/assay/certificate/v1/certificate.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface NewCertificateResponse {
  /**
   * ASN.1 DER, leaf first, without the root.
   */
  'chain'?: (Buffer | Uint8Array | string)[];
  /**
   * ASN.1 DER: authorities that such chains end at, those of before and those to come among them.
   */
  'bundle'?: (Buffer | Uint8Array | string)[];
  /**
   * Lower-case hex.
   */
  'serial'?: (string);
  /**
   * Seconds since 1970.
   */
  'not_before'?: (number | string | Long);
  'expires_at'?: (number | string | Long);
  /**
   * In the certificate; absent when another set than the trust domain's own has signed it.
   */
  'spiffe_id'?: (_spire_api_types_SPIFFEID | null);
  'dns_names'?: (string)[];
  'ip_addresses'?: (string)[];
  /**
   * ASN.1 DER: authorities of the server's own certificate, where `bundle` does not hold them: another set has signed.
   */
  'server_bundle'?: (Buffer | Uint8Array | string)[];
}

export interface NewCertificateResponse__Output {
  /**
   * ASN.1 DER, leaf first, without the root.
   */
  'chain': (Buffer)[];
  /**
   * ASN.1 DER: authorities that such chains end at, those of before and those to come among them.
   */
  'bundle': (Buffer)[];
  /**
   * Lower-case hex.
   */
  'serial': (string);
  /**
   * Seconds since 1970.
   */
  'not_before': (string);
  'expires_at': (string);
  /**
   * In the certificate; absent when another set than the trust domain's own has signed it.
   */
  'spiffe_id': (_spire_api_types_SPIFFEID__Output | null);
  'dns_names': (string)[];
  'ip_addresses': (string)[];
  /**
   * ASN.1 DER: authorities of the server's own certificate, where `bundle` does not hold them: another set has signed.
   */
  'server_bundle': (Buffer)[];
}
