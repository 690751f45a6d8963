// Original file: proto/spire/api/server/svid/v1/svid.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../../../spire/api/types/SPIFFEID.ts';

export interface MintWITSVIDRequest {
  'id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * SubjectPublicKeyInfo, DER.
   */
  'public_key'?: (Buffer | Uint8Array | string);
  /**
   * Seconds; 0 is the server's default.
   */
  'ttl'?: (number);
  /**
   * JWS name of the algorithm the key's holder will sign with.
   */
  'signing_algorithm'?: (string);
}

export interface MintWITSVIDRequest__Output {
  'id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * SubjectPublicKeyInfo, DER.
   */
  'public_key': (Buffer);
  /**
   * Seconds; 0 is the server's default.
   */
  'ttl': (number);
  /**
   * JWS name of the algorithm the key's holder will sign with.
   */
  'signing_algorithm': (string);
}
