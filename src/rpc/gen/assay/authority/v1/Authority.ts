// Original file: proto/assay/authority/v1/authority.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ImportX509AuthorityRequest as _assay_authority_v1_ImportX509AuthorityRequest, ImportX509AuthorityRequest__Output as _assay_authority_v1_ImportX509AuthorityRequest__Output } from '../../../assay/authority/v1/ImportX509AuthorityRequest.ts';
import type { ImportX509AuthorityResponse as _assay_authority_v1_ImportX509AuthorityResponse, ImportX509AuthorityResponse__Output as _assay_authority_v1_ImportX509AuthorityResponse__Output } from '../../../assay/authority/v1/ImportX509AuthorityResponse.ts';
import type { ListAuthoritiesRequest as _assay_authority_v1_ListAuthoritiesRequest, ListAuthoritiesRequest__Output as _assay_authority_v1_ListAuthoritiesRequest__Output } from '../../../assay/authority/v1/ListAuthoritiesRequest.ts';
import type { ListAuthoritiesResponse as _assay_authority_v1_ListAuthoritiesResponse, ListAuthoritiesResponse__Output as _assay_authority_v1_ListAuthoritiesResponse__Output } from '../../../assay/authority/v1/ListAuthoritiesResponse.ts';
import type { RequestX509AuthorityRequest as _assay_authority_v1_RequestX509AuthorityRequest, RequestX509AuthorityRequest__Output as _assay_authority_v1_RequestX509AuthorityRequest__Output } from '../../../assay/authority/v1/RequestX509AuthorityRequest.ts';
import type { RequestX509AuthorityResponse as _assay_authority_v1_RequestX509AuthorityResponse, RequestX509AuthorityResponse__Output as _assay_authority_v1_RequestX509AuthorityResponse__Output } from '../../../assay/authority/v1/RequestX509AuthorityResponse.ts';

/**
 * The domain's own authorities, all of them: SPIRE's message has room for one of each state.
 */
export interface AuthorityClient extends grpc.Client {
  ImportX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  ImportX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  ImportX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  ImportX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  importX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  importX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  importX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  importX509Authority(argument: _assay_authority_v1_ImportX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_ImportX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  
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
  
  /**
   * For X.509 authorities below an offline root. Local and admin.
   */
  RequestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  RequestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  RequestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  RequestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  /**
   * For X.509 authorities below an offline root. Local and admin.
   */
  requestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  requestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  requestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  requestX509Authority(argument: _assay_authority_v1_RequestX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_RequestX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * The domain's own authorities, all of them: SPIRE's message has room for one of each state.
 */
export interface AuthorityHandlers extends grpc.UntypedServiceImplementation {
  ImportX509Authority: grpc.handleUnaryCall<_assay_authority_v1_ImportX509AuthorityRequest__Output, _assay_authority_v1_ImportX509AuthorityResponse>;
  
  /**
   * Local and admin, as SPIRE's LocalAuthority.
   */
  ListAuthorities: grpc.handleUnaryCall<_assay_authority_v1_ListAuthoritiesRequest__Output, _assay_authority_v1_ListAuthoritiesResponse>;
  
  /**
   * For X.509 authorities below an offline root. Local and admin.
   */
  RequestX509Authority: grpc.handleUnaryCall<_assay_authority_v1_RequestX509AuthorityRequest__Output, _assay_authority_v1_RequestX509AuthorityResponse>;
  
}

export interface AuthorityDefinition extends grpc.ServiceDefinition {
  ImportX509Authority: MethodDefinition<_assay_authority_v1_ImportX509AuthorityRequest, _assay_authority_v1_ImportX509AuthorityResponse, _assay_authority_v1_ImportX509AuthorityRequest__Output, _assay_authority_v1_ImportX509AuthorityResponse__Output>
  ListAuthorities: MethodDefinition<_assay_authority_v1_ListAuthoritiesRequest, _assay_authority_v1_ListAuthoritiesResponse, _assay_authority_v1_ListAuthoritiesRequest__Output, _assay_authority_v1_ListAuthoritiesResponse__Output>
  RequestX509Authority: MethodDefinition<_assay_authority_v1_RequestX509AuthorityRequest, _assay_authority_v1_RequestX509AuthorityResponse, _assay_authority_v1_RequestX509AuthorityRequest__Output, _assay_authority_v1_RequestX509AuthorityResponse__Output>
}
