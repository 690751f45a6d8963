// Original file: proto/spire/api/server/trustdomain/v1/trustdomain.proto

import type { FederationRelationship as _spire_api_types_FederationRelationship, FederationRelationship__Output as _spire_api_types_FederationRelationship__Output } from '../../../../../spire/api/types/FederationRelationship.ts';

export interface ListFederationRelationshipsResponse {
  'federation_relationships'?: (_spire_api_types_FederationRelationship)[];
  /**
   * Empty on the last page.
   */
  'next_page_token'?: (string);
}

export interface ListFederationRelationshipsResponse__Output {
  'federation_relationships': (_spire_api_types_FederationRelationship__Output)[];
  /**
   * Empty on the last page.
   */
  'next_page_token': (string);
}
