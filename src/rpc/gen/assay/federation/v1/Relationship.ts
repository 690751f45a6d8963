// Original file: proto/assay/federation/v1/federation.proto

import type { Long } from '@grpc/proto-loader';

export interface Relationship {
  'trust_domain'?: (string);
  'endpoint_url'?: (string);
  /**
   * https_web or https_spiffe.
   */
  'profile'?: (string);
  /**
   * With https_spiffe.
   */
  'endpoint_spiffe_id'?: (string);
  /**
   * It stands in the server's configuration file, and can be changed there alone.
   */
  'configured'?: (boolean);
  /**
   * Whether there is a bundle of the domain, and what it is.
   */
  'has_bundle'?: (boolean);
  'sequence'?: (number | string | Long);
  'refresh_hint'?: (number | string | Long);
  'x509_authorities'?: (number);
  'jwt_authorities'?: (number);
  /**
   * A fetch went well since the server started.
   */
  'fetched'?: (boolean);
  /**
   * Seconds since then; without one since the server began to try.
   */
  'age_seconds'?: (number | string | Long);
  /**
   * Fetches that failed in a row, and why the last one did.
   */
  'failures'?: (number);
  'error'?: (string);
  /**
   * Seconds until the next fetch.
   */
  'next_seconds'?: (number | string | Long);
}

export interface Relationship__Output {
  'trust_domain': (string);
  'endpoint_url': (string);
  /**
   * https_web or https_spiffe.
   */
  'profile': (string);
  /**
   * With https_spiffe.
   */
  'endpoint_spiffe_id': (string);
  /**
   * It stands in the server's configuration file, and can be changed there alone.
   */
  'configured': (boolean);
  /**
   * Whether there is a bundle of the domain, and what it is.
   */
  'has_bundle': (boolean);
  'sequence': (string);
  'refresh_hint': (string);
  'x509_authorities': (number);
  'jwt_authorities': (number);
  /**
   * A fetch went well since the server started.
   */
  'fetched': (boolean);
  /**
   * Seconds since then; without one since the server began to try.
   */
  'age_seconds': (string);
  /**
   * Fetches that failed in a row, and why the last one did.
   */
  'failures': (number);
  'error': (string);
  /**
   * Seconds until the next fetch.
   */
  'next_seconds': (string);
}
