import { type Socket, isIP } from "node:net";
import { type ConnectionOptions, connect, createSecureContext } from "node:tls";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";
import { peerCertificates } from "../x509/peer-certificates.ts";

export interface TlsClientOptions {
  /** Roots of which one must have led to the server's certificate; `undefined` believes any chain. */
  readonly rootsPem: string | undefined;
  /** What to say when none did: what is wrong and the next step, which only the caller knows. */
  readonly untrusted?: string;
  /** What the client shows when asked: certificates leaf first, and the leaf's key. */
  readonly identity?: { readonly certPem: string; readonly keyPem: string };
  /**
   * Looks at the server's leaf and at its chain, leaf first, both DER, after the chain was verified (if it was); an error
   * ends the connection.
   */
  readonly checkServer: (leafDer: Uint8Array, chain: readonly Uint8Array[]) => Error | undefined;
}

/**
 * Our own check of the server in place of host names, which SVIDs need not have.
 *
 * grpc-js lets a caller replace the host name check, but Node skips it when chain verification is off. So the socket is
 * made here, through the method that grpc-js's own credentials implement.
 */
export class TlsCredentials extends ChannelCredentials {
  readonly #connection: ConnectionOptions;
  readonly #checkServer: TlsClientOptions["checkServer"];
  readonly #untrusted: string | undefined;

  /** Throws when the PEM texts cannot be used. */
  constructor(options: TlsClientOptions, host: string) {
    super();
    const { rootsPem, identity } = options;
    this.#checkServer = options.checkServer;
    this.#untrusted = options.untrusted;
    this.#connection = {
      secureContext: createSecureContext({
        ...(identity && { cert: identity.certPem, key: identity.keyPem }),
        ca: rootsPem ?? [],
        // A bundle may hold an authority that is no self-signed root.
        allowPartialTrustChain: true,
        minVersion: "TLSv1.2",
      }),
      rejectUnauthorized: rootsPem !== undefined,
      checkServerIdentity: () => undefined,
      ALPNProtocols: ["h2"],
      // RFC 6066 §3 has no IP addresses in SNI.
      servername: isIP(host) === 0 ? host : "",
    };
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    ...[, , callCredentials]: Parameters<ChannelCredentials["_createSecureConnector"]>
  ): SecureConnector {
    return {
      connect: async (socket) => ({ socket: await this.#secure(socket), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }

  #secure(socket: Socket): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const secured = connect({ ...this.#connection, socket });
      const giveUp = (error: NodeJS.ErrnoException): void => {
        secured.destroy();
        const isUntrusted = NO_ROOT.has(error.code ?? "") && this.#untrusted !== undefined;
        reject(isUntrusted ? new Error(this.#untrusted, { cause: error }) : error);
      };
      secured.setTimeout(HANDSHAKE_TIMEOUT_MS, () => giveUp(new Error("TLS handshake timed out")));
      secured.on("error", giveUp);
      secured.once("close", () => giveUp(new Error("connection closed during the TLS handshake")));
      secured.once("secureConnect", () => {
        const leaf = secured.getPeerX509Certificate()?.raw;
        const error =
          leaf === undefined
            ? new Error("server has no certificate")
            : this.#checkServer(leaf, peerCertificates(secured));
        if (error !== undefined) return giveUp(error);
        if (secured.alpnProtocol !== "h2") return giveUp(new Error("server does not speak HTTP/2"));
        secured.setTimeout(0);
        resolve(secured);
      });
    });
  }
}

type SecureConnector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/** Node's names for a chain that ends at none of the roots, or at another key under a root's name. */
const NO_ROOT: ReadonlySet<string> = new Set([
  "CERT_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
const HANDSHAKE_TIMEOUT_MS = 10_000;
