// Original file: proto/assay/jwt/v1/jwt.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BatchNewJWTSVIDRequest as _assay_jwt_v1_BatchNewJWTSVIDRequest, BatchNewJWTSVIDRequest__Output as _assay_jwt_v1_BatchNewJWTSVIDRequest__Output } from '../../../assay/jwt/v1/BatchNewJWTSVIDRequest.ts';
import type { BatchNewJWTSVIDResponse as _assay_jwt_v1_BatchNewJWTSVIDResponse, BatchNewJWTSVIDResponse__Output as _assay_jwt_v1_BatchNewJWTSVIDResponse__Output } from '../../../assay/jwt/v1/BatchNewJWTSVIDResponse.ts';

/**
 * JWT-SVIDs of several workloads at once: SPIRE's API has a call for each.
 */
export interface TokensClient extends grpc.Client {
  /**
   * As spire.api.server.svid.v1.SVID/NewJWTSVID for each of the params. Agents.
   */
  BatchNewJWTSVID(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  BatchNewJWTSVID(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  BatchNewJWTSVID(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  BatchNewJWTSVID(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  /**
   * As spire.api.server.svid.v1.SVID/NewJWTSVID for each of the params. Agents.
   */
  batchNewJwtsvid(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  batchNewJwtsvid(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  batchNewJwtsvid(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  batchNewJwtsvid(argument: _assay_jwt_v1_BatchNewJWTSVIDRequest, callback: grpc.requestCallback<_assay_jwt_v1_BatchNewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * JWT-SVIDs of several workloads at once: SPIRE's API has a call for each.
 */
export interface TokensHandlers extends grpc.UntypedServiceImplementation {
  /**
   * As spire.api.server.svid.v1.SVID/NewJWTSVID for each of the params. Agents.
   */
  BatchNewJWTSVID: grpc.handleUnaryCall<_assay_jwt_v1_BatchNewJWTSVIDRequest__Output, _assay_jwt_v1_BatchNewJWTSVIDResponse>;
  
}

export interface TokensDefinition extends grpc.ServiceDefinition {
  BatchNewJWTSVID: MethodDefinition<_assay_jwt_v1_BatchNewJWTSVIDRequest, _assay_jwt_v1_BatchNewJWTSVIDResponse, _assay_jwt_v1_BatchNewJWTSVIDRequest__Output, _assay_jwt_v1_BatchNewJWTSVIDResponse__Output>
}
