// Original file: proto/assay/authority/v1/authority.proto


export interface RevokeX509AuthorityRequest {
  'set'?: (string);
  'authority_id'?: (string);
}

export interface RevokeX509AuthorityRequest__Output {
  'set': (string);
  'authority_id': (string);
}
