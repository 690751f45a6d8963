// Original file: proto/assay/certificate/v1/certificate.proto


export interface PodToken {
  /**
   * As the server's configuration names the cluster.
   */
  'cluster'?: (string);
  /**
   * A projected service account token.
   */
  'token'?: (string);
}

export interface PodToken__Output {
  /**
   * As the server's configuration names the cluster.
   */
  'cluster': (string);
  /**
   * A projected service account token.
   */
  'token': (string);
}
