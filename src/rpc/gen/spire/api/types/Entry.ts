// Original file: proto/spire/api/types/entry.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';
import type { Long } from '@grpc/proto-loader';

export interface _spire_api_types_Entry_AdditionalAttributes {
  /**
   * Agents make the X.509-SVID when first asked for, not ahead.
   */
  'disable_x509_svid_prefetch'?: (boolean);
  /**
   * JWT-SVIDs carry a `jti` claim.
   */
  'jwt_svid_include_jti'?: (boolean);
}

export interface _spire_api_types_Entry_AdditionalAttributes__Output {
  /**
   * Agents make the X.509-SVID when first asked for, not ahead.
   */
  'disable_x509_svid_prefetch': (boolean);
  /**
   * JWT-SVIDs carry a `jti` claim.
   */
  'jwt_svid_include_jti': (boolean);
}

/**
 * A registration entry: who (selectors, under a parent) gets which SPIFFE ID.
 */
export interface Entry {
  /**
   * Unique; made by the server unless given.
   */
  'id'?: (string);
  'spiffe_id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * The agent, or a node alias, that may ask for it.
   */
  'parent_id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * All of them must be found at the workload.
   */
  'selectors'?: (_spire_api_types_Selector)[];
  /**
   * Seconds; 0 is the server's default.
   */
  'x509_svid_ttl'?: (number);
  /**
   * Names of trust domains whose bundles the workload sees.
   */
  'federates_with'?: (string)[];
  /**
   * May call the server as an administrator.
   */
  'admin'?: (boolean);
  /**
   * May ask for a certificate authority of its own.
   */
  'downstream'?: (boolean);
  /**
   * Seconds since 1970; 0 is never.
   */
  'expires_at'?: (number | string | Long);
  /**
   * The first one also becomes the common name.
   */
  'dns_names'?: (string)[];
  /**
   * Rises with each change.
   */
  'revision_number'?: (number | string | Long);
  /**
   * The agent puts the SVID into a store instead of serving it.
   */
  'store_svid'?: (boolean);
  /**
   * Seconds; 0 is the server's default.
   */
  'jwt_svid_ttl'?: (number);
  /**
   * Lets a workload with several SVIDs tell them apart.
   */
  'hint'?: (string);
  /**
   * Seconds since 1970.
   */
  'created_at'?: (number | string | Long);
  'additional_attributes'?: (_spire_api_types_Entry_AdditionalAttributes | null);
  '_additional_attributes'?: "additional_attributes";
}

/**
 * A registration entry: who (selectors, under a parent) gets which SPIFFE ID.
 */
export interface Entry__Output {
  /**
   * Unique; made by the server unless given.
   */
  'id': (string);
  'spiffe_id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * The agent, or a node alias, that may ask for it.
   */
  'parent_id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * All of them must be found at the workload.
   */
  'selectors': (_spire_api_types_Selector__Output)[];
  /**
   * Seconds; 0 is the server's default.
   */
  'x509_svid_ttl': (number);
  /**
   * Names of trust domains whose bundles the workload sees.
   */
  'federates_with': (string)[];
  /**
   * May call the server as an administrator.
   */
  'admin': (boolean);
  /**
   * May ask for a certificate authority of its own.
   */
  'downstream': (boolean);
  /**
   * Seconds since 1970; 0 is never.
   */
  'expires_at': (string);
  /**
   * The first one also becomes the common name.
   */
  'dns_names': (string)[];
  /**
   * Rises with each change.
   */
  'revision_number': (string);
  /**
   * The agent puts the SVID into a store instead of serving it.
   */
  'store_svid': (boolean);
  /**
   * Seconds; 0 is the server's default.
   */
  'jwt_svid_ttl': (number);
  /**
   * Lets a workload with several SVIDs tell them apart.
   */
  'hint': (string);
  /**
   * Seconds since 1970.
   */
  'created_at': (string);
  'additional_attributes'?: (_spire_api_types_Entry_AdditionalAttributes__Output | null);
  '_additional_attributes'?: "additional_attributes";
}
