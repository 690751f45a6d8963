// Original file: proto/workload.proto


export interface JWTBundlesResponse {
  /**
   * Own and foreign, by trust domain ID; a JWK Set each.
   */
  'bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface JWTBundlesResponse__Output {
  /**
   * Own and foreign, by trust domain ID; a JWK Set each.
   */
  'bundles': ({[key: string]: Buffer});
}
