// Original file: proto/assay/acme/v1/acme.proto


export interface CreateExternalAccountRequest {
  'entry_id'?: (string);
  'names'?: (string)[];
  'networks'?: (string)[];
  'reusable'?: (boolean);
  /**
   * Seconds; 0: a week, or without an end when it is reusable.
   */
  'ttl'?: (number);
}

export interface CreateExternalAccountRequest__Output {
  'entry_id': (string);
  'names': (string)[];
  'networks': (string)[];
  'reusable': (boolean);
  /**
   * Seconds; 0: a week, or without an end when it is reusable.
   */
  'ttl': (number);
}
