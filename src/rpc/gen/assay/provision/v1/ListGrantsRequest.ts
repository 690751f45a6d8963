// Original file: proto/assay/provision/v1/provision.proto


export interface ListGrantsRequest {
  /**
   * At most 1000; 0: 500.
   */
  'page_size'?: (number);
  'page_token'?: (string);
}

export interface ListGrantsRequest__Output {
  /**
   * At most 1000; 0: 500.
   */
  'page_size': (number);
  'page_token': (string);
}
