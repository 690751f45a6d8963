// Original file: proto/assay/certificate/v1/certificate.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { NewCertificateRequest as _assay_certificate_v1_NewCertificateRequest, NewCertificateRequest__Output as _assay_certificate_v1_NewCertificateRequest__Output } from '../../../assay/certificate/v1/NewCertificateRequest.ts';
import type { NewCertificateResponse as _assay_certificate_v1_NewCertificateResponse, NewCertificateResponse__Output as _assay_certificate_v1_NewCertificateResponse__Output } from '../../../assay/certificate/v1/NewCertificateResponse.ts';

/**
 * Certificates with DNS names and addresses for whoever proves what it is: a pod, a job with a token, a holder of a
 * one-time token, a workload with its SVID. FAILED_PRECONDITION while the operator has not turned it on.
 */
export interface CertificatesClient extends grpc.Client {
  /**
   * For the caller's own X.509-SVID: what its entries allow. Workloads.
   */
  NewCertificateBySVID(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  NewCertificateBySVID(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  NewCertificateBySVID(argument: _assay_certificate_v1_NewCertificateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  NewCertificateBySVID(argument: _assay_certificate_v1_NewCertificateRequest, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  /**
   * For the caller's own X.509-SVID: what its entries allow. Workloads.
   */
  newCertificateBySvid(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  newCertificateBySvid(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  newCertificateBySvid(argument: _assay_certificate_v1_NewCertificateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  newCertificateBySvid(argument: _assay_certificate_v1_NewCertificateRequest, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * PERMISSION_DENIED when the proof gives no certificate, or not that name; the server's audit log says why. Open to
   * anyone.
   */
  NewCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  NewCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  NewCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  NewCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  /**
   * PERMISSION_DENIED when the proof gives no certificate, or not that name; the server's audit log says why. Open to
   * anyone.
   */
  newCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  newCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  newCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  newCertificateByToken(argument: _assay_certificate_v1_NewCertificateRequest, callback: grpc.requestCallback<_assay_certificate_v1_NewCertificateResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * Certificates with DNS names and addresses for whoever proves what it is: a pod, a job with a token, a holder of a
 * one-time token, a workload with its SVID. FAILED_PRECONDITION while the operator has not turned it on.
 */
export interface CertificatesHandlers extends grpc.UntypedServiceImplementation {
  /**
   * For the caller's own X.509-SVID: what its entries allow. Workloads.
   */
  NewCertificateBySVID: grpc.handleUnaryCall<_assay_certificate_v1_NewCertificateRequest__Output, _assay_certificate_v1_NewCertificateResponse>;
  
  /**
   * PERMISSION_DENIED when the proof gives no certificate, or not that name; the server's audit log says why. Open to
   * anyone.
   */
  NewCertificateByToken: grpc.handleUnaryCall<_assay_certificate_v1_NewCertificateRequest__Output, _assay_certificate_v1_NewCertificateResponse>;
  
}

export interface CertificatesDefinition extends grpc.ServiceDefinition {
  NewCertificateBySVID: MethodDefinition<_assay_certificate_v1_NewCertificateRequest, _assay_certificate_v1_NewCertificateResponse, _assay_certificate_v1_NewCertificateRequest__Output, _assay_certificate_v1_NewCertificateResponse__Output>
  NewCertificateByToken: MethodDefinition<_assay_certificate_v1_NewCertificateRequest, _assay_certificate_v1_NewCertificateResponse, _assay_certificate_v1_NewCertificateRequest__Output, _assay_certificate_v1_NewCertificateResponse__Output>
}
