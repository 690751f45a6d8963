// Original file: proto/assay/token/v1/one_time.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CreateOneTimeRequest as _assay_token_v1_CreateOneTimeRequest, CreateOneTimeRequest__Output as _assay_token_v1_CreateOneTimeRequest__Output } from '../../../assay/token/v1/CreateOneTimeRequest.ts';
import type { CreateOneTimeResponse as _assay_token_v1_CreateOneTimeResponse, CreateOneTimeResponse__Output as _assay_token_v1_CreateOneTimeResponse__Output } from '../../../assay/token/v1/CreateOneTimeResponse.ts';
import type { SpendOneTimeRequest as _assay_token_v1_SpendOneTimeRequest, SpendOneTimeRequest__Output as _assay_token_v1_SpendOneTimeRequest__Output } from '../../../assay/token/v1/SpendOneTimeRequest.ts';
import type { SpendOneTimeResponse as _assay_token_v1_SpendOneTimeResponse, SpendOneTimeResponse__Output as _assay_token_v1_SpendOneTimeResponse__Output } from '../../../assay/token/v1/SpendOneTimeResponse.ts';

/**
 * Tokens that the server gives out for one entry, for a workload that the kernel does not name to its agent. The first
 * agent's workload that shows one has the selector token:once:entry:ENTRY_ID for as long as its connection lasts.
 */
export interface OneTimeClient extends grpc.Client {
  /**
   * NOT_FOUND without such an entry, FAILED_PRECONDITION when it does not have that selector. Local and admin.
   */
  Create(argument: _assay_token_v1_CreateOneTimeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  Create(argument: _assay_token_v1_CreateOneTimeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  Create(argument: _assay_token_v1_CreateOneTimeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  Create(argument: _assay_token_v1_CreateOneTimeRequest, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * NOT_FOUND without such an entry, FAILED_PRECONDITION when it does not have that selector. Local and admin.
   */
  create(argument: _assay_token_v1_CreateOneTimeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  create(argument: _assay_token_v1_CreateOneTimeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  create(argument: _assay_token_v1_CreateOneTimeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  create(argument: _assay_token_v1_CreateOneTimeRequest, callback: grpc.requestCallback<_assay_token_v1_CreateOneTimeResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Counts once. PERMISSION_DENIED when the token is unknown, spent or expired, or its entry is not this agent's, which
   * spends nothing. Agents.
   */
  Spend(argument: _assay_token_v1_SpendOneTimeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  Spend(argument: _assay_token_v1_SpendOneTimeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  Spend(argument: _assay_token_v1_SpendOneTimeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  Spend(argument: _assay_token_v1_SpendOneTimeRequest, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Counts once. PERMISSION_DENIED when the token is unknown, spent or expired, or its entry is not this agent's, which
   * spends nothing. Agents.
   */
  spend(argument: _assay_token_v1_SpendOneTimeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  spend(argument: _assay_token_v1_SpendOneTimeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  spend(argument: _assay_token_v1_SpendOneTimeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  spend(argument: _assay_token_v1_SpendOneTimeRequest, callback: grpc.requestCallback<_assay_token_v1_SpendOneTimeResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Tokens that the server gives out for one entry, for a workload that the kernel does not name to its agent. The first
 * agent's workload that shows one has the selector token:once:entry:ENTRY_ID for as long as its connection lasts.
 */
export interface OneTimeHandlers extends grpc.UntypedServiceImplementation {
  /**
   * NOT_FOUND without such an entry, FAILED_PRECONDITION when it does not have that selector. Local and admin.
   */
  Create: grpc.handleUnaryCall<_assay_token_v1_CreateOneTimeRequest__Output, _assay_token_v1_CreateOneTimeResponse>;
  
  /**
   * Counts once. PERMISSION_DENIED when the token is unknown, spent or expired, or its entry is not this agent's, which
   * spends nothing. Agents.
   */
  Spend: grpc.handleUnaryCall<_assay_token_v1_SpendOneTimeRequest__Output, _assay_token_v1_SpendOneTimeResponse>;
  
}

export interface OneTimeDefinition extends grpc.ServiceDefinition {
  Create: MethodDefinition<_assay_token_v1_CreateOneTimeRequest, _assay_token_v1_CreateOneTimeResponse, _assay_token_v1_CreateOneTimeRequest__Output, _assay_token_v1_CreateOneTimeResponse__Output>
  Spend: MethodDefinition<_assay_token_v1_SpendOneTimeRequest, _assay_token_v1_SpendOneTimeResponse, _assay_token_v1_SpendOneTimeRequest__Output, _assay_token_v1_SpendOneTimeResponse__Output>
}
