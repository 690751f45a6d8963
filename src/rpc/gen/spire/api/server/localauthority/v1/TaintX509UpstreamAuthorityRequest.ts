// Original file: proto/spire/api/server/localauthority/v1/localauthority.proto


export interface TaintX509UpstreamAuthorityRequest {
  /**
   * Hexadecimal, as is every subject key ID here.
   */
  'subject_key_id'?: (string);
}

export interface TaintX509UpstreamAuthorityRequest__Output {
  /**
   * Hexadecimal, as is every subject key ID here.
   */
  'subject_key_id': (string);
}
