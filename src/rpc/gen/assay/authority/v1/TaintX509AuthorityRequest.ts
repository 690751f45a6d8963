// Original file: proto/assay/authority/v1/authority.proto


export interface TaintX509AuthorityRequest {
  'set'?: (string);
  'authority_id'?: (string);
}

export interface TaintX509AuthorityRequest__Output {
  'set': (string);
  'authority_id': (string);
}
