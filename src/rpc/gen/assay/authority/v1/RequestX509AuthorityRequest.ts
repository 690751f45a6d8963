// Original file: proto/assay/authority/v1/authority.proto


export interface RequestX509AuthorityRequest {
  /**
   * A new key, also when a request is open: what that one is signed for is refused then.
   */
  'renew'?: (boolean);
  'set'?: (string);
}

export interface RequestX509AuthorityRequest__Output {
  /**
   * A new key, also when a request is open: what that one is signed for is refused then.
   */
  'renew': (boolean);
  'set': (string);
}
