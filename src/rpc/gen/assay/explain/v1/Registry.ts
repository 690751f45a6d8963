// Original file: proto/assay/explain/v1/explain.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { NearestRequest as _assay_explain_v1_NearestRequest, NearestRequest__Output as _assay_explain_v1_NearestRequest__Output } from '../../../assay/explain/v1/NearestRequest.ts';
import type { NearestResponse as _assay_explain_v1_NearestResponse, NearestResponse__Output as _assay_explain_v1_NearestResponse__Output } from '../../../assay/explain/v1/NearestResponse.ts';

/**
 * What the server adds to an agent's answer.
 */
export interface RegistryClient extends grpc.Client {
  /**
   * Entries that would give something to a workload with these selectors, if they were this agent's, valid and known to
   * it. Agents; for the eyes of who administers the agent, never for a workload.
   */
  Nearest(argument: _assay_explain_v1_NearestRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  Nearest(argument: _assay_explain_v1_NearestRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  Nearest(argument: _assay_explain_v1_NearestRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  Nearest(argument: _assay_explain_v1_NearestRequest, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Entries that would give something to a workload with these selectors, if they were this agent's, valid and known to
   * it. Agents; for the eyes of who administers the agent, never for a workload.
   */
  nearest(argument: _assay_explain_v1_NearestRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  nearest(argument: _assay_explain_v1_NearestRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  nearest(argument: _assay_explain_v1_NearestRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  nearest(argument: _assay_explain_v1_NearestRequest, callback: grpc.requestCallback<_assay_explain_v1_NearestResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * What the server adds to an agent's answer.
 */
export interface RegistryHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Entries that would give something to a workload with these selectors, if they were this agent's, valid and known to
   * it. Agents; for the eyes of who administers the agent, never for a workload.
   */
  Nearest: grpc.handleUnaryCall<_assay_explain_v1_NearestRequest__Output, _assay_explain_v1_NearestResponse>;
  
}

export interface RegistryDefinition extends grpc.ServiceDefinition {
  Nearest: MethodDefinition<_assay_explain_v1_NearestRequest, _assay_explain_v1_NearestResponse, _assay_explain_v1_NearestRequest__Output, _assay_explain_v1_NearestResponse__Output>
}
