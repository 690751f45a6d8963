// Original file: proto/spire/api/server/entry/v1/entry.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../../../spire/api/types/SPIFFEID.ts';
import type { SelectorMatch as _spire_api_types_SelectorMatch, SelectorMatch__Output as _spire_api_types_SelectorMatch__Output } from '../../../../../spire/api/types/SelectorMatch.ts';
import type { FederatesWithMatch as _spire_api_types_FederatesWithMatch, FederatesWithMatch__Output as _spire_api_types_FederatesWithMatch__Output } from '../../../../../spire/api/types/FederatesWithMatch.ts';
import type { StringValue as _google_protobuf_StringValue, StringValue__Output as _google_protobuf_StringValue__Output } from '../../../../../google/protobuf/StringValue.ts';
import type { BoolValue as _google_protobuf_BoolValue, BoolValue__Output as _google_protobuf_BoolValue__Output } from '../../../../../google/protobuf/BoolValue.ts';

export interface _spire_api_server_entry_v1_CountEntriesRequest_Filter {
  'by_spiffe_id'?: (_spire_api_types_SPIFFEID | null);
  'by_parent_id'?: (_spire_api_types_SPIFFEID | null);
  'by_selectors'?: (_spire_api_types_SelectorMatch | null);
  'by_federates_with'?: (_spire_api_types_FederatesWithMatch | null);
  'by_hint'?: (_google_protobuf_StringValue | null);
  'by_downstream'?: (_google_protobuf_BoolValue | null);
}

export interface _spire_api_server_entry_v1_CountEntriesRequest_Filter__Output {
  'by_spiffe_id': (_spire_api_types_SPIFFEID__Output | null);
  'by_parent_id': (_spire_api_types_SPIFFEID__Output | null);
  'by_selectors': (_spire_api_types_SelectorMatch__Output | null);
  'by_federates_with': (_spire_api_types_FederatesWithMatch__Output | null);
  'by_hint': (_google_protobuf_StringValue__Output | null);
  'by_downstream': (_google_protobuf_BoolValue__Output | null);
}

export interface CountEntriesRequest {
  'filter'?: (_spire_api_server_entry_v1_CountEntriesRequest_Filter | null);
}

export interface CountEntriesRequest__Output {
  'filter': (_spire_api_server_entry_v1_CountEntriesRequest_Filter__Output | null);
}
