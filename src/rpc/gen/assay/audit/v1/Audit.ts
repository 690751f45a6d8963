// Original file: proto/assay/audit/v1/audit.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ReadRequest as _assay_audit_v1_ReadRequest, ReadRequest__Output as _assay_audit_v1_ReadRequest__Output } from '../../../assay/audit/v1/ReadRequest.ts';
import type { ReadResponse as _assay_audit_v1_ReadResponse, ReadResponse__Output as _assay_audit_v1_ReadResponse__Output } from '../../../assay/audit/v1/ReadResponse.ts';

/**
 * The server's audit log. Local only.
 */
export interface AuditClient extends grpc.Client {
  /**
   * Records in order. Ends after the last one that is there, or never when they are followed.
   */
  Read(argument: _assay_audit_v1_ReadRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_audit_v1_ReadResponse__Output>;
  Read(argument: _assay_audit_v1_ReadRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_audit_v1_ReadResponse__Output>;
  /**
   * Records in order. Ends after the last one that is there, or never when they are followed.
   */
  read(argument: _assay_audit_v1_ReadRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_audit_v1_ReadResponse__Output>;
  read(argument: _assay_audit_v1_ReadRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_assay_audit_v1_ReadResponse__Output>;
  
}

/**
 * The server's audit log. Local only.
 */
export interface AuditHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Records in order. Ends after the last one that is there, or never when they are followed.
   */
  Read: grpc.handleServerStreamingCall<_assay_audit_v1_ReadRequest__Output, _assay_audit_v1_ReadResponse>;
  
}

export interface AuditDefinition extends grpc.ServiceDefinition {
  Read: MethodDefinition<_assay_audit_v1_ReadRequest, _assay_audit_v1_ReadResponse, _assay_audit_v1_ReadRequest__Output, _assay_audit_v1_ReadResponse__Output>
}
