// Original file: proto/spiffe/broker/broker.proto


export interface SubscribeToJWTBundlesResponse {
  /**
   * By trust domain ID; a JWK Set each.
   */
  'bundles'?: ({[key: string]: Buffer | Uint8Array | string});
}

export interface SubscribeToJWTBundlesResponse__Output {
  /**
   * By trust domain ID; a JWK Set each.
   */
  'bundles': ({[key: string]: Buffer});
}
