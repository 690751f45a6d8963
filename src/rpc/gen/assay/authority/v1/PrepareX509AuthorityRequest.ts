// Original file: proto/assay/authority/v1/authority.proto


export interface PrepareX509AuthorityRequest {
  'set'?: (string);
}

export interface PrepareX509AuthorityRequest__Output {
  'set': (string);
}
