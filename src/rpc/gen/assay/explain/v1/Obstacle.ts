// Original file: proto/assay/explain/v1/explain.proto

export const Obstacle = {
  OBSTACLE_UNSPECIFIED: 'OBSTACLE_UNSPECIFIED',
  /**
   * See `missing`.
   */
  SELECTORS: 'SELECTORS',
  /**
   * The parent is not this agent and no alias of it.
   */
  PARENT: 'PARENT',
  EXPIRED: 'EXPIRED',
  /**
   * It groups agents by their node selectors and is no identity: its parent is the server.
   */
  NODE_ALIAS: 'NODE_ALIAS',
  /**
   * The server has it for this agent, which does not hold it, or holds an older revision.
   */
  NOT_HELD: 'NOT_HELD',
  /**
   * Its SVIDs go to a store and never to a workload.
   */
  STORED: 'STORED',
  /**
   * An older matching entry has the same hint.
   */
  SAME_HINT: 'SAME_HINT',
  /**
   * The server signed no SVID when it was asked last.
   */
  NOT_SIGNED: 'NOT_SIGNED',
  /**
   * The server took it away from this agent: deleted, or given to another; see `removed_at`.
   */
  REMOVED: 'REMOVED',
  /**
   * The process lacks a value that the entry's template wants, or has several, or one that is no path segment; see `unfilled`.
   */
  TEMPLATE: 'TEMPLATE',
} as const;

export type Obstacle =
  | 'OBSTACLE_UNSPECIFIED'
  | 0
  /**
   * See `missing`.
   */
  | 'SELECTORS'
  | 1
  /**
   * The parent is not this agent and no alias of it.
   */
  | 'PARENT'
  | 2
  | 'EXPIRED'
  | 3
  /**
   * It groups agents by their node selectors and is no identity: its parent is the server.
   */
  | 'NODE_ALIAS'
  | 4
  /**
   * The server has it for this agent, which does not hold it, or holds an older revision.
   */
  | 'NOT_HELD'
  | 5
  /**
   * Its SVIDs go to a store and never to a workload.
   */
  | 'STORED'
  | 6
  /**
   * An older matching entry has the same hint.
   */
  | 'SAME_HINT'
  | 7
  /**
   * The server signed no SVID when it was asked last.
   */
  | 'NOT_SIGNED'
  | 8
  /**
   * The server took it away from this agent: deleted, or given to another; see `removed_at`.
   */
  | 'REMOVED'
  | 9
  /**
   * The process lacks a value that the entry's template wants, or has several, or one that is no path segment; see `unfilled`.
   */
  | 'TEMPLATE'
  | 10

export type Obstacle__Output = typeof Obstacle[keyof typeof Obstacle]
