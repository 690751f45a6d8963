// Original file: proto/assay/provision/v1/provision.proto


export interface DeleteApiTokenResponse {
}

export interface DeleteApiTokenResponse__Output {
}
