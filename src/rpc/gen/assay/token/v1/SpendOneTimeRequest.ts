// Original file: proto/assay/token/v1/one_time.proto


export interface SpendOneTimeRequest {
  'token'?: (string);
}

export interface SpendOneTimeRequest__Output {
  'token': (string);
}
