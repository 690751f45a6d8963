// Original file: proto/assay/provision/v1/provision.proto


export interface DeleteApiTokenResponse {
  /**
   * Authorizations that were withdrawn with it.
   */
  'withdrawn'?: (number);
}

export interface DeleteApiTokenResponse__Output {
  /**
   * Authorizations that were withdrawn with it.
   */
  'withdrawn': (number);
}
