// Original file: proto/spire/api/server/svid/v1/svid.proto


export interface NewDownstreamX509CAResponse {
  /**
   * DER, the new authority first.
   */
  'ca_cert_chain'?: (Buffer | Uint8Array | string)[];
  /**
   * The trust domain's roots, DER, one certificate each.
   */
  'x509_authorities'?: (Buffer | Uint8Array | string)[];
}

export interface NewDownstreamX509CAResponse__Output {
  /**
   * DER, the new authority first.
   */
  'ca_cert_chain': (Buffer)[];
  /**
   * The trust domain's roots, DER, one certificate each.
   */
  'x509_authorities': (Buffer)[];
}
