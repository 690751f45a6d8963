// Original file: proto/assay/authority/v1/authority.proto


export interface ActivateX509AuthorityRequest {
  'set'?: (string);
  'authority_id'?: (string);
}

export interface ActivateX509AuthorityRequest__Output {
  'set': (string);
  'authority_id': (string);
}
