// Original file: proto/assay/authority/v1/authority.proto


export interface GetX509RootsRequest {
  'set'?: (string);
}

export interface GetX509RootsRequest__Output {
  'set': (string);
}
