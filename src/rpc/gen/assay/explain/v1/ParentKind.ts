// Original file: proto/assay/explain/v1/explain.proto

export const ParentKind = {
  PARENT_KIND_UNSPECIFIED: 'PARENT_KIND_UNSPECIFIED',
  /**
   * Neither an agent nor an entry has this ID.
   */
  NOBODY: 'NOBODY',
  OTHER_AGENT: 'OTHER_AGENT',
  /**
   * A group of agents that this one is not in.
   */
  OTHER_ALIAS: 'OTHER_ALIAS',
  /**
   * An entry that this agent does not serve.
   */
  OTHER_ENTRY: 'OTHER_ENTRY',
  /**
   * All entries with this ID have expired.
   */
  EXPIRED_PARENT: 'EXPIRED_PARENT',
} as const;

export type ParentKind =
  | 'PARENT_KIND_UNSPECIFIED'
  | 0
  /**
   * Neither an agent nor an entry has this ID.
   */
  | 'NOBODY'
  | 1
  | 'OTHER_AGENT'
  | 2
  /**
   * A group of agents that this one is not in.
   */
  | 'OTHER_ALIAS'
  | 3
  /**
   * An entry that this agent does not serve.
   */
  | 'OTHER_ENTRY'
  | 4
  /**
   * All entries with this ID have expired.
   */
  | 'EXPIRED_PARENT'
  | 5

export type ParentKind__Output = typeof ParentKind[keyof typeof ParentKind]
