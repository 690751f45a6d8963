// Original file: proto/spire/api/server/bundle/v1/bundle.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AppendBundleRequest as _spire_api_server_bundle_v1_AppendBundleRequest, AppendBundleRequest__Output as _spire_api_server_bundle_v1_AppendBundleRequest__Output } from '../../../../../spire/api/server/bundle/v1/AppendBundleRequest.ts';
import type { BatchCreateFederatedBundleRequest as _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, BatchCreateFederatedBundleRequest__Output as _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest__Output } from '../../../../../spire/api/server/bundle/v1/BatchCreateFederatedBundleRequest.ts';
import type { BatchCreateFederatedBundleResponse as _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse, BatchCreateFederatedBundleResponse__Output as _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output } from '../../../../../spire/api/server/bundle/v1/BatchCreateFederatedBundleResponse.ts';
import type { BatchDeleteFederatedBundleRequest as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, BatchDeleteFederatedBundleRequest__Output as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest__Output } from '../../../../../spire/api/server/bundle/v1/BatchDeleteFederatedBundleRequest.ts';
import type { BatchDeleteFederatedBundleResponse as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse, BatchDeleteFederatedBundleResponse__Output as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output } from '../../../../../spire/api/server/bundle/v1/BatchDeleteFederatedBundleResponse.ts';
import type { BatchSetFederatedBundleRequest as _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, BatchSetFederatedBundleRequest__Output as _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest__Output } from '../../../../../spire/api/server/bundle/v1/BatchSetFederatedBundleRequest.ts';
import type { BatchSetFederatedBundleResponse as _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse, BatchSetFederatedBundleResponse__Output as _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output } from '../../../../../spire/api/server/bundle/v1/BatchSetFederatedBundleResponse.ts';
import type { BatchUpdateFederatedBundleRequest as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, BatchUpdateFederatedBundleRequest__Output as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest__Output } from '../../../../../spire/api/server/bundle/v1/BatchUpdateFederatedBundleRequest.ts';
import type { BatchUpdateFederatedBundleResponse as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse, BatchUpdateFederatedBundleResponse__Output as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output } from '../../../../../spire/api/server/bundle/v1/BatchUpdateFederatedBundleResponse.ts';
import type { Bundle as _spire_api_types_Bundle, Bundle__Output as _spire_api_types_Bundle__Output } from '../../../../../spire/api/types/Bundle.ts';
import type { CountBundlesRequest as _spire_api_server_bundle_v1_CountBundlesRequest, CountBundlesRequest__Output as _spire_api_server_bundle_v1_CountBundlesRequest__Output } from '../../../../../spire/api/server/bundle/v1/CountBundlesRequest.ts';
import type { CountBundlesResponse as _spire_api_server_bundle_v1_CountBundlesResponse, CountBundlesResponse__Output as _spire_api_server_bundle_v1_CountBundlesResponse__Output } from '../../../../../spire/api/server/bundle/v1/CountBundlesResponse.ts';
import type { GetBundleRequest as _spire_api_server_bundle_v1_GetBundleRequest, GetBundleRequest__Output as _spire_api_server_bundle_v1_GetBundleRequest__Output } from '../../../../../spire/api/server/bundle/v1/GetBundleRequest.ts';
import type { GetFederatedBundleRequest as _spire_api_server_bundle_v1_GetFederatedBundleRequest, GetFederatedBundleRequest__Output as _spire_api_server_bundle_v1_GetFederatedBundleRequest__Output } from '../../../../../spire/api/server/bundle/v1/GetFederatedBundleRequest.ts';
import type { ListFederatedBundlesRequest as _spire_api_server_bundle_v1_ListFederatedBundlesRequest, ListFederatedBundlesRequest__Output as _spire_api_server_bundle_v1_ListFederatedBundlesRequest__Output } from '../../../../../spire/api/server/bundle/v1/ListFederatedBundlesRequest.ts';
import type { ListFederatedBundlesResponse as _spire_api_server_bundle_v1_ListFederatedBundlesResponse, ListFederatedBundlesResponse__Output as _spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output } from '../../../../../spire/api/server/bundle/v1/ListFederatedBundlesResponse.ts';
import type { PublishJWTAuthorityRequest as _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, PublishJWTAuthorityRequest__Output as _spire_api_server_bundle_v1_PublishJWTAuthorityRequest__Output } from '../../../../../spire/api/server/bundle/v1/PublishJWTAuthorityRequest.ts';
import type { PublishJWTAuthorityResponse as _spire_api_server_bundle_v1_PublishJWTAuthorityResponse, PublishJWTAuthorityResponse__Output as _spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output } from '../../../../../spire/api/server/bundle/v1/PublishJWTAuthorityResponse.ts';
import type { PublishWITAuthorityRequest as _spire_api_server_bundle_v1_PublishWITAuthorityRequest, PublishWITAuthorityRequest__Output as _spire_api_server_bundle_v1_PublishWITAuthorityRequest__Output } from '../../../../../spire/api/server/bundle/v1/PublishWITAuthorityRequest.ts';
import type { PublishWITAuthorityResponse as _spire_api_server_bundle_v1_PublishWITAuthorityResponse, PublishWITAuthorityResponse__Output as _spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output } from '../../../../../spire/api/server/bundle/v1/PublishWITAuthorityResponse.ts';

/**
 * The own bundle and those of foreign trust domains.
 */
export interface BundleClient extends grpc.Client {
  /**
   * Adds authorities to the own one. Local or admin.
   */
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  /**
   * Adds authorities to the own one. Local or admin.
   */
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  
  /**
   * Local or admin.
   */
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Local or admin.
   */
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Local or admin.
   */
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Local or admin.
   */
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Creates or replaces. Local or admin.
   */
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Creates or replaces. Local or admin.
   */
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Local or admin.
   */
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Local or admin.
   */
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Local or admin.
   */
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Local or admin.
   */
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * The own one. Anyone.
   */
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  /**
   * The own one. Anyone.
   */
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  
  /**
   * Local, admin or agents.
   */
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  /**
   * Local, admin or agents.
   */
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest, callback: grpc.requestCallback<_spire_api_types_Bundle__Output>): grpc.ClientUnaryCall;
  
  /**
   * Local or admin.
   */
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Local or admin.
   */
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Downstream servers.
   */
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Downstream servers.
   */
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Downstream servers.
   */
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Downstream servers.
   */
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * The own bundle and those of foreign trust domains.
 */
export interface BundleHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Adds authorities to the own one. Local or admin.
   */
  AppendBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_AppendBundleRequest__Output, _spire_api_types_Bundle>;
  
  /**
   * Local or admin.
   */
  BatchCreateFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>;
  
  /**
   * Local or admin.
   */
  BatchDeleteFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>;
  
  /**
   * Creates or replaces. Local or admin.
   */
  BatchSetFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchSetFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>;
  
  /**
   * Local or admin.
   */
  BatchUpdateFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>;
  
  /**
   * Local or admin.
   */
  CountBundles: grpc.handleUnaryCall<_spire_api_server_bundle_v1_CountBundlesRequest__Output, _spire_api_server_bundle_v1_CountBundlesResponse>;
  
  /**
   * The own one. Anyone.
   */
  GetBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_GetBundleRequest__Output, _spire_api_types_Bundle>;
  
  /**
   * Local, admin or agents.
   */
  GetFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_GetFederatedBundleRequest__Output, _spire_api_types_Bundle>;
  
  /**
   * Local or admin.
   */
  ListFederatedBundles: grpc.handleUnaryCall<_spire_api_server_bundle_v1_ListFederatedBundlesRequest__Output, _spire_api_server_bundle_v1_ListFederatedBundlesResponse>;
  
  /**
   * Downstream servers.
   */
  PublishJWTAuthority: grpc.handleUnaryCall<_spire_api_server_bundle_v1_PublishJWTAuthorityRequest__Output, _spire_api_server_bundle_v1_PublishJWTAuthorityResponse>;
  
  /**
   * Downstream servers.
   */
  PublishWITAuthority: grpc.handleUnaryCall<_spire_api_server_bundle_v1_PublishWITAuthorityRequest__Output, _spire_api_server_bundle_v1_PublishWITAuthorityResponse>;
  
}

export interface BundleDefinition extends grpc.ServiceDefinition {
  AppendBundle: MethodDefinition<_spire_api_server_bundle_v1_AppendBundleRequest, _spire_api_types_Bundle, _spire_api_server_bundle_v1_AppendBundleRequest__Output, _spire_api_types_Bundle__Output>
  BatchCreateFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse, _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse__Output>
  BatchDeleteFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse__Output>
  BatchSetFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse, _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse__Output>
  BatchUpdateFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest__Output, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse__Output>
  CountBundles: MethodDefinition<_spire_api_server_bundle_v1_CountBundlesRequest, _spire_api_server_bundle_v1_CountBundlesResponse, _spire_api_server_bundle_v1_CountBundlesRequest__Output, _spire_api_server_bundle_v1_CountBundlesResponse__Output>
  GetBundle: MethodDefinition<_spire_api_server_bundle_v1_GetBundleRequest, _spire_api_types_Bundle, _spire_api_server_bundle_v1_GetBundleRequest__Output, _spire_api_types_Bundle__Output>
  GetFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_GetFederatedBundleRequest, _spire_api_types_Bundle, _spire_api_server_bundle_v1_GetFederatedBundleRequest__Output, _spire_api_types_Bundle__Output>
  ListFederatedBundles: MethodDefinition<_spire_api_server_bundle_v1_ListFederatedBundlesRequest, _spire_api_server_bundle_v1_ListFederatedBundlesResponse, _spire_api_server_bundle_v1_ListFederatedBundlesRequest__Output, _spire_api_server_bundle_v1_ListFederatedBundlesResponse__Output>
  PublishJWTAuthority: MethodDefinition<_spire_api_server_bundle_v1_PublishJWTAuthorityRequest, _spire_api_server_bundle_v1_PublishJWTAuthorityResponse, _spire_api_server_bundle_v1_PublishJWTAuthorityRequest__Output, _spire_api_server_bundle_v1_PublishJWTAuthorityResponse__Output>
  PublishWITAuthority: MethodDefinition<_spire_api_server_bundle_v1_PublishWITAuthorityRequest, _spire_api_server_bundle_v1_PublishWITAuthorityResponse, _spire_api_server_bundle_v1_PublishWITAuthorityRequest__Output, _spire_api_server_bundle_v1_PublishWITAuthorityResponse__Output>
}
