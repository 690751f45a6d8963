// Original file: proto/assay/token/v1/one_time.proto


export interface SpendOneTimeResponse {
  'entry_id'?: (string);
}

export interface SpendOneTimeResponse__Output {
  'entry_id': (string);
}
