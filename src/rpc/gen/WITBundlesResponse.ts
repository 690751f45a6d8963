// Original file: proto/workload.proto


export interface WITBundlesResponse {
  /**
   * Own and foreign, by trust domain ID; a JWK Set each.
   */
  'bundles'?: ({[key: string]: string});
}

export interface WITBundlesResponse__Output {
  /**
   * Own and foreign, by trust domain ID; a JWK Set each.
   */
  'bundles': ({[key: string]: string});
}
