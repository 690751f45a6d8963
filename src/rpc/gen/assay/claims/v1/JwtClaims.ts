// Original file: proto/assay/claims/v1/claims.proto


export interface JwtClaims {
  /**
   * A JSON object: claims by name. In texts {{TYPE.NAME}} stands for the value of one of the entry's selectors,
   * {{spiffe_id}}, {{path}} and others for what the entry says. Empty: none.
   */
  'json'?: (string);
}

export interface JwtClaims__Output {
  /**
   * A JSON object: claims by name. In texts {{TYPE.NAME}} stands for the value of one of the entry's selectors,
   * {{spiffe_id}}, {{path}} and others for what the entry says. Empty: none.
   */
  'json': (string);
}
