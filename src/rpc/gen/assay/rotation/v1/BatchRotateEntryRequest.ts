// Original file: proto/assay/rotation/v1/rotation.proto


export interface BatchRotateEntryRequest {
  'ids'?: (string)[];
}

export interface BatchRotateEntryRequest__Output {
  'ids': (string)[];
}
