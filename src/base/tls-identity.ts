import { constants } from "node:crypto";
import type { SecureContextOptions } from "node:tls";

/** What a TLS server shows of itself. A new object is a new certificate. */
export interface TlsIdentity {
  /** Leaf first. */
  readonly certPem: string;
  readonly keyPem: string;
}

/** For `setSecureContext` of every listener of ours; clients' certificates are verified by whoever reads them. */
export function serverContext({ certPem, keyPem }: TlsIdentity): SecureContextOptions {
  return {
    cert: certPem,
    key: keyPem,
    // None, instead of the web's roots: nothing is verified here, and nothing is to be added to the own chain.
    ca: [],
    minVersion: "TLSv1.2",
    // A session that is resumed, and a handshake repeated in TLS 1.2, part a connection from the certificate that its
    // handshake showed.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}
