// Original file: proto/assay/revocation/v1/revocation.proto


export interface ListCRLsRequest {
}

export interface ListCRLsRequest__Output {
}
