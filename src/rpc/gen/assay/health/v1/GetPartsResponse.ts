// Original file: proto/assay/health/v1/health.proto


export interface _assay_health_v1_GetPartsResponse_Part {
  'name'?: (string);
  'serving'?: (boolean);
  /**
   * Why not; empty for a caller that is not the administrator.
   */
  'reason'?: (string);
}

export interface _assay_health_v1_GetPartsResponse_Part__Output {
  'name': (string);
  'serving': (boolean);
  /**
   * Why not; empty for a caller that is not the administrator.
   */
  'reason': (string);
}

export interface GetPartsResponse {
  'parts'?: (_assay_health_v1_GetPartsResponse_Part)[];
}

export interface GetPartsResponse__Output {
  'parts': (_assay_health_v1_GetPartsResponse_Part__Output)[];
}
