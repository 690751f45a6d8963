// Original file: proto/assay/agent/v1/agent.proto


export interface ReportHostResponse {
}

export interface ReportHostResponse__Output {
}
