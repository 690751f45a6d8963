// Original file: proto/assay/token/v1/one_time.proto


export interface CreateOneTimeRequest {
  'entry_id'?: (string);
  /**
   * Seconds in which it can be spent; at least one, at most a week.
   */
  'ttl'?: (number);
}

export interface CreateOneTimeRequest__Output {
  'entry_id': (string);
  /**
   * Seconds in which it can be spent; at least one, at most a week.
   */
  'ttl': (number);
}
