// Original file: proto/assay/provision/v1/provision.proto


export interface WithdrawRequest {
  /**
   * One of the two.
   */
  'token_hash'?: (string);
  /**
   * All of that name.
   */
  'common_name'?: (string);
}

export interface WithdrawRequest__Output {
  /**
   * One of the two.
   */
  'token_hash': (string);
  /**
   * All of that name.
   */
  'common_name': (string);
}
