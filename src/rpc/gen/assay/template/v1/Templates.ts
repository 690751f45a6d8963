// Original file: proto/assay/template/v1/template.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BatchCreateEntryRequest as _assay_template_v1_BatchCreateEntryRequest, BatchCreateEntryRequest__Output as _assay_template_v1_BatchCreateEntryRequest__Output } from '../../../assay/template/v1/BatchCreateEntryRequest.ts';
import type { BatchCreateEntryResponse as _assay_template_v1_BatchCreateEntryResponse, BatchCreateEntryResponse__Output as _assay_template_v1_BatchCreateEntryResponse__Output } from '../../../assay/template/v1/BatchCreateEntryResponse.ts';
import type { BatchGetTemplateRequest as _assay_template_v1_BatchGetTemplateRequest, BatchGetTemplateRequest__Output as _assay_template_v1_BatchGetTemplateRequest__Output } from '../../../assay/template/v1/BatchGetTemplateRequest.ts';
import type { BatchGetTemplateResponse as _assay_template_v1_BatchGetTemplateResponse, BatchGetTemplateResponse__Output as _assay_template_v1_BatchGetTemplateResponse__Output } from '../../../assay/template/v1/BatchGetTemplateResponse.ts';
import type { BatchNewX509SVIDRequest as _assay_template_v1_BatchNewX509SVIDRequest, BatchNewX509SVIDRequest__Output as _assay_template_v1_BatchNewX509SVIDRequest__Output } from '../../../assay/template/v1/BatchNewX509SVIDRequest.ts';
import type { BatchNewX509SVIDResponse as _assay_template_v1_BatchNewX509SVIDResponse, BatchNewX509SVIDResponse__Output as _assay_template_v1_BatchNewX509SVIDResponse__Output } from '../../../assay/template/v1/BatchNewX509SVIDResponse.ts';
import type { BatchSetTemplateRequest as _assay_template_v1_BatchSetTemplateRequest, BatchSetTemplateRequest__Output as _assay_template_v1_BatchSetTemplateRequest__Output } from '../../../assay/template/v1/BatchSetTemplateRequest.ts';
import type { BatchSetTemplateResponse as _assay_template_v1_BatchSetTemplateResponse, BatchSetTemplateResponse__Output as _assay_template_v1_BatchSetTemplateResponse__Output } from '../../../assay/template/v1/BatchSetTemplateResponse.ts';
import type { NewJWTSVIDRequest as _assay_template_v1_NewJWTSVIDRequest, NewJWTSVIDRequest__Output as _assay_template_v1_NewJWTSVIDRequest__Output } from '../../../assay/template/v1/NewJWTSVIDRequest.ts';
import type { NewJWTSVIDResponse as _assay_template_v1_NewJWTSVIDResponse, NewJWTSVIDResponse__Output as _assay_template_v1_NewJWTSVIDResponse__Output } from '../../../assay/template/v1/NewJWTSVIDResponse.ts';

/**
 * Entries that name a family of SPIFFE IDs. The entry's own SPIFFE ID is the prefix of them all and nobody's identity;
 * SPIRE's messages have no place for the rest, and SPIRE's agents are never told of such an entry.
 */
export interface TemplatesClient extends grpc.Client {
  /**
   * As spire.api.server.entry.v1.Entry has it, each entry with its template. Local and admin.
   */
  BatchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  /**
   * As spire.api.server.entry.v1.Entry has it, each entry with its template. Local and admin.
   */
  batchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _assay_template_v1_BatchCreateEntryRequest, callback: grpc.requestCallback<_assay_template_v1_BatchCreateEntryResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Those of the ids that have one, in any order. Local and admin.
   */
  BatchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  BatchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  BatchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  BatchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Those of the ids that have one, in any order. Local and admin.
   */
  batchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  batchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  batchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  batchGetTemplate(argument: _assay_template_v1_BatchGetTemplateRequest, callback: grpc.requestCallback<_assay_template_v1_BatchGetTemplateResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * SVIDs of members of a family that the calling agent is authorized for. The server fills the template in: no request
   * names an ID. Agents.
   */
  BatchNewX509SVID(argument: _assay_template_v1_BatchNewX509SVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  BatchNewX509SVID(argument: _assay_template_v1_BatchNewX509SVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  BatchNewX509SVID(argument: _assay_template_v1_BatchNewX509SVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  BatchNewX509SVID(argument: _assay_template_v1_BatchNewX509SVIDRequest, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  /**
   * SVIDs of members of a family that the calling agent is authorized for. The server fills the template in: no request
   * names an ID. Agents.
   */
  batchNewX509Svid(argument: _assay_template_v1_BatchNewX509SVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  batchNewX509Svid(argument: _assay_template_v1_BatchNewX509SVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  batchNewX509Svid(argument: _assay_template_v1_BatchNewX509SVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  batchNewX509Svid(argument: _assay_template_v1_BatchNewX509SVIDRequest, callback: grpc.requestCallback<_assay_template_v1_BatchNewX509SVIDResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Replaces the templates of entries that have one. Local and admin.
   */
  BatchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  BatchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  BatchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  BatchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Replaces the templates of entries that have one. Local and admin.
   */
  batchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  batchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  batchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  batchSetTemplate(argument: _assay_template_v1_BatchSetTemplateRequest, callback: grpc.requestCallback<_assay_template_v1_BatchSetTemplateResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * The same for a token. Agents.
   */
  NewJWTSVID(argument: _assay_template_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _assay_template_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _assay_template_v1_NewJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _assay_template_v1_NewJWTSVIDRequest, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  /**
   * The same for a token. Agents.
   */
  newJwtsvid(argument: _assay_template_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _assay_template_v1_NewJWTSVIDRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _assay_template_v1_NewJWTSVIDRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _assay_template_v1_NewJWTSVIDRequest, callback: grpc.requestCallback<_assay_template_v1_NewJWTSVIDResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Entries that name a family of SPIFFE IDs. The entry's own SPIFFE ID is the prefix of them all and nobody's identity;
 * SPIRE's messages have no place for the rest, and SPIRE's agents are never told of such an entry.
 */
export interface TemplatesHandlers extends grpc.UntypedServiceImplementation {
  /**
   * As spire.api.server.entry.v1.Entry has it, each entry with its template. Local and admin.
   */
  BatchCreateEntry: grpc.handleUnaryCall<_assay_template_v1_BatchCreateEntryRequest__Output, _assay_template_v1_BatchCreateEntryResponse>;
  
  /**
   * Those of the ids that have one, in any order. Local and admin.
   */
  BatchGetTemplate: grpc.handleUnaryCall<_assay_template_v1_BatchGetTemplateRequest__Output, _assay_template_v1_BatchGetTemplateResponse>;
  
  /**
   * SVIDs of members of a family that the calling agent is authorized for. The server fills the template in: no request
   * names an ID. Agents.
   */
  BatchNewX509SVID: grpc.handleUnaryCall<_assay_template_v1_BatchNewX509SVIDRequest__Output, _assay_template_v1_BatchNewX509SVIDResponse>;
  
  /**
   * Replaces the templates of entries that have one. Local and admin.
   */
  BatchSetTemplate: grpc.handleUnaryCall<_assay_template_v1_BatchSetTemplateRequest__Output, _assay_template_v1_BatchSetTemplateResponse>;
  
  /**
   * The same for a token. Agents.
   */
  NewJWTSVID: grpc.handleUnaryCall<_assay_template_v1_NewJWTSVIDRequest__Output, _assay_template_v1_NewJWTSVIDResponse>;
  
}

export interface TemplatesDefinition extends grpc.ServiceDefinition {
  BatchCreateEntry: MethodDefinition<_assay_template_v1_BatchCreateEntryRequest, _assay_template_v1_BatchCreateEntryResponse, _assay_template_v1_BatchCreateEntryRequest__Output, _assay_template_v1_BatchCreateEntryResponse__Output>
  BatchGetTemplate: MethodDefinition<_assay_template_v1_BatchGetTemplateRequest, _assay_template_v1_BatchGetTemplateResponse, _assay_template_v1_BatchGetTemplateRequest__Output, _assay_template_v1_BatchGetTemplateResponse__Output>
  BatchNewX509SVID: MethodDefinition<_assay_template_v1_BatchNewX509SVIDRequest, _assay_template_v1_BatchNewX509SVIDResponse, _assay_template_v1_BatchNewX509SVIDRequest__Output, _assay_template_v1_BatchNewX509SVIDResponse__Output>
  BatchSetTemplate: MethodDefinition<_assay_template_v1_BatchSetTemplateRequest, _assay_template_v1_BatchSetTemplateResponse, _assay_template_v1_BatchSetTemplateRequest__Output, _assay_template_v1_BatchSetTemplateResponse__Output>
  NewJWTSVID: MethodDefinition<_assay_template_v1_NewJWTSVIDRequest, _assay_template_v1_NewJWTSVIDResponse, _assay_template_v1_NewJWTSVIDRequest__Output, _assay_template_v1_NewJWTSVIDResponse__Output>
}
