// Original file: proto/assay/provision/v1/provision.proto


export interface WithdrawResponse {
  'count'?: (number);
}

export interface WithdrawResponse__Output {
  'count': (number);
}
