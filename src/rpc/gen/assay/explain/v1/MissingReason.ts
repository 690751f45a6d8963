// Original file: proto/assay/explain/v1/explain.proto

export const MissingReason = {
  MISSING_REASON_UNSPECIFIED: 'MISSING_REASON_UNSPECIFIED',
  /**
   * The process has others of the same name.
   */
  DIFFERENT_VALUE: 'DIFFERENT_VALUE',
  /**
   * The attestor knows the name, and the process has none of it.
   */
  ABSENT: 'ABSENT',
  /**
   * No attestor of this agent emits such a name.
   */
  UNKNOWN_NAME: 'UNKNOWN_NAME',
  /**
   * No attestor of this agent emits such a type.
   */
  UNKNOWN_TYPE: 'UNKNOWN_TYPE',
  /**
   * An attestor failed at it.
   */
  UNREADABLE: 'UNREADABLE',
} as const;

export type MissingReason =
  | 'MISSING_REASON_UNSPECIFIED'
  | 0
  /**
   * The process has others of the same name.
   */
  | 'DIFFERENT_VALUE'
  | 1
  /**
   * The attestor knows the name, and the process has none of it.
   */
  | 'ABSENT'
  | 2
  /**
   * No attestor of this agent emits such a name.
   */
  | 'UNKNOWN_NAME'
  | 3
  /**
   * No attestor of this agent emits such a type.
   */
  | 'UNKNOWN_TYPE'
  | 4
  /**
   * An attestor failed at it.
   */
  | 'UNREADABLE'
  | 5

export type MissingReason__Output = typeof MissingReason[keyof typeof MissingReason]
