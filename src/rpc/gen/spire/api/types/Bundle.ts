// Original file: proto/spire/api/types/bundle.proto

import type { X509Certificate as _spire_api_types_X509Certificate, X509Certificate__Output as _spire_api_types_X509Certificate__Output } from '../../../spire/api/types/X509Certificate.ts';
import type { JWTKey as _spire_api_types_JWTKey, JWTKey__Output as _spire_api_types_JWTKey__Output } from '../../../spire/api/types/JWTKey.ts';
import type { WITKey as _spire_api_types_WITKey, WITKey__Output as _spire_api_types_WITKey__Output } from '../../../spire/api/types/WITKey.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * What verifies the SVIDs of one trust domain.
 */
export interface Bundle {
  /**
   * Name of the trust domain, without the scheme.
   */
  'trust_domain'?: (string);
  'x509_authorities'?: (_spire_api_types_X509Certificate)[];
  'jwt_authorities'?: (_spire_api_types_JWTKey)[];
  /**
   * Seconds between two looks for a newer bundle; 0 is unset.
   */
  'refresh_hint'?: (number | string | Long);
  /**
   * Rises with each change.
   */
  'sequence_number'?: (number | string | Long);
  'wit_authorities'?: (_spire_api_types_WITKey)[];
}

/**
 * What verifies the SVIDs of one trust domain.
 */
export interface Bundle__Output {
  /**
   * Name of the trust domain, without the scheme.
   */
  'trust_domain': (string);
  'x509_authorities': (_spire_api_types_X509Certificate__Output)[];
  'jwt_authorities': (_spire_api_types_JWTKey__Output)[];
  /**
   * Seconds between two looks for a newer bundle; 0 is unset.
   */
  'refresh_hint': (string);
  /**
   * Rises with each change.
   */
  'sequence_number': (string);
  'wit_authorities': (_spire_api_types_WITKey__Output)[];
}
