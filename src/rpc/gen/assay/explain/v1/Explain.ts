// Original file: proto/assay/explain/v1/explain.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ExplainPidRequest as _assay_explain_v1_ExplainPidRequest, ExplainPidRequest__Output as _assay_explain_v1_ExplainPidRequest__Output } from '../../../assay/explain/v1/ExplainPidRequest.ts';
import type { ExplainPidResponse as _assay_explain_v1_ExplainPidResponse, ExplainPidResponse__Output as _assay_explain_v1_ExplainPidResponse__Output } from '../../../assay/explain/v1/ExplainPidResponse.ts';

/**
 * Why a process on this host has the identities it has, and no others. An agent's admin socket alone offers it.
 */
export interface ExplainClient extends grpc.Client {
  /**
   * NOT_FOUND when there is no such process, or it ends while it is looked at.
   */
  ExplainPid(argument: _assay_explain_v1_ExplainPidRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  ExplainPid(argument: _assay_explain_v1_ExplainPidRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  ExplainPid(argument: _assay_explain_v1_ExplainPidRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  ExplainPid(argument: _assay_explain_v1_ExplainPidRequest, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  /**
   * NOT_FOUND when there is no such process, or it ends while it is looked at.
   */
  explainPid(argument: _assay_explain_v1_ExplainPidRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  explainPid(argument: _assay_explain_v1_ExplainPidRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  explainPid(argument: _assay_explain_v1_ExplainPidRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  explainPid(argument: _assay_explain_v1_ExplainPidRequest, callback: grpc.requestCallback<_assay_explain_v1_ExplainPidResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Why a process on this host has the identities it has, and no others. An agent's admin socket alone offers it.
 */
export interface ExplainHandlers extends grpc.UntypedServiceImplementation {
  /**
   * NOT_FOUND when there is no such process, or it ends while it is looked at.
   */
  ExplainPid: grpc.handleUnaryCall<_assay_explain_v1_ExplainPidRequest__Output, _assay_explain_v1_ExplainPidResponse>;
  
}

export interface ExplainDefinition extends grpc.ServiceDefinition {
  ExplainPid: MethodDefinition<_assay_explain_v1_ExplainPidRequest, _assay_explain_v1_ExplainPidResponse, _assay_explain_v1_ExplainPidRequest__Output, _assay_explain_v1_ExplainPidResponse__Output>
}
