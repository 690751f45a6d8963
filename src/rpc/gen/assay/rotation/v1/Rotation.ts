// Original file: proto/assay/rotation/v1/rotation.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BatchRotateAgentRequest as _assay_rotation_v1_BatchRotateAgentRequest, BatchRotateAgentRequest__Output as _assay_rotation_v1_BatchRotateAgentRequest__Output } from '../../../assay/rotation/v1/BatchRotateAgentRequest.ts';
import type { BatchRotateAgentResponse as _assay_rotation_v1_BatchRotateAgentResponse, BatchRotateAgentResponse__Output as _assay_rotation_v1_BatchRotateAgentResponse__Output } from '../../../assay/rotation/v1/BatchRotateAgentResponse.ts';
import type { BatchRotateEntryRequest as _assay_rotation_v1_BatchRotateEntryRequest, BatchRotateEntryRequest__Output as _assay_rotation_v1_BatchRotateEntryRequest__Output } from '../../../assay/rotation/v1/BatchRotateEntryRequest.ts';
import type { BatchRotateEntryResponse as _assay_rotation_v1_BatchRotateEntryResponse, BatchRotateEntryResponse__Output as _assay_rotation_v1_BatchRotateEntryResponse__Output } from '../../../assay/rotation/v1/BatchRotateEntryResponse.ts';

/**
 * New SVIDs before their time, without tainting anything. What was signed before goes on verifying until it ends.
 */
export interface RotationClient extends grpc.Client {
  /**
   * These agents replace all that they hold, their own SVIDs too; one that is away does so when it comes back.
   * Agents that poll are not told, and `told` says which follow. Local and admin.
   */
  BatchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  BatchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  BatchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  BatchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  /**
   * These agents replace all that they hold, their own SVIDs too; one that is away does so when it comes back.
   * Agents that poll are not told, and `told` says which follow. Local and admin.
   */
  batchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  batchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  batchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  batchRotateAgent(argument: _assay_rotation_v1_BatchRotateAgentRequest, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateAgentResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * All agents that hold SVIDs of these entries have new ones made. The entry's revision rises, which a SPIRE agent
   * takes as a reason to do the same. Local and admin.
   */
  BatchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  /**
   * All agents that hold SVIDs of these entries have new ones made. The entry's revision rises, which a SPIRE agent
   * takes as a reason to do the same. Local and admin.
   */
  batchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchRotateEntry(argument: _assay_rotation_v1_BatchRotateEntryRequest, callback: grpc.requestCallback<_assay_rotation_v1_BatchRotateEntryResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * New SVIDs before their time, without tainting anything. What was signed before goes on verifying until it ends.
 */
export interface RotationHandlers extends grpc.UntypedServiceImplementation {
  /**
   * These agents replace all that they hold, their own SVIDs too; one that is away does so when it comes back.
   * Agents that poll are not told, and `told` says which follow. Local and admin.
   */
  BatchRotateAgent: grpc.handleUnaryCall<_assay_rotation_v1_BatchRotateAgentRequest__Output, _assay_rotation_v1_BatchRotateAgentResponse>;
  
  /**
   * All agents that hold SVIDs of these entries have new ones made. The entry's revision rises, which a SPIRE agent
   * takes as a reason to do the same. Local and admin.
   */
  BatchRotateEntry: grpc.handleUnaryCall<_assay_rotation_v1_BatchRotateEntryRequest__Output, _assay_rotation_v1_BatchRotateEntryResponse>;
  
}

export interface RotationDefinition extends grpc.ServiceDefinition {
  BatchRotateAgent: MethodDefinition<_assay_rotation_v1_BatchRotateAgentRequest, _assay_rotation_v1_BatchRotateAgentResponse, _assay_rotation_v1_BatchRotateAgentRequest__Output, _assay_rotation_v1_BatchRotateAgentResponse__Output>
  BatchRotateEntry: MethodDefinition<_assay_rotation_v1_BatchRotateEntryRequest, _assay_rotation_v1_BatchRotateEntryResponse, _assay_rotation_v1_BatchRotateEntryRequest__Output, _assay_rotation_v1_BatchRotateEntryResponse__Output>
}
