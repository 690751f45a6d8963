// Original file: proto/assay/provision/v1/provision.proto


export interface ListApiTokensRequest {
}

export interface ListApiTokensRequest__Output {
}
