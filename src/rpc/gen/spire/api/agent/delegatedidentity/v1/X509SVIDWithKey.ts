// Original file: proto/spire/api/agent/delegatedidentity/v1/delegatedidentity.proto

import type { X509SVID as _spire_api_types_X509SVID, X509SVID__Output as _spire_api_types_X509SVID__Output } from '../../../../../spire/api/types/X509SVID.ts';

export interface X509SVIDWithKey {
  'x509_svid'?: (_spire_api_types_X509SVID | null);
  /**
   * PKCS #8, DER.
   */
  'x509_svid_key'?: (Buffer | Uint8Array | string);
}

export interface X509SVIDWithKey__Output {
  'x509_svid': (_spire_api_types_X509SVID__Output | null);
  /**
   * PKCS #8, DER.
   */
  'x509_svid_key': (Buffer);
}
