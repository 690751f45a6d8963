// Original file: proto/spire/api/server/debug/v1/debug.proto


export interface GetInfoRequest {
}

export interface GetInfoRequest__Output {
}
