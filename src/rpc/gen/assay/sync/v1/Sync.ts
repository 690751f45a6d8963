// Original file: proto/assay/sync/v1/sync.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { FollowRequest as _assay_sync_v1_FollowRequest, FollowRequest__Output as _assay_sync_v1_FollowRequest__Output } from '../../../assay/sync/v1/FollowRequest.ts';
import type { FollowResponse as _assay_sync_v1_FollowResponse, FollowResponse__Output as _assay_sync_v1_FollowResponse__Output } from '../../../assay/sync/v1/FollowResponse.ts';

/**
 * How an agent learns what changed in the moment it changes; SPIRE's API has polling only.
 */
export interface SyncClient extends grpc.Client {
  /**
   * Tells the calling agent what it may serve, then each change of that, until one of the two ends the stream. The
   * server ends it with PERMISSION_DENIED and its reason when the agent is banned, evicted or expired, and with
   * UNAVAILABLE when the agent is to come again. Agents.
   */
  Follow(argument: _assay_sync_v1_FollowRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_sync_v1_FollowResponse__Output>;
  Follow(argument: _assay_sync_v1_FollowRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_sync_v1_FollowResponse__Output>;
  /**
   * Tells the calling agent what it may serve, then each change of that, until one of the two ends the stream. The
   * server ends it with PERMISSION_DENIED and its reason when the agent is banned, evicted or expired, and with
   * UNAVAILABLE when the agent is to come again. Agents.
   */
  follow(argument: _assay_sync_v1_FollowRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_sync_v1_FollowResponse__Output>;
  follow(argument: _assay_sync_v1_FollowRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_sync_v1_FollowResponse__Output>;
  
}

/**
 * How an agent learns what changed in the moment it changes; SPIRE's API has polling only.
 */
export interface SyncHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Tells the calling agent what it may serve, then each change of that, until one of the two ends the stream. The
   * server ends it with PERMISSION_DENIED and its reason when the agent is banned, evicted or expired, and with
   * UNAVAILABLE when the agent is to come again. Agents.
   */
  Follow: grpc.handleServerStreamingCall<_assay_sync_v1_FollowRequest__Output, _assay_sync_v1_FollowResponse>;
  
}

export interface SyncDefinition extends grpc.ServiceDefinition {
  Follow: MethodDefinition<_assay_sync_v1_FollowRequest, _assay_sync_v1_FollowResponse, _assay_sync_v1_FollowRequest__Output, _assay_sync_v1_FollowResponse__Output>
}
