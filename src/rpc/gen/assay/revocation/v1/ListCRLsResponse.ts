// Original file: proto/assay/revocation/v1/revocation.proto

import type { Long } from '@grpc/proto-loader';

export interface _assay_revocation_v1_ListCRLsResponse_Item {
  'authority_id'?: (string);
  'number'?: (number | string | Long);
  /**
   * Unix time.
   */
  'next_update'?: (number | string | Long);
  /**
   * DER.
   */
  'crl'?: (Buffer | Uint8Array | string);
}

export interface _assay_revocation_v1_ListCRLsResponse_Item__Output {
  'authority_id': (string);
  'number': (string);
  /**
   * Unix time.
   */
  'next_update': (string);
  /**
   * DER.
   */
  'crl': (Buffer);
}

export interface ListCRLsResponse {
  /**
   * By authority. None while revocation is off.
   */
  'crls'?: (_assay_revocation_v1_ListCRLsResponse_Item)[];
}

export interface ListCRLsResponse__Output {
  /**
   * By authority. None while revocation is off.
   */
  'crls': (_assay_revocation_v1_ListCRLsResponse_Item__Output)[];
}
