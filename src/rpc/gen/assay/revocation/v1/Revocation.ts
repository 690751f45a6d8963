// Original file: proto/assay/revocation/v1/revocation.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListCRLsRequest as _assay_revocation_v1_ListCRLsRequest, ListCRLsRequest__Output as _assay_revocation_v1_ListCRLsRequest__Output } from '../../../assay/revocation/v1/ListCRLsRequest.ts';
import type { ListCRLsResponse as _assay_revocation_v1_ListCRLsResponse, ListCRLsResponse__Output as _assay_revocation_v1_ListCRLsResponse__Output } from '../../../assay/revocation/v1/ListCRLsResponse.ts';
import type { ListRevocationsRequest as _assay_revocation_v1_ListRevocationsRequest, ListRevocationsRequest__Output as _assay_revocation_v1_ListRevocationsRequest__Output } from '../../../assay/revocation/v1/ListRevocationsRequest.ts';
import type { ListRevocationsResponse as _assay_revocation_v1_ListRevocationsResponse, ListRevocationsResponse__Output as _assay_revocation_v1_ListRevocationsResponse__Output } from '../../../assay/revocation/v1/ListRevocationsResponse.ts';
import type { RevokeX509SVIDRequest as _assay_revocation_v1_RevokeX509SVIDRequest, RevokeX509SVIDRequest__Output as _assay_revocation_v1_RevokeX509SVIDRequest__Output } from '../../../assay/revocation/v1/RevokeX509SVIDRequest.ts';
import type { RevokeX509SVIDResponse as _assay_revocation_v1_RevokeX509SVIDResponse, RevokeX509SVIDResponse__Output as _assay_revocation_v1_RevokeX509SVIDResponse__Output } from '../../../assay/revocation/v1/RevokeX509SVIDResponse.ts';

/**
 * Ends single X.509-SVIDs before their time; SPIRE's API can only taint the authority that signed them.
 */
export interface RevocationClient extends grpc.Client {
  /**
   * The present revocation lists, one of each authority. Local and admin.
   */
  ListCRLs(argument: _assay_revocation_v1_ListCRLsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  ListCRLs(argument: _assay_revocation_v1_ListCRLsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  ListCRLs(argument: _assay_revocation_v1_ListCRLsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  ListCRLs(argument: _assay_revocation_v1_ListCRLsRequest, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * The present revocation lists, one of each authority. Local and admin.
   */
  listCrLs(argument: _assay_revocation_v1_ListCRLsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  listCrLs(argument: _assay_revocation_v1_ListCRLsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  listCrLs(argument: _assay_revocation_v1_ListCRLsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  listCrLs(argument: _assay_revocation_v1_ListCRLsRequest, callback: grpc.requestCallback<_assay_revocation_v1_ListCRLsResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * What is revoked, oldest first. Local and admin.
   */
  ListRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  ListRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  ListRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  ListRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * What is revoked, oldest first. Local and admin.
   */
  listRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  listRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  listRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  listRevocations(argument: _assay_revocation_v1_ListRevocationsRequest, callback: grpc.requestCallback<_assay_revocation_v1_ListRevocationsResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Revoked SVIDs stand in the revocation list of their authority, are no callers of this server any more, and the
   * agents that hold them have new ones made. FAILED_PRECONDITION while the operator has not turned revocation on;
   * NOT_FOUND when nothing fits. Local and admin.
   */
  RevokeX509SVID(argument: _assay_revocation_v1_RevokeX509SVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  RevokeX509SVID(argument: _assay_revocation_v1_RevokeX509SVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  RevokeX509SVID(argument: _assay_revocation_v1_RevokeX509SVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  RevokeX509SVID(argument: _assay_revocation_v1_RevokeX509SVIDRequest, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Revoked SVIDs stand in the revocation list of their authority, are no callers of this server any more, and the
   * agents that hold them have new ones made. FAILED_PRECONDITION while the operator has not turned revocation on;
   * NOT_FOUND when nothing fits. Local and admin.
   */
  revokeX509Svid(argument: _assay_revocation_v1_RevokeX509SVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  revokeX509Svid(argument: _assay_revocation_v1_RevokeX509SVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  revokeX509Svid(argument: _assay_revocation_v1_RevokeX509SVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  revokeX509Svid(argument: _assay_revocation_v1_RevokeX509SVIDRequest, callback: grpc.requestCallback<_assay_revocation_v1_RevokeX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Ends single X.509-SVIDs before their time; SPIRE's API can only taint the authority that signed them.
 */
export interface RevocationHandlers extends grpc.UntypedServiceImplementation {
  /**
   * The present revocation lists, one of each authority. Local and admin.
   */
  ListCRLs: grpc.handleUnaryCall<_assay_revocation_v1_ListCRLsRequest__Output, _assay_revocation_v1_ListCRLsResponse>;
  
  /**
   * What is revoked, oldest first. Local and admin.
   */
  ListRevocations: grpc.handleUnaryCall<_assay_revocation_v1_ListRevocationsRequest__Output, _assay_revocation_v1_ListRevocationsResponse>;
  
  /**
   * Revoked SVIDs stand in the revocation list of their authority, are no callers of this server any more, and the
   * agents that hold them have new ones made. FAILED_PRECONDITION while the operator has not turned revocation on;
   * NOT_FOUND when nothing fits. Local and admin.
   */
  RevokeX509SVID: grpc.handleUnaryCall<_assay_revocation_v1_RevokeX509SVIDRequest__Output, _assay_revocation_v1_RevokeX509SVIDResponse>;
  
}

export interface RevocationDefinition extends grpc.ServiceDefinition {
  ListCRLs: MethodDefinition<_assay_revocation_v1_ListCRLsRequest, _assay_revocation_v1_ListCRLsResponse, _assay_revocation_v1_ListCRLsRequest__Output, _assay_revocation_v1_ListCRLsResponse__Output>
  ListRevocations: MethodDefinition<_assay_revocation_v1_ListRevocationsRequest, _assay_revocation_v1_ListRevocationsResponse, _assay_revocation_v1_ListRevocationsRequest__Output, _assay_revocation_v1_ListRevocationsResponse__Output>
  RevokeX509SVID: MethodDefinition<_assay_revocation_v1_RevokeX509SVIDRequest, _assay_revocation_v1_RevokeX509SVIDResponse, _assay_revocation_v1_RevokeX509SVIDRequest__Output, _assay_revocation_v1_RevokeX509SVIDResponse__Output>
}
