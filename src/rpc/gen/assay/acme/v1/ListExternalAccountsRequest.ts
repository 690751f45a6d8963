// Original file: proto/assay/acme/v1/acme.proto


export interface ListExternalAccountsRequest {
  /**
   * 0: the server's choice.
   */
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListExternalAccountsRequest__Output {
  /**
   * 0: the server's choice.
   */
  'page_size': (number);
  'page_token': (string);
}
