// Original file: proto/spire/api/server/trustdomain/v1/trustdomain.proto

import type { FederationRelationshipMask as _spire_api_types_FederationRelationshipMask, FederationRelationshipMask__Output as _spire_api_types_FederationRelationshipMask__Output } from '../../../../../spire/api/types/FederationRelationshipMask.ts';

export interface ListFederationRelationshipsRequest {
  'output_mask'?: (_spire_api_types_FederationRelationshipMask | null);
  /**
   * 0 asks for everything at once.
   */
  'page_size'?: (number);
  /**
   * From the previous answer; empty begins anew.
   */
  'page_token'?: (string);
}

export interface ListFederationRelationshipsRequest__Output {
  'output_mask': (_spire_api_types_FederationRelationshipMask__Output | null);
  /**
   * 0 asks for everything at once.
   */
  'page_size': (number);
  /**
   * From the previous answer; empty begins anew.
   */
  'page_token': (string);
}
