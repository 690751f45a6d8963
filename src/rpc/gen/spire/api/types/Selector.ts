// Original file: proto/spire/api/types/selector.proto


/**
 * One attested property, written `type:value` by people.
 */
export interface Selector {
  'type'?: (string);
  'value'?: (string);
}

/**
 * One attested property, written `type:value` by people.
 */
export interface Selector__Output {
  'type': (string);
  'value': (string);
}
