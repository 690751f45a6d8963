// Original file: proto/assay/explain/v1/explain.proto

export const Verdict = {
  VERDICT_UNSPECIFIED: 'VERDICT_UNSPECIFIED',
  /**
   * At least one entry gives it an identity.
   */
  SERVED: 'SERVED',
  /**
   * Every attestor failed.
   */
  NOT_ATTESTED: 'NOT_ATTESTED',
  /**
   * The agent has heard nothing from the server yet, or lacks the entry that the server has for it.
   */
  NOT_SYNCED: 'NOT_SYNCED',
  /**
   * No entry of this agent matches.
   */
  NO_ENTRY: 'NO_ENTRY',
} as const;

export type Verdict =
  | 'VERDICT_UNSPECIFIED'
  | 0
  /**
   * At least one entry gives it an identity.
   */
  | 'SERVED'
  | 1
  /**
   * Every attestor failed.
   */
  | 'NOT_ATTESTED'
  | 2
  /**
   * The agent has heard nothing from the server yet, or lacks the entry that the server has for it.
   */
  | 'NOT_SYNCED'
  | 3
  /**
   * No entry of this agent matches.
   */
  | 'NO_ENTRY'
  | 4

export type Verdict__Output = typeof Verdict[keyof typeof Verdict]
