// Original file: proto/assay/acme/v1/acme.proto


export interface DeleteExternalAccountRequest {
  'key_id'?: (string);
}

export interface DeleteExternalAccountRequest__Output {
  'key_id': (string);
}
