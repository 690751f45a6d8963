// Original file: proto/assay/provision/v1/provision.proto


export interface DeleteApiTokenRequest {
  'name'?: (string);
}

export interface DeleteApiTokenRequest__Output {
  'name': (string);
}
