// Original file: proto/assay/acme/v1/acme.proto


export interface DeleteExternalAccountResponse {
}

export interface DeleteExternalAccountResponse__Output {
}
