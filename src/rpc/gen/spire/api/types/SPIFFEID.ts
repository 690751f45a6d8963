// Original file: proto/spire/api/types/spiffeid.proto


/**
 * A SPIFFE ID in two parts: `spiffe://<trust_domain><path>`.
 */
export interface SPIFFEID {
  /**
   * Name of the trust domain, without the scheme.
   */
  'trust_domain'?: (string);
  /**
   * Empty, or begins with a slash.
   */
  'path'?: (string);
}

/**
 * A SPIFFE ID in two parts: `spiffe://<trust_domain><path>`.
 */
export interface SPIFFEID__Output {
  /**
   * Name of the trust domain, without the scheme.
   */
  'trust_domain': (string);
  /**
   * Empty, or begins with a slash.
   */
  'path': (string);
}
