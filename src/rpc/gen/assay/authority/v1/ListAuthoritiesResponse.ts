// Original file: proto/assay/authority/v1/authority.proto

import type { Slot as _assay_authority_v1_Slot, Slot__Output as _assay_authority_v1_Slot__Output } from '../../../assay/authority/v1/Slot.ts';
import type { Long } from '@grpc/proto-loader';

export interface _assay_authority_v1_ListAuthoritiesResponse_Item {
  /**
   * As the steps of LocalAuthority take it.
   */
  'authority_id'?: (string);
  'slot'?: (_assay_authority_v1_Slot);
  /**
   * Only an old one may be: agents replace what it signed.
   */
  'tainted'?: (boolean);
  /**
   * Unix time.
   */
  'created_at'?: (number | string | Long);
  'expires_at'?: (number | string | Long);
  /**
   * Hexadecimal subject key id of the root above it; empty for one that is its own root.
   */
  'upstream_authority_subject_key_id'?: (string);
  /**
   * Likewise, of the roots that other chains of the same key lead to.
   */
  'alternate_root_subject_key_ids'?: (string)[];
  /**
   * Of the same chains, in the same order: when the first link of each ends, Unix time.
   */
  'alternate_expires_at'?: (number | string | Long)[];
}

export interface _assay_authority_v1_ListAuthoritiesResponse_Item__Output {
  /**
   * As the steps of LocalAuthority take it.
   */
  'authority_id': (string);
  'slot': (_assay_authority_v1_Slot__Output);
  /**
   * Only an old one may be: agents replace what it signed.
   */
  'tainted': (boolean);
  /**
   * Unix time.
   */
  'created_at': (string);
  'expires_at': (string);
  /**
   * Hexadecimal subject key id of the root above it; empty for one that is its own root.
   */
  'upstream_authority_subject_key_id': (string);
  /**
   * Likewise, of the roots that other chains of the same key lead to.
   */
  'alternate_root_subject_key_ids': (string)[];
  /**
   * Of the same chains, in the same order: when the first link of each ends, Unix time.
   */
  'alternate_expires_at': (string)[];
}

export interface ListAuthoritiesResponse {
  /**
   * By creation.
   */
  'authorities'?: (_assay_authority_v1_ListAuthoritiesResponse_Item)[];
}

export interface ListAuthoritiesResponse__Output {
  /**
   * By creation.
   */
  'authorities': (_assay_authority_v1_ListAuthoritiesResponse_Item__Output)[];
}
