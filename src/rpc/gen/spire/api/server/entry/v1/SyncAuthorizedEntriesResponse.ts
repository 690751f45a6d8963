// Original file: proto/spire/api/server/entry/v1/entry.proto

import type { EntryRevision as _spire_api_server_entry_v1_EntryRevision, EntryRevision__Output as _spire_api_server_entry_v1_EntryRevision__Output } from '../../../../../spire/api/server/entry/v1/EntryRevision.ts';
import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../../../spire/api/types/Entry.ts';

export interface SyncAuthorizedEntriesResponse {
  /**
   * Either these ...
   */
  'entry_revisions'?: (_spire_api_server_entry_v1_EntryRevision)[];
  /**
   * ... or these.
   */
  'entries'?: (_spire_api_types_Entry)[];
  /**
   * This answer goes on in the next message.
   */
  'more'?: (boolean);
}

export interface SyncAuthorizedEntriesResponse__Output {
  /**
   * Either these ...
   */
  'entry_revisions': (_spire_api_server_entry_v1_EntryRevision__Output)[];
  /**
   * ... or these.
   */
  'entries': (_spire_api_types_Entry__Output)[];
  /**
   * This answer goes on in the next message.
   */
  'more': (boolean);
}
