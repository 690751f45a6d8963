// Original file: proto/assay/revocation/v1/revocation.proto


export interface ListRevocationsRequest {
}

export interface ListRevocationsRequest__Output {
}
