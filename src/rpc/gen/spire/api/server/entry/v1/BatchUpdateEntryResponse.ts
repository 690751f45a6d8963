// Original file: proto/spire/api/server/entry/v1/entry.proto

import type { Status as _spire_api_types_Status, Status__Output as _spire_api_types_Status__Output } from '../../../../../spire/api/types/Status.ts';
import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../../../spire/api/types/Entry.ts';

export interface _spire_api_server_entry_v1_BatchUpdateEntryResponse_Result {
  'status'?: (_spire_api_types_Status | null);
  'entry'?: (_spire_api_types_Entry | null);
}

export interface _spire_api_server_entry_v1_BatchUpdateEntryResponse_Result__Output {
  'status': (_spire_api_types_Status__Output | null);
  'entry': (_spire_api_types_Entry__Output | null);
}

export interface BatchUpdateEntryResponse {
  /**
   * In the order of the request.
   */
  'results'?: (_spire_api_server_entry_v1_BatchUpdateEntryResponse_Result)[];
}

export interface BatchUpdateEntryResponse__Output {
  /**
   * In the order of the request.
   */
  'results': (_spire_api_server_entry_v1_BatchUpdateEntryResponse_Result__Output)[];
}
