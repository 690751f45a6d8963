// Original file: proto/assay/authority/v1/authority.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ActivateX509AuthorityRequest as _assay_authority_v1_ActivateX509AuthorityRequest, ActivateX509AuthorityRequest__Output as _assay_authority_v1_ActivateX509AuthorityRequest__Output } from '../../../assay/authority/v1/ActivateX509AuthorityRequest.ts';
import type { ActivateX509AuthorityResponse as _assay_authority_v1_ActivateX509AuthorityResponse, ActivateX509AuthorityResponse__Output as _assay_authority_v1_ActivateX509AuthorityResponse__Output } from '../../../assay/authority/v1/ActivateX509AuthorityResponse.ts';
import type { GetX509RootsRequest as _assay_authority_v1_GetX509RootsRequest, GetX509RootsRequest__Output as _assay_authority_v1_GetX509RootsRequest__Output } from '../../../assay/authority/v1/GetX509RootsRequest.ts';
import type { GetX509RootsResponse as _assay_authority_v1_GetX509RootsResponse, GetX509RootsResponse__Output as _assay_authority_v1_GetX509RootsResponse__Output } from '../../../assay/authority/v1/GetX509RootsResponse.ts';
import type { ImportX509AuthorityRequest as _assay_authority_v1_ImportX509AuthorityRequest, ImportX509AuthorityRequest__Output as _assay_authority_v1_ImportX509AuthorityRequest__Output } from '../../../assay/authority/v1/ImportX509AuthorityRequest.ts';
import type { ImportX509AuthorityResponse as _assay_authority_v1_ImportX509AuthorityResponse, ImportX509AuthorityResponse__Output as _assay_authority_v1_ImportX509AuthorityResponse__Output } from '../../../assay/authority/v1/ImportX509AuthorityResponse.ts';
import type { ListAuthoritiesRequest as _assay_authority_v1_ListAuthoritiesRequest, ListAuthoritiesRequest__Output as _assay_authority_v1_ListAuthoritiesRequest__Output } from '../../../assay/authority/v1/ListAuthoritiesRequest.ts';
import type { ListAuthoritiesResponse as _assay_authority_v1_ListAuthoritiesResponse, ListAuthoritiesResponse__Output as _assay_authority_v1_ListAuthoritiesResponse__Output } from '../../../assay/authority/v1/ListAuthoritiesResponse.ts';
import type { PrepareX509AuthorityRequest as _assay_authority_v1_PrepareX509AuthorityRequest, PrepareX509AuthorityRequest__Output as _assay_authority_v1_PrepareX509AuthorityRequest__Output } from '../../../assay/authority/v1/PrepareX509AuthorityRequest.ts';
import type { PrepareX509AuthorityResponse as _assay_authority_v1_PrepareX509AuthorityResponse, PrepareX509AuthorityResponse__Output as _assay_authority_v1_PrepareX509AuthorityResponse__Output } from '../../../assay/authority/v1/PrepareX509AuthorityResponse.ts';
import type { RemoveX509ChainRequest as _assay_authority_v1_RemoveX509ChainRequest, RemoveX509ChainRequest__Output as _assay_authority_v1_RemoveX509ChainRequest__Output } from '../../../assay/authority/v1/RemoveX509ChainRequest.ts';
import type { RemoveX509ChainResponse as _assay_authority_v1_RemoveX509ChainResponse, RemoveX509ChainResponse__Output as _assay_authority_v1_RemoveX509ChainResponse__Output } from '../../../assay/authority/v1/RemoveX509ChainResponse.ts';
import type { RequestX509AuthorityRequest as _assay_authority_v1_RequestX509AuthorityRequest, RequestX509AuthorityRequest__Output as _assay_authority_v1_RequestX509AuthorityRequest__Output } from '../../../assay/authority/v1/RequestX509AuthorityRequest.ts';
import type { RequestX509AuthorityResponse as _assay_authority_v1_RequestX509AuthorityResponse, RequestX509AuthorityResponse__Output as _assay_authority_v1_RequestX509AuthorityResponse__Output } from '../../../assay/authority/v1/RequestX509AuthorityResponse.ts';
import type { RevokeX509AuthorityRequest as _assay_authority_v1_RevokeX509AuthorityRequest, RevokeX509AuthorityRequest__Output as _assay_authority_v1_RevokeX509AuthorityRequest__Output } from '../../../assay/authority/v1/RevokeX509AuthorityRequest.ts';
import type { RevokeX509AuthorityResponse as _assay_authority_v1_RevokeX509AuthorityResponse, RevokeX509AuthorityResponse__Output as _assay_authority_v1_RevokeX509AuthorityResponse__Output } from '../../../assay/authority/v1/RevokeX509AuthorityResponse.ts';
import type { TaintX509AuthorityRequest as _assay_authority_v1_TaintX509AuthorityRequest, TaintX509AuthorityRequest__Output as _assay_authority_v1_TaintX509AuthorityRequest__Output } from '../../../assay/authority/v1/TaintX509AuthorityRequest.ts';
import type { TaintX509AuthorityResponse as _assay_authority_v1_TaintX509AuthorityResponse, TaintX509AuthorityResponse__Output as _assay_authority_v1_TaintX509AuthorityResponse__Output } from '../../../assay/authority/v1/TaintX509AuthorityResponse.ts';

/**
 * The domain's own authorities, all of them (SPIRE's message has room for one of each state), and those of the sets
 * beside it. Where a request has no set, or "trust-domain", it is about the domain's own.
 */
export interface AuthorityClient extends grpc.Client {
  ActivateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  ActivateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  ActivateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  ActivateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  activateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  activateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  activateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  activateX509Authority(argument: _assay_authority_v1_ActivateX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_ActivateX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * What verifiers of a set's certificates have to trust. Local and admin.
   */
  GetX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  GetX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  GetX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  GetX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * What verifiers of a set's certificates have to trust. Local and admin.
   */
  getX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  getX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  getX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  getX509Roots(argument: _assay_authority_v1_GetX509RootsRequest, callback: grpc.requestCallback<_assay_authority_v1_GetX509RootsResponse__Output>): grpc.ClientUnaryCall;
  
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
   * As SPIRE's LocalAuthority does for the domain's own. Local and admin.
   */
  PrepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  PrepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  PrepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  PrepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  /**
   * As SPIRE's LocalAuthority does for the domain's own. Local and admin.
   */
  prepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  prepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  prepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  prepareX509Authority(argument: _assay_authority_v1_PrepareX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_PrepareX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Takes the chains to another root, which cross certificates gave them, from all X.509 authorities of a set. NOT_FOUND
   * when none has one. Local and admin.
   */
  RemoveX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  RemoveX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  RemoveX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  RemoveX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Takes the chains to another root, which cross certificates gave them, from all X.509 authorities of a set. NOT_FOUND
   * when none has one. Local and admin.
   */
  removeX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  removeX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  removeX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  removeX509Chain(argument: _assay_authority_v1_RemoveX509ChainRequest, callback: grpc.requestCallback<_assay_authority_v1_RemoveX509ChainResponse__Output>): grpc.ClientUnaryCall;
  
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
  
  RevokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  RevokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  RevokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  RevokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  revokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  revokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  revokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  revokeX509Authority(argument: _assay_authority_v1_RevokeX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_RevokeX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  
  TaintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  TaintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  TaintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  TaintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  taintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  taintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  taintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  taintX509Authority(argument: _assay_authority_v1_TaintX509AuthorityRequest, callback: grpc.requestCallback<_assay_authority_v1_TaintX509AuthorityResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * The domain's own authorities, all of them (SPIRE's message has room for one of each state), and those of the sets
 * beside it. Where a request has no set, or "trust-domain", it is about the domain's own.
 */
export interface AuthorityHandlers extends grpc.UntypedServiceImplementation {
  ActivateX509Authority: grpc.handleUnaryCall<_assay_authority_v1_ActivateX509AuthorityRequest__Output, _assay_authority_v1_ActivateX509AuthorityResponse>;
  
  /**
   * What verifiers of a set's certificates have to trust. Local and admin.
   */
  GetX509Roots: grpc.handleUnaryCall<_assay_authority_v1_GetX509RootsRequest__Output, _assay_authority_v1_GetX509RootsResponse>;
  
  ImportX509Authority: grpc.handleUnaryCall<_assay_authority_v1_ImportX509AuthorityRequest__Output, _assay_authority_v1_ImportX509AuthorityResponse>;
  
  /**
   * Local and admin, as SPIRE's LocalAuthority.
   */
  ListAuthorities: grpc.handleUnaryCall<_assay_authority_v1_ListAuthoritiesRequest__Output, _assay_authority_v1_ListAuthoritiesResponse>;
  
  /**
   * As SPIRE's LocalAuthority does for the domain's own. Local and admin.
   */
  PrepareX509Authority: grpc.handleUnaryCall<_assay_authority_v1_PrepareX509AuthorityRequest__Output, _assay_authority_v1_PrepareX509AuthorityResponse>;
  
  /**
   * Takes the chains to another root, which cross certificates gave them, from all X.509 authorities of a set. NOT_FOUND
   * when none has one. Local and admin.
   */
  RemoveX509Chain: grpc.handleUnaryCall<_assay_authority_v1_RemoveX509ChainRequest__Output, _assay_authority_v1_RemoveX509ChainResponse>;
  
  /**
   * For X.509 authorities below an offline root. Local and admin.
   */
  RequestX509Authority: grpc.handleUnaryCall<_assay_authority_v1_RequestX509AuthorityRequest__Output, _assay_authority_v1_RequestX509AuthorityResponse>;
  
  RevokeX509Authority: grpc.handleUnaryCall<_assay_authority_v1_RevokeX509AuthorityRequest__Output, _assay_authority_v1_RevokeX509AuthorityResponse>;
  
  TaintX509Authority: grpc.handleUnaryCall<_assay_authority_v1_TaintX509AuthorityRequest__Output, _assay_authority_v1_TaintX509AuthorityResponse>;
  
}

export interface AuthorityDefinition extends grpc.ServiceDefinition {
  ActivateX509Authority: MethodDefinition<_assay_authority_v1_ActivateX509AuthorityRequest, _assay_authority_v1_ActivateX509AuthorityResponse, _assay_authority_v1_ActivateX509AuthorityRequest__Output, _assay_authority_v1_ActivateX509AuthorityResponse__Output>
  GetX509Roots: MethodDefinition<_assay_authority_v1_GetX509RootsRequest, _assay_authority_v1_GetX509RootsResponse, _assay_authority_v1_GetX509RootsRequest__Output, _assay_authority_v1_GetX509RootsResponse__Output>
  ImportX509Authority: MethodDefinition<_assay_authority_v1_ImportX509AuthorityRequest, _assay_authority_v1_ImportX509AuthorityResponse, _assay_authority_v1_ImportX509AuthorityRequest__Output, _assay_authority_v1_ImportX509AuthorityResponse__Output>
  ListAuthorities: MethodDefinition<_assay_authority_v1_ListAuthoritiesRequest, _assay_authority_v1_ListAuthoritiesResponse, _assay_authority_v1_ListAuthoritiesRequest__Output, _assay_authority_v1_ListAuthoritiesResponse__Output>
  PrepareX509Authority: MethodDefinition<_assay_authority_v1_PrepareX509AuthorityRequest, _assay_authority_v1_PrepareX509AuthorityResponse, _assay_authority_v1_PrepareX509AuthorityRequest__Output, _assay_authority_v1_PrepareX509AuthorityResponse__Output>
  RemoveX509Chain: MethodDefinition<_assay_authority_v1_RemoveX509ChainRequest, _assay_authority_v1_RemoveX509ChainResponse, _assay_authority_v1_RemoveX509ChainRequest__Output, _assay_authority_v1_RemoveX509ChainResponse__Output>
  RequestX509Authority: MethodDefinition<_assay_authority_v1_RequestX509AuthorityRequest, _assay_authority_v1_RequestX509AuthorityResponse, _assay_authority_v1_RequestX509AuthorityRequest__Output, _assay_authority_v1_RequestX509AuthorityResponse__Output>
  RevokeX509Authority: MethodDefinition<_assay_authority_v1_RevokeX509AuthorityRequest, _assay_authority_v1_RevokeX509AuthorityResponse, _assay_authority_v1_RevokeX509AuthorityRequest__Output, _assay_authority_v1_RevokeX509AuthorityResponse__Output>
  TaintX509Authority: MethodDefinition<_assay_authority_v1_TaintX509AuthorityRequest, _assay_authority_v1_TaintX509AuthorityResponse, _assay_authority_v1_TaintX509AuthorityRequest__Output, _assay_authority_v1_TaintX509AuthorityResponse__Output>
}
