// Original file: proto/assay/explain/v1/explain.proto

export const ValueReason = {
  VALUE_REASON_UNSPECIFIED: 'VALUE_REASON_UNSPECIFIED',
  NO_VALUE: 'NO_VALUE',
  /**
   * Different ones: none of them is meant.
   */
  SEVERAL_VALUES: 'SEVERAL_VALUES',
  /**
   * Not exactly one segment of a path, or too long.
   */
  NO_SEGMENT: 'NO_SEGMENT',
} as const;

export type ValueReason =
  | 'VALUE_REASON_UNSPECIFIED'
  | 0
  | 'NO_VALUE'
  | 1
  /**
   * Different ones: none of them is meant.
   */
  | 'SEVERAL_VALUES'
  | 2
  /**
   * Not exactly one segment of a path, or too long.
   */
  | 'NO_SEGMENT'
  | 3

export type ValueReason__Output = typeof ValueReason[keyof typeof ValueReason]
