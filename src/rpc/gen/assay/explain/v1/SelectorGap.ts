// Original file: proto/assay/explain/v1/explain.proto


/**
 * Selectors that an attestor could not find out for this process.
 */
export interface SelectorGap {
  'names'?: (string)[];
  'reason'?: (string);
}

/**
 * Selectors that an attestor could not find out for this process.
 */
export interface SelectorGap__Output {
  'names': (string)[];
  'reason': (string);
}
