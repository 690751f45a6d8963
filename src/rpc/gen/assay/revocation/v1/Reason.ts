// Original file: proto/assay/revocation/v1/revocation.proto

/**
 * Named as in RFC 5280, section 5.3.1.
 */
export const Reason = {
  UNSPECIFIED: 'UNSPECIFIED',
  KEY_COMPROMISE: 'KEY_COMPROMISE',
  AFFILIATION_CHANGED: 'AFFILIATION_CHANGED',
  SUPERSEDED: 'SUPERSEDED',
  CESSATION_OF_OPERATION: 'CESSATION_OF_OPERATION',
  PRIVILEGE_WITHDRAWN: 'PRIVILEGE_WITHDRAWN',
} as const;

/**
 * Named as in RFC 5280, section 5.3.1.
 */
export type Reason =
  | 'UNSPECIFIED'
  | 0
  | 'KEY_COMPROMISE'
  | 1
  | 'AFFILIATION_CHANGED'
  | 3
  | 'SUPERSEDED'
  | 4
  | 'CESSATION_OF_OPERATION'
  | 5
  | 'PRIVILEGE_WITHDRAWN'
  | 9

/**
 * Named as in RFC 5280, section 5.3.1.
 */
export type Reason__Output = typeof Reason[keyof typeof Reason]
