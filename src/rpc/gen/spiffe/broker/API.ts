// Original file: proto/spiffe/broker/broker.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { FetchJWTSVIDRequest as _spiffe_broker_FetchJWTSVIDRequest, FetchJWTSVIDRequest__Output as _spiffe_broker_FetchJWTSVIDRequest__Output } from '../../spiffe/broker/FetchJWTSVIDRequest.ts';
import type { FetchJWTSVIDResponse as _spiffe_broker_FetchJWTSVIDResponse, FetchJWTSVIDResponse__Output as _spiffe_broker_FetchJWTSVIDResponse__Output } from '../../spiffe/broker/FetchJWTSVIDResponse.ts';
import type { SubscribeToJWTBundlesRequest as _spiffe_broker_SubscribeToJWTBundlesRequest, SubscribeToJWTBundlesRequest__Output as _spiffe_broker_SubscribeToJWTBundlesRequest__Output } from '../../spiffe/broker/SubscribeToJWTBundlesRequest.ts';
import type { SubscribeToJWTBundlesResponse as _spiffe_broker_SubscribeToJWTBundlesResponse, SubscribeToJWTBundlesResponse__Output as _spiffe_broker_SubscribeToJWTBundlesResponse__Output } from '../../spiffe/broker/SubscribeToJWTBundlesResponse.ts';
import type { SubscribeToX509BundlesRequest as _spiffe_broker_SubscribeToX509BundlesRequest, SubscribeToX509BundlesRequest__Output as _spiffe_broker_SubscribeToX509BundlesRequest__Output } from '../../spiffe/broker/SubscribeToX509BundlesRequest.ts';
import type { SubscribeToX509BundlesResponse as _spiffe_broker_SubscribeToX509BundlesResponse, SubscribeToX509BundlesResponse__Output as _spiffe_broker_SubscribeToX509BundlesResponse__Output } from '../../spiffe/broker/SubscribeToX509BundlesResponse.ts';
import type { SubscribeToX509SVIDRequest as _spiffe_broker_SubscribeToX509SVIDRequest, SubscribeToX509SVIDRequest__Output as _spiffe_broker_SubscribeToX509SVIDRequest__Output } from '../../spiffe/broker/SubscribeToX509SVIDRequest.ts';
import type { SubscribeToX509SVIDResponse as _spiffe_broker_SubscribeToX509SVIDResponse, SubscribeToX509SVIDResponse__Output as _spiffe_broker_SubscribeToX509SVIDResponse__Output } from '../../spiffe/broker/SubscribeToX509SVIDResponse.ts';

/**
 * The SPIFFE Broker API: a trusted component fetches the identities of the workloads that it stands for.
 * Streams: the first message at once, then the whole new state after each change. Incubating.
 */
export interface APIClient extends grpc.Client {
  FetchJWTSVID(argument: _spiffe_broker_FetchJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  FetchJWTSVID(argument: _spiffe_broker_FetchJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  FetchJWTSVID(argument: _spiffe_broker_FetchJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  FetchJWTSVID(argument: _spiffe_broker_FetchJWTSVIDRequest, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _spiffe_broker_FetchJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _spiffe_broker_FetchJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _spiffe_broker_FetchJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _spiffe_broker_FetchJWTSVIDRequest, callback: grpc.requestCallback<_spiffe_broker_FetchJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  
  SubscribeToJWTBundles(argument: _spiffe_broker_SubscribeToJWTBundlesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToJWTBundlesResponse__Output>;
  SubscribeToJWTBundles(argument: _spiffe_broker_SubscribeToJWTBundlesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToJWTBundlesResponse__Output>;
  subscribeToJwtBundles(argument: _spiffe_broker_SubscribeToJWTBundlesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToJWTBundlesResponse__Output>;
  subscribeToJwtBundles(argument: _spiffe_broker_SubscribeToJWTBundlesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToJWTBundlesResponse__Output>;
  
  SubscribeToX509Bundles(argument: _spiffe_broker_SubscribeToX509BundlesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509BundlesResponse__Output>;
  SubscribeToX509Bundles(argument: _spiffe_broker_SubscribeToX509BundlesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509BundlesResponse__Output>;
  subscribeToX509Bundles(argument: _spiffe_broker_SubscribeToX509BundlesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509BundlesResponse__Output>;
  subscribeToX509Bundles(argument: _spiffe_broker_SubscribeToX509BundlesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509BundlesResponse__Output>;
  
  SubscribeToX509SVID(argument: _spiffe_broker_SubscribeToX509SVIDRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509SVIDResponse__Output>;
  SubscribeToX509SVID(argument: _spiffe_broker_SubscribeToX509SVIDRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509SVIDResponse__Output>;
  subscribeToX509Svid(argument: _spiffe_broker_SubscribeToX509SVIDRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509SVIDResponse__Output>;
  subscribeToX509Svid(argument: _spiffe_broker_SubscribeToX509SVIDRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_spiffe_broker_SubscribeToX509SVIDResponse__Output>;
  
}

/**
 * The SPIFFE Broker API: a trusted component fetches the identities of the workloads that it stands for.
 * Streams: the first message at once, then the whole new state after each change. Incubating.
 */
export interface APIHandlers extends grpc.UntypedServiceImplementation {
  FetchJWTSVID: grpc.handleUnaryCall<_spiffe_broker_FetchJWTSVIDRequest__Output, _spiffe_broker_FetchJWTSVIDResponse>;
  
  SubscribeToJWTBundles: grpc.handleServerStreamingCall<_spiffe_broker_SubscribeToJWTBundlesRequest__Output, _spiffe_broker_SubscribeToJWTBundlesResponse>;
  
  SubscribeToX509Bundles: grpc.handleServerStreamingCall<_spiffe_broker_SubscribeToX509BundlesRequest__Output, _spiffe_broker_SubscribeToX509BundlesResponse>;
  
  SubscribeToX509SVID: grpc.handleServerStreamingCall<_spiffe_broker_SubscribeToX509SVIDRequest__Output, _spiffe_broker_SubscribeToX509SVIDResponse>;
  
}

export interface APIDefinition extends grpc.ServiceDefinition {
  FetchJWTSVID: MethodDefinition<_spiffe_broker_FetchJWTSVIDRequest, _spiffe_broker_FetchJWTSVIDResponse, _spiffe_broker_FetchJWTSVIDRequest__Output, _spiffe_broker_FetchJWTSVIDResponse__Output>
  SubscribeToJWTBundles: MethodDefinition<_spiffe_broker_SubscribeToJWTBundlesRequest, _spiffe_broker_SubscribeToJWTBundlesResponse, _spiffe_broker_SubscribeToJWTBundlesRequest__Output, _spiffe_broker_SubscribeToJWTBundlesResponse__Output>
  SubscribeToX509Bundles: MethodDefinition<_spiffe_broker_SubscribeToX509BundlesRequest, _spiffe_broker_SubscribeToX509BundlesResponse, _spiffe_broker_SubscribeToX509BundlesRequest__Output, _spiffe_broker_SubscribeToX509BundlesResponse__Output>
  SubscribeToX509SVID: MethodDefinition<_spiffe_broker_SubscribeToX509SVIDRequest, _spiffe_broker_SubscribeToX509SVIDResponse, _spiffe_broker_SubscribeToX509SVIDRequest__Output, _spiffe_broker_SubscribeToX509SVIDResponse__Output>
}
