// Original file: proto/assay/federation/v1/federation.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListRelationshipsRequest as _assay_federation_v1_ListRelationshipsRequest, ListRelationshipsRequest__Output as _assay_federation_v1_ListRelationshipsRequest__Output } from '../../../assay/federation/v1/ListRelationshipsRequest.ts';
import type { ListRelationshipsResponse as _assay_federation_v1_ListRelationshipsResponse, ListRelationshipsResponse__Output as _assay_federation_v1_ListRelationshipsResponse__Output } from '../../../assay/federation/v1/ListRelationshipsResponse.ts';

/**
 * How foreign bundles are being kept; SPIRE's TrustDomain service has no place for that, nor for what a server's
 * configuration file says.
 */
export interface FederationClient extends grpc.Client {
  /**
   * By trust domain. Local and admin.
   */
  ListRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  ListRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  ListRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  ListRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * By trust domain. Local and admin.
   */
  listRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  listRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  listRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  listRelationships(argument: _assay_federation_v1_ListRelationshipsRequest, callback: grpc.requestCallback<_assay_federation_v1_ListRelationshipsResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * How foreign bundles are being kept; SPIRE's TrustDomain service has no place for that, nor for what a server's
 * configuration file says.
 */
export interface FederationHandlers extends grpc.UntypedServiceImplementation {
  /**
   * By trust domain. Local and admin.
   */
  ListRelationships: grpc.handleUnaryCall<_assay_federation_v1_ListRelationshipsRequest__Output, _assay_federation_v1_ListRelationshipsResponse>;
  
}

export interface FederationDefinition extends grpc.ServiceDefinition {
  ListRelationships: MethodDefinition<_assay_federation_v1_ListRelationshipsRequest, _assay_federation_v1_ListRelationshipsResponse, _assay_federation_v1_ListRelationshipsRequest__Output, _assay_federation_v1_ListRelationshipsResponse__Output>
}
