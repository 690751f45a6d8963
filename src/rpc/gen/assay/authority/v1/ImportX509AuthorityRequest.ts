// Original file: proto/assay/authority/v1/authority.proto


export interface ImportX509AuthorityRequest {
  /**
   * DER, in any order: the authority's own, those above it, and the root.
   */
  'certificates'?: (Buffer | Uint8Array | string)[];
  'set'?: (string);
}

export interface ImportX509AuthorityRequest__Output {
  /**
   * DER, in any order: the authority's own, those above it, and the root.
   */
  'certificates': (Buffer)[];
  'set': (string);
}
