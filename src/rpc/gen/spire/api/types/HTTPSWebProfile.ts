// Original file: proto/spire/api/types/federationrelationship.proto


/**
 * The endpoint shows a certificate of the web PKI.
 */
export interface HTTPSWebProfile {
}

/**
 * The endpoint shows a certificate of the web PKI.
 */
export interface HTTPSWebProfile__Output {
}
