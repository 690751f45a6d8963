// Original file: proto/assay/claims/v1/claims.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BatchCreateEntryRequest as _assay_claims_v1_BatchCreateEntryRequest, BatchCreateEntryRequest__Output as _assay_claims_v1_BatchCreateEntryRequest__Output } from '../../../assay/claims/v1/BatchCreateEntryRequest.ts';
import type { BatchCreateEntryResponse as _assay_claims_v1_BatchCreateEntryResponse, BatchCreateEntryResponse__Output as _assay_claims_v1_BatchCreateEntryResponse__Output } from '../../../assay/claims/v1/BatchCreateEntryResponse.ts';
import type { BatchGetClaimsRequest as _assay_claims_v1_BatchGetClaimsRequest, BatchGetClaimsRequest__Output as _assay_claims_v1_BatchGetClaimsRequest__Output } from '../../../assay/claims/v1/BatchGetClaimsRequest.ts';
import type { BatchGetClaimsResponse as _assay_claims_v1_BatchGetClaimsResponse, BatchGetClaimsResponse__Output as _assay_claims_v1_BatchGetClaimsResponse__Output } from '../../../assay/claims/v1/BatchGetClaimsResponse.ts';
import type { BatchSetClaimsRequest as _assay_claims_v1_BatchSetClaimsRequest, BatchSetClaimsRequest__Output as _assay_claims_v1_BatchSetClaimsRequest__Output } from '../../../assay/claims/v1/BatchSetClaimsRequest.ts';
import type { BatchSetClaimsResponse as _assay_claims_v1_BatchSetClaimsResponse, BatchSetClaimsResponse__Output as _assay_claims_v1_BatchSetClaimsResponse__Output } from '../../../assay/claims/v1/BatchSetClaimsResponse.ts';

/**
 * Claims of an entry's own in its JWT-SVIDs, beside those that the standard names. SPIRE's messages have no place for
 * them; agents are not told of them, for it is the server that writes tokens.
 */
export interface ClaimsClient extends grpc.Client {
  /**
   * As spire.api.server.entry.v1.Entry has it, each entry with its claims and, where it is a family, its template. Local
   * and admin.
   */
  BatchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  /**
   * As spire.api.server.entry.v1.Entry has it, each entry with its claims and, where it is a family, its template. Local
   * and admin.
   */
  batchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _assay_claims_v1_BatchCreateEntryRequest, callback: grpc.requestCallback<_assay_claims_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Those of the ids that have some, in any order. Local and admin.
   */
  BatchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  BatchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  BatchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  BatchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Those of the ids that have some, in any order. Local and admin.
   */
  batchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  batchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  batchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  batchGetClaims(argument: _assay_claims_v1_BatchGetClaimsRequest, callback: grpc.requestCallback<_assay_claims_v1_BatchGetClaimsResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Replaces the claims of entries, with what else of them is to change. Local and admin.
   */
  BatchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  BatchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  BatchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  BatchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Replaces the claims of entries, with what else of them is to change. Local and admin.
   */
  batchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  batchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  batchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  batchSetClaims(argument: _assay_claims_v1_BatchSetClaimsRequest, callback: grpc.requestCallback<_assay_claims_v1_BatchSetClaimsResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Claims of an entry's own in its JWT-SVIDs, beside those that the standard names. SPIRE's messages have no place for
 * them; agents are not told of them, for it is the server that writes tokens.
 */
export interface ClaimsHandlers extends grpc.UntypedServiceImplementation {
  /**
   * As spire.api.server.entry.v1.Entry has it, each entry with its claims and, where it is a family, its template. Local
   * and admin.
   */
  BatchCreateEntry: grpc.handleUnaryCall<_assay_claims_v1_BatchCreateEntryRequest__Output, _assay_claims_v1_BatchCreateEntryResponse>;
  
  /**
   * Those of the ids that have some, in any order. Local and admin.
   */
  BatchGetClaims: grpc.handleUnaryCall<_assay_claims_v1_BatchGetClaimsRequest__Output, _assay_claims_v1_BatchGetClaimsResponse>;
  
  /**
   * Replaces the claims of entries, with what else of them is to change. Local and admin.
   */
  BatchSetClaims: grpc.handleUnaryCall<_assay_claims_v1_BatchSetClaimsRequest__Output, _assay_claims_v1_BatchSetClaimsResponse>;
  
}

export interface ClaimsDefinition extends grpc.ServiceDefinition {
  BatchCreateEntry: MethodDefinition<_assay_claims_v1_BatchCreateEntryRequest, _assay_claims_v1_BatchCreateEntryResponse, _assay_claims_v1_BatchCreateEntryRequest__Output, _assay_claims_v1_BatchCreateEntryResponse__Output>
  BatchGetClaims: MethodDefinition<_assay_claims_v1_BatchGetClaimsRequest, _assay_claims_v1_BatchGetClaimsResponse, _assay_claims_v1_BatchGetClaimsRequest__Output, _assay_claims_v1_BatchGetClaimsResponse__Output>
  BatchSetClaims: MethodDefinition<_assay_claims_v1_BatchSetClaimsRequest, _assay_claims_v1_BatchSetClaimsResponse, _assay_claims_v1_BatchSetClaimsRequest__Output, _assay_claims_v1_BatchSetClaimsResponse__Output>
}
