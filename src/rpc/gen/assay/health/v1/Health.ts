// Original file: proto/assay/health/v1/health.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetPartsRequest as _assay_health_v1_GetPartsRequest, GetPartsRequest__Output as _assay_health_v1_GetPartsRequest__Output } from '../../../assay/health/v1/GetPartsRequest.ts';
import type { GetPartsResponse as _assay_health_v1_GetPartsResponse, GetPartsResponse__Output as _assay_health_v1_GetPartsResponse__Output } from '../../../assay/health/v1/GetPartsResponse.ts';

/**
 * What grpc.health.v1 has one word for: which part does not serve, and why.
 */
export interface HealthClient extends grpc.Client {
  /**
   * On the server's admin socket and on both of an agent's.
   */
  GetParts(argument: _assay_health_v1_GetPartsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  GetParts(argument: _assay_health_v1_GetPartsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  GetParts(argument: _assay_health_v1_GetPartsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  GetParts(argument: _assay_health_v1_GetPartsRequest, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * On the server's admin socket and on both of an agent's.
   */
  getParts(argument: _assay_health_v1_GetPartsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  getParts(argument: _assay_health_v1_GetPartsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  getParts(argument: _assay_health_v1_GetPartsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  getParts(argument: _assay_health_v1_GetPartsRequest, callback: grpc.requestCallback<_assay_health_v1_GetPartsResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * What grpc.health.v1 has one word for: which part does not serve, and why.
 */
export interface HealthHandlers extends grpc.UntypedServiceImplementation {
  /**
   * On the server's admin socket and on both of an agent's.
   */
  GetParts: grpc.handleUnaryCall<_assay_health_v1_GetPartsRequest__Output, _assay_health_v1_GetPartsResponse>;
  
}

export interface HealthDefinition extends grpc.ServiceDefinition {
  GetParts: MethodDefinition<_assay_health_v1_GetPartsRequest, _assay_health_v1_GetPartsResponse, _assay_health_v1_GetPartsRequest__Output, _assay_health_v1_GetPartsResponse__Output>
}
