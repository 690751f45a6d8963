// Original file: proto/spire/api/types/federationrelationship.proto


/**
 * The endpoint shows an X.509-SVID.
 */
export interface HTTPSSPIFFEProfile {
  'endpoint_spiffe_id'?: (string);
}

/**
 * The endpoint shows an X.509-SVID.
 */
export interface HTTPSSPIFFEProfile__Output {
  'endpoint_spiffe_id': (string);
}
