// Original file: proto/assay/entry/v1/plan.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CheckEntriesRequest as _assay_entry_v1_CheckEntriesRequest, CheckEntriesRequest__Output as _assay_entry_v1_CheckEntriesRequest__Output } from '../../../assay/entry/v1/CheckEntriesRequest.ts';
import type { CheckEntriesResponse as _assay_entry_v1_CheckEntriesResponse, CheckEntriesResponse__Output as _assay_entry_v1_CheckEntriesResponse__Output } from '../../../assay/entry/v1/CheckEntriesResponse.ts';

/**
 * What the registry would say to changes. SPIRE's API has no way to ask.
 */
export interface PlanClient extends grpc.Client {
  /**
   * Goes through the changes as BatchCreateEntry, BatchUpdateEntry, BatchSetTemplate and BatchSetClaims would, all of them one after the
   * other, and takes them back. Local and admin.
   */
  CheckEntries(argument: _assay_entry_v1_CheckEntriesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  CheckEntries(argument: _assay_entry_v1_CheckEntriesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  CheckEntries(argument: _assay_entry_v1_CheckEntriesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  CheckEntries(argument: _assay_entry_v1_CheckEntriesRequest, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Goes through the changes as BatchCreateEntry, BatchUpdateEntry, BatchSetTemplate and BatchSetClaims would, all of them one after the
   * other, and takes them back. Local and admin.
   */
  checkEntries(argument: _assay_entry_v1_CheckEntriesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  checkEntries(argument: _assay_entry_v1_CheckEntriesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  checkEntries(argument: _assay_entry_v1_CheckEntriesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  checkEntries(argument: _assay_entry_v1_CheckEntriesRequest, callback: grpc.requestCallback<_assay_entry_v1_CheckEntriesResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * What the registry would say to changes. SPIRE's API has no way to ask.
 */
export interface PlanHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Goes through the changes as BatchCreateEntry, BatchUpdateEntry, BatchSetTemplate and BatchSetClaims would, all of them one after the
   * other, and takes them back. Local and admin.
   */
  CheckEntries: grpc.handleUnaryCall<_assay_entry_v1_CheckEntriesRequest__Output, _assay_entry_v1_CheckEntriesResponse>;
  
}

export interface PlanDefinition extends grpc.ServiceDefinition {
  CheckEntries: MethodDefinition<_assay_entry_v1_CheckEntriesRequest, _assay_entry_v1_CheckEntriesResponse, _assay_entry_v1_CheckEntriesRequest__Output, _assay_entry_v1_CheckEntriesResponse__Output>
}
