// Original file: proto/assay/authority/v1/authority.proto

export const Slot = {
  SLOT_UNSPECIFIED: 'SLOT_UNSPECIFIED',
  /**
   * Published, signs nothing yet.
   */
  PREPARED: 'PREPARED',
  /**
   * The only one that signs.
   */
  ACTIVE: 'ACTIVE',
  /**
   * Published until it ends; what it signed verifies.
   */
  OLD: 'OLD',
  /**
   * Not signed yet: its request is with the offline root.
   */
  REQUESTED: 'REQUESTED',
} as const;

export type Slot =
  | 'SLOT_UNSPECIFIED'
  | 0
  /**
   * Published, signs nothing yet.
   */
  | 'PREPARED'
  | 1
  /**
   * The only one that signs.
   */
  | 'ACTIVE'
  | 2
  /**
   * Published until it ends; what it signed verifies.
   */
  | 'OLD'
  | 3
  /**
   * Not signed yet: its request is with the offline root.
   */
  | 'REQUESTED'
  | 4

export type Slot__Output = typeof Slot[keyof typeof Slot]
