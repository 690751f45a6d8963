// Original file: proto/spire/api/server/entry/v1/entry.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../../../spire/api/types/Status.ts';
import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../../../spire/api/types/Entry.ts';

export interface _spire_api_server_entry_v1_BatchCreateEntryResponse_Result {
  /**
   * ALREADY_EXISTS comes with the entry that is in the way.
   */
  'status'?: (_spire_api_types_Status | null);
  'entry'?: (_spire_api_types_Entry | null);
}

export interface _spire_api_server_entry_v1_BatchCreateEntryResponse_Result__Output {
  /**
   * ALREADY_EXISTS comes with the entry that is in the way.
   */
  'status': (_spire_api_types_Status__Output | null);
  'entry': (_spire_api_types_Entry__Output | null);
}

export interface BatchCreateEntryResponse {
  /**
   * In the order of the request.
   */
  'results'?: (_spire_api_server_entry_v1_BatchCreateEntryResponse_Result)[];
}

export interface BatchCreateEntryResponse__Output {
  /**
   * In the order of the request.
   */
  'results': (_spire_api_server_entry_v1_BatchCreateEntryResponse_Result__Output)[];
}
