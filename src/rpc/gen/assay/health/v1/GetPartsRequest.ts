// Original file: proto/assay/health/v1/health.proto


export interface GetPartsRequest {
}

export interface GetPartsRequest__Output {
}
