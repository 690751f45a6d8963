// Original file: proto/assay/federation/v1/federation.proto

import type { Relationship as _assay_federation_v1_Relationship, Relationship__Output as _assay_federation_v1_Relationship__Output } from '../../../assay/federation/v1/Relationship.ts';

export interface ListRelationshipsResponse {
  'relationships'?: (_assay_federation_v1_Relationship)[];
  /**
   * There are others behind the last one.
   */
  'more'?: (boolean);
}

export interface ListRelationshipsResponse__Output {
  'relationships': (_assay_federation_v1_Relationship__Output)[];
  /**
   * There are others behind the last one.
   */
  'more': (boolean);
}
