// Original file: proto/assay/acme/v1/acme.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CreateExternalAccountRequest as _assay_acme_v1_CreateExternalAccountRequest, CreateExternalAccountRequest__Output as _assay_acme_v1_CreateExternalAccountRequest__Output } from '../../../assay/acme/v1/CreateExternalAccountRequest.ts';
import type { CreateExternalAccountResponse as _assay_acme_v1_CreateExternalAccountResponse, CreateExternalAccountResponse__Output as _assay_acme_v1_CreateExternalAccountResponse__Output } from '../../../assay/acme/v1/CreateExternalAccountResponse.ts';
import type { DeleteExternalAccountRequest as _assay_acme_v1_DeleteExternalAccountRequest, DeleteExternalAccountRequest__Output as _assay_acme_v1_DeleteExternalAccountRequest__Output } from '../../../assay/acme/v1/DeleteExternalAccountRequest.ts';
import type { DeleteExternalAccountResponse as _assay_acme_v1_DeleteExternalAccountResponse, DeleteExternalAccountResponse__Output as _assay_acme_v1_DeleteExternalAccountResponse__Output } from '../../../assay/acme/v1/DeleteExternalAccountResponse.ts';
import type { ListExternalAccountsRequest as _assay_acme_v1_ListExternalAccountsRequest, ListExternalAccountsRequest__Output as _assay_acme_v1_ListExternalAccountsRequest__Output } from '../../../assay/acme/v1/ListExternalAccountsRequest.ts';
import type { ListExternalAccountsResponse as _assay_acme_v1_ListExternalAccountsResponse, ListExternalAccountsResponse__Output as _assay_acme_v1_ListExternalAccountsResponse__Output } from '../../../assay/acme/v1/ListExternalAccountsResponse.ts';

/**
 * External accounts of the ACME front end (RFC 8555, section 7.3.4): keys that new ACME accounts prove to know, and what
 * those accounts may have.
 */
export interface ExternalAccountsClient extends grpc.Client {
  /**
   * Makes one. NOT_FOUND when there is no such entry, FAILED_PRECONDITION while the front end is off. Local and admin.
   */
  CreateExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  CreateExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  CreateExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  CreateExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Makes one. NOT_FOUND when there is no such entry, FAILED_PRECONDITION while the front end is off. Local and admin.
   */
  createExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  createExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  createExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  createExternalAccount(argument: _assay_acme_v1_CreateExternalAccountRequest, callback: grpc.requestCallback<_assay_acme_v1_CreateExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * No account can be bound to it any more, and those that were may have no names. NOT_FOUND when there is none. Local
   * and admin.
   */
  DeleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  DeleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  DeleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  DeleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  /**
   * No account can be bound to it any more, and those that were may have no names. NOT_FOUND when there is none. Local
   * and admin.
   */
  deleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  deleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  deleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  deleteExternalAccount(argument: _assay_acme_v1_DeleteExternalAccountRequest, callback: grpc.requestCallback<_assay_acme_v1_DeleteExternalAccountResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * All there are, by key ID. Local and admin.
   */
  ListExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  ListExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  ListExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  ListExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * All there are, by key ID. Local and admin.
   */
  listExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  listExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  listExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  listExternalAccounts(argument: _assay_acme_v1_ListExternalAccountsRequest, callback: grpc.requestCallback<_assay_acme_v1_ListExternalAccountsResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * External accounts of the ACME front end (RFC 8555, section 7.3.4): keys that new ACME accounts prove to know, and what
 * those accounts may have.
 */
export interface ExternalAccountsHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Makes one. NOT_FOUND when there is no such entry, FAILED_PRECONDITION while the front end is off. Local and admin.
   */
  CreateExternalAccount: grpc.handleUnaryCall<_assay_acme_v1_CreateExternalAccountRequest__Output, _assay_acme_v1_CreateExternalAccountResponse>;
  
  /**
   * No account can be bound to it any more, and those that were may have no names. NOT_FOUND when there is none. Local
   * and admin.
   */
  DeleteExternalAccount: grpc.handleUnaryCall<_assay_acme_v1_DeleteExternalAccountRequest__Output, _assay_acme_v1_DeleteExternalAccountResponse>;
  
  /**
   * All there are, by key ID. Local and admin.
   */
  ListExternalAccounts: grpc.handleUnaryCall<_assay_acme_v1_ListExternalAccountsRequest__Output, _assay_acme_v1_ListExternalAccountsResponse>;
  
}

export interface ExternalAccountsDefinition extends grpc.ServiceDefinition {
  CreateExternalAccount: MethodDefinition<_assay_acme_v1_CreateExternalAccountRequest, _assay_acme_v1_CreateExternalAccountResponse, _assay_acme_v1_CreateExternalAccountRequest__Output, _assay_acme_v1_CreateExternalAccountResponse__Output>
  DeleteExternalAccount: MethodDefinition<_assay_acme_v1_DeleteExternalAccountRequest, _assay_acme_v1_DeleteExternalAccountResponse, _assay_acme_v1_DeleteExternalAccountRequest__Output, _assay_acme_v1_DeleteExternalAccountResponse__Output>
  ListExternalAccounts: MethodDefinition<_assay_acme_v1_ListExternalAccountsRequest, _assay_acme_v1_ListExternalAccountsResponse, _assay_acme_v1_ListExternalAccountsRequest__Output, _assay_acme_v1_ListExternalAccountsResponse__Output>
}
