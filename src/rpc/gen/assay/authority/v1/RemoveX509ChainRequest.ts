// Original file: proto/assay/authority/v1/authority.proto


export interface RemoveX509ChainRequest {
  'set'?: (string);
  /**
   * Hexadecimal subject key id of that root.
   */
  'root_subject_key_id'?: (string);
}

export interface RemoveX509ChainRequest__Output {
  'set': (string);
  /**
   * Hexadecimal subject key id of that root.
   */
  'root_subject_key_id': (string);
}
