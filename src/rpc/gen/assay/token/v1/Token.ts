// Original file: proto/assay/token/v1/token.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { NewJWTSVIDRequest as _assay_token_v1_NewJWTSVIDRequest, NewJWTSVIDRequest__Output as _assay_token_v1_NewJWTSVIDRequest__Output } from '../../../assay/token/v1/NewJWTSVIDRequest.ts';
import type { NewJWTSVIDResponse as _assay_token_v1_NewJWTSVIDResponse, NewJWTSVIDResponse__Output as _assay_token_v1_NewJWTSVIDResponse__Output } from '../../../assay/token/v1/NewJWTSVIDResponse.ts';
import type { NewX509SVIDRequest as _assay_token_v1_NewX509SVIDRequest, NewX509SVIDRequest__Output as _assay_token_v1_NewX509SVIDRequest__Output } from '../../../assay/token/v1/NewX509SVIDRequest.ts';
import type { NewX509SVIDResponse as _assay_token_v1_NewX509SVIDResponse, NewX509SVIDResponse__Output as _assay_token_v1_NewX509SVIDResponse__Output } from '../../../assay/token/v1/NewX509SVIDResponse.ts';

/**
 * Identities without an agent, for a CI job or a function: whoever shows a token of an issuer that the server allows
 * gets the SVIDs of the entries below spiffe://TRUST_DOMAIN/spire/token/ISSUER_ALIAS whose selectors are all among the
 * token's claims. Open to anyone; a token counts for the key of the first request's csr and for no other.
 */
export interface TokenClient extends grpc.Client {
  /**
   * The same for tokens.
   */
  NewJWTSVID(argument: _assay_token_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _assay_token_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _assay_token_v1_NewJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _assay_token_v1_NewJWTSVIDRequest, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  /**
   * The same for tokens.
   */
  newJwtsvid(argument: _assay_token_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _assay_token_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _assay_token_v1_NewJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _assay_token_v1_NewJWTSVIDRequest, callback: grpc.requestCallback<_assay_token_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * PERMISSION_DENIED when the token gives no identity; the server's audit log alone says why.
   */
  NewX509SVID(argument: _assay_token_v1_NewX509SVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  NewX509SVID(argument: _assay_token_v1_NewX509SVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  NewX509SVID(argument: _assay_token_v1_NewX509SVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  NewX509SVID(argument: _assay_token_v1_NewX509SVIDRequest, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  /**
   * PERMISSION_DENIED when the token gives no identity; the server's audit log alone says why.
   */
  newX509Svid(argument: _assay_token_v1_NewX509SVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  newX509Svid(argument: _assay_token_v1_NewX509SVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  newX509Svid(argument: _assay_token_v1_NewX509SVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  newX509Svid(argument: _assay_token_v1_NewX509SVIDRequest, callback: grpc.requestCallback<_assay_token_v1_NewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Identities without an agent, for a CI job or a function: whoever shows a token of an issuer that the server allows
 * gets the SVIDs of the entries below spiffe://TRUST_DOMAIN/spire/token/ISSUER_ALIAS whose selectors are all among the
 * token's claims. Open to anyone; a token counts for the key of the first request's csr and for no other.
 */
export interface TokenHandlers extends grpc.UntypedServiceImplementation {
  /**
   * The same for tokens.
   */
  NewJWTSVID: grpc.handleUnaryCall<_assay_token_v1_NewJWTSVIDRequest__Output, _assay_token_v1_NewJWTSVIDResponse>;
  
  /**
   * PERMISSION_DENIED when the token gives no identity; the server's audit log alone says why.
   */
  NewX509SVID: grpc.handleUnaryCall<_assay_token_v1_NewX509SVIDRequest__Output, _assay_token_v1_NewX509SVIDResponse>;
  
}

export interface TokenDefinition extends grpc.ServiceDefinition {
  NewJWTSVID: MethodDefinition<_assay_token_v1_NewJWTSVIDRequest, _assay_token_v1_NewJWTSVIDResponse, _assay_token_v1_NewJWTSVIDRequest__Output, _assay_token_v1_NewJWTSVIDResponse__Output>
  NewX509SVID: MethodDefinition<_assay_token_v1_NewX509SVIDRequest, _assay_token_v1_NewX509SVIDResponse, _assay_token_v1_NewX509SVIDRequest__Output, _assay_token_v1_NewX509SVIDResponse__Output>
}
