/** What a TLS server shows of itself. A new object is a new certificate. */
export interface TlsIdentity {
  /** Leaf first. */
  readonly certPem: string;
  readonly keyPem: string;
}
