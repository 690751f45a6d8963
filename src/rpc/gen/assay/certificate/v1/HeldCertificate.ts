// Original file: proto/assay/certificate/v1/certificate.proto


export interface HeldCertificate {
  /**
   * ASN.1 DER, the leaf alone.
   */
  'certificate'?: (Buffer | Uint8Array | string);
  /**
   * By its key, of three lines with a line end each: "assay certificate renewal 1", the SHA-256 of `csr` in lower-case hex,
   * and that of `certificate`. ECDSA as ASN.1 DER or RSA PKCS #1 v1.5, with SHA-256; SHA-384 for P-384; ML-DSA.
   */
  'signature'?: (Buffer | Uint8Array | string);
}

export interface HeldCertificate__Output {
  /**
   * ASN.1 DER, the leaf alone.
   */
  'certificate': (Buffer);
  /**
   * By its key, of three lines with a line end each: "assay certificate renewal 1", the SHA-256 of `csr` in lower-case hex,
   * and that of `certificate`. ECDSA as ASN.1 DER or RSA PKCS #1 v1.5, with SHA-256; SHA-384 for P-384; ML-DSA.
   */
  'signature': (Buffer);
}
