// Original file: proto/assay/agent/v1/agent.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetHostRequest as _assay_agent_v1_GetHostRequest, GetHostRequest__Output as _assay_agent_v1_GetHostRequest__Output } from '../../../assay/agent/v1/GetHostRequest.ts';
import type { HostFacts as _assay_agent_v1_HostFacts, HostFacts__Output as _assay_agent_v1_HostFacts__Output } from '../../../assay/agent/v1/HostFacts.ts';
import type { ReportHostRequest as _assay_agent_v1_ReportHostRequest, ReportHostRequest__Output as _assay_agent_v1_ReportHostRequest__Output } from '../../../assay/agent/v1/ReportHostRequest.ts';
import type { ReportHostResponse as _assay_agent_v1_ReportHostResponse, ReportHostResponse__Output as _assay_agent_v1_ReportHostResponse__Output } from '../../../assay/agent/v1/ReportHostResponse.ts';

/**
 * What an agent tells of the host it runs on; SPIRE's API has no place for it.
 */
export interface AgentHostClient extends grpc.Client {
  /**
   * NOT_FOUND when the agent has told nothing. Local or admin.
   */
  GetHost(argument: _assay_agent_v1_GetHostRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  GetHost(argument: _assay_agent_v1_GetHostRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  GetHost(argument: _assay_agent_v1_GetHostRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  GetHost(argument: _assay_agent_v1_GetHostRequest, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  /**
   * NOT_FOUND when the agent has told nothing. Local or admin.
   */
  getHost(argument: _assay_agent_v1_GetHostRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  getHost(argument: _assay_agent_v1_GetHostRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  getHost(argument: _assay_agent_v1_GetHostRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  getHost(argument: _assay_agent_v1_GetHostRequest, callback: grpc.requestCallback<_assay_agent_v1_HostFacts__Output>): grpc.ClientUnaryCall;
  
  /**
   * Replaces the facts of the calling agent. Agents.
   */
  ReportHost(argument: _assay_agent_v1_ReportHostRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  ReportHost(argument: _assay_agent_v1_ReportHostRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  ReportHost(argument: _assay_agent_v1_ReportHostRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  ReportHost(argument: _assay_agent_v1_ReportHostRequest, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Replaces the facts of the calling agent. Agents.
   */
  reportHost(argument: _assay_agent_v1_ReportHostRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  reportHost(argument: _assay_agent_v1_ReportHostRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  reportHost(argument: _assay_agent_v1_ReportHostRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  reportHost(argument: _assay_agent_v1_ReportHostRequest, callback: grpc.requestCallback<_assay_agent_v1_ReportHostResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * What an agent tells of the host it runs on; SPIRE's API has no place for it.
 */
export interface AgentHostHandlers extends grpc.UntypedServiceImplementation {
  /**
   * NOT_FOUND when the agent has told nothing. Local or admin.
   */
  GetHost: grpc.handleUnaryCall<_assay_agent_v1_GetHostRequest__Output, _assay_agent_v1_HostFacts>;
  
  /**
   * Replaces the facts of the calling agent. Agents.
   */
  ReportHost: grpc.handleUnaryCall<_assay_agent_v1_ReportHostRequest__Output, _assay_agent_v1_ReportHostResponse>;
  
}

export interface AgentHostDefinition extends grpc.ServiceDefinition {
  GetHost: MethodDefinition<_assay_agent_v1_GetHostRequest, _assay_agent_v1_HostFacts, _assay_agent_v1_GetHostRequest__Output, _assay_agent_v1_HostFacts__Output>
  ReportHost: MethodDefinition<_assay_agent_v1_ReportHostRequest, _assay_agent_v1_ReportHostResponse, _assay_agent_v1_ReportHostRequest__Output, _assay_agent_v1_ReportHostResponse__Output>
}
