// Original file: proto/spire/api/types/x509svid.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Long } from '@grpc/proto-loader';

export interface X509SVID {
  /**
   * DER, leaf first; roots are left out.
   */
  'cert_chain'?: (Buffer | Uint8Array | string)[];
  'id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * Seconds since 1970.
   */
  'expires_at'?: (number | string | Long);
  /**
   * Lets a workload with several SVIDs tell them apart.
   */
  'hint'?: (string);
}

export interface X509SVID__Output {
  /**
   * DER, leaf first; roots are left out.
   */
  'cert_chain': (Buffer)[];
  'id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * Seconds since 1970.
   */
  'expires_at': (string);
  /**
   * Lets a workload with several SVIDs tell them apart.
   */
  'hint': (string);
}
