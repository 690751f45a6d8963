// Original file: proto/spire/api/server/entry/v1/entry.proto

import type { EntryMask as _spire_api_types_EntryMask, EntryMask__Output as _spire_api_types_EntryMask__Output } from '../../../../../spire/api/types/EntryMask.ts';

export interface SyncAuthorizedEntriesRequest {
  /**
   * Only in the first message.
   */
  'output_mask'?: (_spire_api_types_EntryMask | null);
  /**
   * Entries wanted in full; only after the first message.
   */
  'ids'?: (string)[];
}

export interface SyncAuthorizedEntriesRequest__Output {
  /**
   * Only in the first message.
   */
  'output_mask': (_spire_api_types_EntryMask__Output | null);
  /**
   * Entries wanted in full; only after the first message.
   */
  'ids': (string)[];
}
