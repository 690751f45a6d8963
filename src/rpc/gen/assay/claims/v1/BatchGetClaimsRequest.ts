// Original file: proto/assay/claims/v1/claims.proto


export interface BatchGetClaimsRequest {
  'ids'?: (string)[];
}

export interface BatchGetClaimsRequest__Output {
  'ids': (string)[];
}
