// Original file: proto/assay/federation/v1/federation.proto


export interface ListRelationshipsRequest {
  /**
   * Those behind this one; empty = from the first.
   */
  'after'?: (string);
}

export interface ListRelationshipsRequest__Output {
  /**
   * Those behind this one; empty = from the first.
   */
  'after': (string);
}
