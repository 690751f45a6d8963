// Original file: proto/assay/provision/v1/provision.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AuthorizeRequest as _assay_provision_v1_AuthorizeRequest, AuthorizeRequest__Output as _assay_provision_v1_AuthorizeRequest__Output } from '../../../assay/provision/v1/AuthorizeRequest.ts';
import type { AuthorizeResponse as _assay_provision_v1_AuthorizeResponse, AuthorizeResponse__Output as _assay_provision_v1_AuthorizeResponse__Output } from '../../../assay/provision/v1/AuthorizeResponse.ts';
import type { CreateApiTokenRequest as _assay_provision_v1_CreateApiTokenRequest, CreateApiTokenRequest__Output as _assay_provision_v1_CreateApiTokenRequest__Output } from '../../../assay/provision/v1/CreateApiTokenRequest.ts';
import type { CreateApiTokenResponse as _assay_provision_v1_CreateApiTokenResponse, CreateApiTokenResponse__Output as _assay_provision_v1_CreateApiTokenResponse__Output } from '../../../assay/provision/v1/CreateApiTokenResponse.ts';
import type { DeleteApiTokenRequest as _assay_provision_v1_DeleteApiTokenRequest, DeleteApiTokenRequest__Output as _assay_provision_v1_DeleteApiTokenRequest__Output } from '../../../assay/provision/v1/DeleteApiTokenRequest.ts';
import type { DeleteApiTokenResponse as _assay_provision_v1_DeleteApiTokenResponse, DeleteApiTokenResponse__Output as _assay_provision_v1_DeleteApiTokenResponse__Output } from '../../../assay/provision/v1/DeleteApiTokenResponse.ts';
import type { ListApiTokensRequest as _assay_provision_v1_ListApiTokensRequest, ListApiTokensRequest__Output as _assay_provision_v1_ListApiTokensRequest__Output } from '../../../assay/provision/v1/ListApiTokensRequest.ts';
import type { ListApiTokensResponse as _assay_provision_v1_ListApiTokensResponse, ListApiTokensResponse__Output as _assay_provision_v1_ListApiTokensResponse__Output } from '../../../assay/provision/v1/ListApiTokensResponse.ts';
import type { ListGrantsRequest as _assay_provision_v1_ListGrantsRequest, ListGrantsRequest__Output as _assay_provision_v1_ListGrantsRequest__Output } from '../../../assay/provision/v1/ListGrantsRequest.ts';
import type { ListGrantsResponse as _assay_provision_v1_ListGrantsResponse, ListGrantsResponse__Output as _assay_provision_v1_ListGrantsResponse__Output } from '../../../assay/provision/v1/ListGrantsResponse.ts';
import type { WithdrawRequest as _assay_provision_v1_WithdrawRequest, WithdrawRequest__Output as _assay_provision_v1_WithdrawRequest__Output } from '../../../assay/provision/v1/WithdrawRequest.ts';
import type { WithdrawResponse as _assay_provision_v1_WithdrawResponse, WithdrawResponse__Output as _assay_provision_v1_WithdrawResponse__Output } from '../../../assay/provision/v1/WithdrawResponse.ts';

/**
 * One-time tokens for certificates of the front end provision, and the tokens of those who make them over HTTP. Local
 * and admin. FAILED_PRECONDITION where the front end is not configured.
 */
export interface ProvisionClient extends grpc.Client {
  /**
   * Has a token count for one certificate. INVALID_ARGUMENT for what would not be signed, NOT_FOUND without such an
   * entry, ALREADY_EXISTS for a token that is in use for something else or was used.
   */
  Authorize(argument: _assay_provision_v1_AuthorizeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  Authorize(argument: _assay_provision_v1_AuthorizeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  Authorize(argument: _assay_provision_v1_AuthorizeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  Authorize(argument: _assay_provision_v1_AuthorizeRequest, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Has a token count for one certificate. INVALID_ARGUMENT for what would not be signed, NOT_FOUND without such an
   * entry, ALREADY_EXISTS for a token that is in use for something else or was used.
   */
  authorize(argument: _assay_provision_v1_AuthorizeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  authorize(argument: _assay_provision_v1_AuthorizeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  authorize(argument: _assay_provision_v1_AuthorizeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  authorize(argument: _assay_provision_v1_AuthorizeRequest, callback: grpc.requestCallback<_assay_provision_v1_AuthorizeResponse__Output>): grpc.ClientUnaryCall;
  
  CreateApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  CreateApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  CreateApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  CreateApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  createApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  createApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  createApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  createApiToken(argument: _assay_provision_v1_CreateApiTokenRequest, callback: grpc.requestCallback<_assay_provision_v1_CreateApiTokenResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Withdraws what it authorized and nobody has used yet. NOT_FOUND without one of that name.
   */
  DeleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  DeleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  DeleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  DeleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Withdraws what it authorized and nobody has used yet. NOT_FOUND without one of that name.
   */
  deleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  deleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  deleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  deleteApiToken(argument: _assay_provision_v1_DeleteApiTokenRequest, callback: grpc.requestCallback<_assay_provision_v1_DeleteApiTokenResponse__Output>): grpc.ClientUnaryCall;
  
  ListApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  ListApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  ListApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  ListApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  listApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  listApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  listApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  listApiTokens(argument: _assay_provision_v1_ListApiTokensRequest, callback: grpc.requestCallback<_assay_provision_v1_ListApiTokensResponse__Output>): grpc.ClientUnaryCall;
  
  ListGrants(argument: _assay_provision_v1_ListGrantsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  ListGrants(argument: _assay_provision_v1_ListGrantsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  ListGrants(argument: _assay_provision_v1_ListGrantsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  ListGrants(argument: _assay_provision_v1_ListGrantsRequest, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  listGrants(argument: _assay_provision_v1_ListGrantsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  listGrants(argument: _assay_provision_v1_ListGrantsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  listGrants(argument: _assay_provision_v1_ListGrantsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  listGrants(argument: _assay_provision_v1_ListGrantsRequest, callback: grpc.requestCallback<_assay_provision_v1_ListGrantsResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Takes authorizations back: what is not used can be used no more, what is used is not renewed any more. NOT_FOUND
   * when there is none.
   */
  Withdraw(argument: _assay_provision_v1_WithdrawRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  Withdraw(argument: _assay_provision_v1_WithdrawRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  Withdraw(argument: _assay_provision_v1_WithdrawRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  Withdraw(argument: _assay_provision_v1_WithdrawRequest, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Takes authorizations back: what is not used can be used no more, what is used is not renewed any more. NOT_FOUND
   * when there is none.
   */
  withdraw(argument: _assay_provision_v1_WithdrawRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  withdraw(argument: _assay_provision_v1_WithdrawRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  withdraw(argument: _assay_provision_v1_WithdrawRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  withdraw(argument: _assay_provision_v1_WithdrawRequest, callback: grpc.requestCallback<_assay_provision_v1_WithdrawResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * One-time tokens for certificates of the front end provision, and the tokens of those who make them over HTTP. Local
 * and admin. FAILED_PRECONDITION where the front end is not configured.
 */
export interface ProvisionHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Has a token count for one certificate. INVALID_ARGUMENT for what would not be signed, NOT_FOUND without such an
   * entry, ALREADY_EXISTS for a token that is in use for something else or was used.
   */
  Authorize: grpc.handleUnaryCall<_assay_provision_v1_AuthorizeRequest__Output, _assay_provision_v1_AuthorizeResponse>;
  
  CreateApiToken: grpc.handleUnaryCall<_assay_provision_v1_CreateApiTokenRequest__Output, _assay_provision_v1_CreateApiTokenResponse>;
  
  /**
   * Withdraws what it authorized and nobody has used yet. NOT_FOUND without one of that name.
   */
  DeleteApiToken: grpc.handleUnaryCall<_assay_provision_v1_DeleteApiTokenRequest__Output, _assay_provision_v1_DeleteApiTokenResponse>;
  
  ListApiTokens: grpc.handleUnaryCall<_assay_provision_v1_ListApiTokensRequest__Output, _assay_provision_v1_ListApiTokensResponse>;
  
  ListGrants: grpc.handleUnaryCall<_assay_provision_v1_ListGrantsRequest__Output, _assay_provision_v1_ListGrantsResponse>;
  
  /**
   * Takes authorizations back: what is not used can be used no more, what is used is not renewed any more. NOT_FOUND
   * when there is none.
   */
  Withdraw: grpc.handleUnaryCall<_assay_provision_v1_WithdrawRequest__Output, _assay_provision_v1_WithdrawResponse>;
  
}

export interface ProvisionDefinition extends grpc.ServiceDefinition {
  Authorize: MethodDefinition<_assay_provision_v1_AuthorizeRequest, _assay_provision_v1_AuthorizeResponse, _assay_provision_v1_AuthorizeRequest__Output, _assay_provision_v1_AuthorizeResponse__Output>
  CreateApiToken: MethodDefinition<_assay_provision_v1_CreateApiTokenRequest, _assay_provision_v1_CreateApiTokenResponse, _assay_provision_v1_CreateApiTokenRequest__Output, _assay_provision_v1_CreateApiTokenResponse__Output>
  DeleteApiToken: MethodDefinition<_assay_provision_v1_DeleteApiTokenRequest, _assay_provision_v1_DeleteApiTokenResponse, _assay_provision_v1_DeleteApiTokenRequest__Output, _assay_provision_v1_DeleteApiTokenResponse__Output>
  ListApiTokens: MethodDefinition<_assay_provision_v1_ListApiTokensRequest, _assay_provision_v1_ListApiTokensResponse, _assay_provision_v1_ListApiTokensRequest__Output, _assay_provision_v1_ListApiTokensResponse__Output>
  ListGrants: MethodDefinition<_assay_provision_v1_ListGrantsRequest, _assay_provision_v1_ListGrantsResponse, _assay_provision_v1_ListGrantsRequest__Output, _assay_provision_v1_ListGrantsResponse__Output>
  Withdraw: MethodDefinition<_assay_provision_v1_WithdrawRequest, _assay_provision_v1_WithdrawResponse, _assay_provision_v1_WithdrawRequest__Output, _assay_provision_v1_WithdrawResponse__Output>
}
