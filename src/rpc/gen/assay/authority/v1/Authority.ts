// Original file: proto/assay/authority/v1/authority.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListAuthoritiesRequest as _assay_authority_v1_ListAuthoritiesRequest, ListAuthoritiesRequest__Output as _assay_authority_v1_ListAuthoritiesRequest__Output } from '../../../assay/authority/v1/ListAuthoritiesRequest.ts';
import type { ListAuthoritiesResponse as _assay_authority_v1_ListAuthoritiesResponse, ListAuthoritiesResponse__Output as _assay_authority_v1_ListAuthoritiesResponse__Output } from '../../../assay/authority/v1/ListAuthoritiesResponse.ts';

/**
 * The domain's own authorities, all of them: SPIRE's message has room for one of each state.
 */
export interface AuthorityClient extends grpc.Client {
  /**
   * Local and admin, as SPIRE's LocalAuthority.
   */
  ListAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  ListAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  ListAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  ListAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Local and admin, as SPIRE's LocalAuthority.
   */
  listAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  listAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  listAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  listAuthorities(argument: _assay_authority_v1_ListAuthoritiesRequest, callback: grpc.requestCallback<_assay_authority_v1_ListAuthoritiesResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * The domain's own authorities, all of them: SPIRE's message has room for one of each state.
 */
export interface AuthorityHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Local and admin, as SPIRE's LocalAuthority.
   */
  ListAuthorities: grpc.handleUnaryCall<_assay_authority_v1_ListAuthoritiesRequest__Output, _assay_authority_v1_ListAuthoritiesResponse>;
  
}

export interface AuthorityDefinition extends grpc.ServiceDefinition {
  ListAuthorities: MethodDefinition<_assay_authority_v1_ListAuthoritiesRequest, _assay_authority_v1_ListAuthoritiesResponse, _assay_authority_v1_ListAuthoritiesRequest__Output, _assay_authority_v1_ListAuthoritiesResponse__Output>
}
