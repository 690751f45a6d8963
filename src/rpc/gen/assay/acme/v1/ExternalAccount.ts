// Original file: proto/assay/acme/v1/acme.proto

import type { Long } from '@grpc/proto-loader';

export interface ExternalAccount {
  'key_id'?: (string);
  /**
   * Registration entry whose SPIFFE ID its accounts may have; empty: none.
   */
  'entry_id'?: (string);
  /**
   * Rules for DNS names, as frontends.acme.names.dns has them. With neither names nor networks: the DNS names of the
   * entry, or what the server's configuration lists.
   */
  'names'?: (string)[];
  'networks'?: (string)[];
  /**
   * More than one account may be bound.
   */
  'reusable'?: (boolean);
  /**
   * Unix time after which no account can be bound; 0: never.
   */
  'expires_at'?: (number | string | Long);
  /**
   * Unix time.
   */
  'created_at'?: (number | string | Long);
  /**
   * How many accounts were bound.
   */
  'accounts'?: (number);
}

export interface ExternalAccount__Output {
  'key_id': (string);
  /**
   * Registration entry whose SPIFFE ID its accounts may have; empty: none.
   */
  'entry_id': (string);
  /**
   * Rules for DNS names, as frontends.acme.names.dns has them. With neither names nor networks: the DNS names of the
   * entry, or what the server's configuration lists.
   */
  'names': (string)[];
  'networks': (string)[];
  /**
   * More than one account may be bound.
   */
  'reusable': (boolean);
  /**
   * Unix time after which no account can be bound; 0: never.
   */
  'expires_at': (string);
  /**
   * Unix time.
   */
  'created_at': (string);
  /**
   * How many accounts were bound.
   */
  'accounts': (number);
}
