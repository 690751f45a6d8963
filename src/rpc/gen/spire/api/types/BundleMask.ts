// Original file: proto/spire/api/types/bundle.proto


/**
 * Which fields of `Bundle` to fill or change; the trust domain is always there.
 */
export interface BundleMask {
  'x509_authorities'?: (boolean);
  'jwt_authorities'?: (boolean);
  'refresh_hint'?: (boolean);
  'sequence_number'?: (boolean);
  'wit_authorities'?: (boolean);
}

/**
 * Which fields of `Bundle` to fill or change; the trust domain is always there.
 */
export interface BundleMask__Output {
  'x509_authorities': (boolean);
  'jwt_authorities': (boolean);
  'refresh_hint': (boolean);
  'sequence_number': (boolean);
  'wit_authorities': (boolean);
}
