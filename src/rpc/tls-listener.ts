import { randomUUID } from "node:crypto";
import { type AddressInfo, type Server as NetServer, type Socket, createServer } from "node:net";
import {
  type TLSSocket,
  type Server as TlsServer,
  createServer as createTlsServer,
} from "node:tls";
import { fail } from "../base/errors.ts";
import { KeyedCounts } from "../base/keyed-counts.ts";
import { listenOnTcp } from "../base/listen.ts";
import { type TlsIdentity, serverContext } from "../base/tls-identity.ts";
import type { LogFields, Logger } from "../observe/logger.ts";

export interface TlsListenerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /**
   * Asked at each connection: a new answer is what the next handshake shows. While there was none yet, connections are
   * closed.
   */
  readonly secureContext: () => TlsIdentity | undefined;
  /** Handshake done, HTTP/2 agreed on; `label` names this connection and no other. */
  readonly onConnection: (socket: TLSSocket, label: string) => void;
  readonly handshakeTimeoutMs: number;
  /** Of all clients together; one address may hold a quarter of them, unless said otherwise. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress?: number;
  readonly logger: Logger;
}

/**
 * TLS for gRPC where a client certificate is asked for but not required, and not verified either: who trusts it, and
 * for what, is decided by those who are given the connection, on each call, with the bundle of that moment.
 *
 * No session is ever resumed, and TLS 1.2 never renegotiated: both would part the connection from the certificate
 * that its handshake showed.
 */
export class TlsListener implements AsyncDisposable {
  readonly #options: TlsListenerOptions;
  readonly #net: NetServer;
  readonly #tls: TlsServer;
  readonly #open = new Map<string, Connection>();
  readonly #perAddress = new KeyedCounts<string>();
  #shown: TlsIdentity | undefined;
  #full = false;

  private constructor(options: TlsListenerOptions) {
    this.#options = options;
    this.#tls = createTlsServer({
      ALPNProtocols: ["h2"],
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: options.handshakeTimeoutMs,
    });
    this.#tls.on("secureConnection", (socket) => this.#accept(socket));
    this.#tls.on("tlsClientError", (error, socket) => {
      this.#options.logger.debug("TLS handshake failed", { error });
      // Node leaves this to the listener; without it a handshake that timed out stays open.
      socket.destroy();
    });
    // Own TCP server in front, so that a connection above the bounds never reaches TLS.
    this.#net = createServer({ noDelay: true }, (socket) => this.#admit(socket));
    this.#refresh();
  }

  /** Throws `precondition` when the address cannot be listened on, `invalid` when certificate and key do not fit. */
  static async listen(options: TlsListenerOptions): Promise<TlsListener> {
    const listener = new TlsListener(options);
    const { host, port, logger } = options;
    await listenOnTcp(listener.#net, { host, port });
    listener.#net.on("error", (error) => logger.warn("listener failed", { error }));
    return listener;
  }

  /**
   * Tries whether `listen` would get its address, and gives it back at once.
   * @throws precondition when it would not
   */
  static async probe(address: { host: string; port: number }): Promise<void> {
    const server = createServer();
    await listenOnTcp(server, address);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#net.address() as AddressInfo;
    return { host: address, port };
  }

  /** Connections accepted and not yet closed, handshakes included. */
  get connections(): number {
    return this.#open.size;
  }

  /** Stops listening and cuts handshakes off; connections handed over are for their new owner to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#net.close();
    for (const { socket, handedOver } of this.#open.values()) if (!handedOver) socket.destroy();
  }

  #admit(socket: Socket): void {
    const { maxConnections, logger } = this.#options;
    const perAddress = this.#options.maxConnectionsPerAddress ?? Math.ceil(maxConnections / 4);
    const address = socket.remoteAddress;
    socket.on("error", (error) => logger.debug("connection failed", { address, error }));
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const held = this.#perAddress.of(address);
    if (this.#open.size >= maxConnections || held >= perAddress) {
      this.#refuse({ address, held, open: this.#open.size });
      socket.destroy();
      return;
    }
    const key = connectionKey(socket);
    this.#open.set(key, { socket, handedOver: false });
    this.#perAddress.add(address);
    socket.once("close", () => this.#forget(key, address));
    this.#refresh();
    if (this.#shown === undefined) {
      logger.debug("connection refused: there is no server certificate yet", { address });
      socket.destroy();
      return;
    }
    this.#tls.emit("connection", socket);
  }

  #forget(key: string, address: string): void {
    this.#open.delete(key);
    this.#full = false;
    this.#perAddress.remove(address);
  }

  /** One warning until a place becomes free, however many knock. */
  #refuse(fields: LogFields): void {
    const { logger } = this.#options;
    if (this.#full) logger.debug("connection refused: too many", fields);
    else logger.warn("connection refused: too many", fields);
    this.#full = true;
  }

  /** Takes over a new certificate; one that cannot be used leaves the present one in place. */
  #refresh(): void {
    const { secureContext, logger } = this.#options;
    const identity = secureContext();
    if (identity === undefined) return;
    if (identity.certPem === this.#shown?.certPem && identity.keyPem === this.#shown.keyPem) return;
    try {
      this.#tls.setSecureContext(serverContext(identity));
      this.#shown = identity;
    } catch (cause) {
      const error = fail("invalid", "server certificate and key cannot be used", { cause });
      if (this.#shown === undefined) throw error;
      logger.error("kept the previous server certificate", { error });
    }
  }

  #accept(socket: TLSSocket): void {
    const { onConnection, logger } = this.#options;
    socket.on("error", (error) => {
      logger.debug("connection failed", { error });
      // A record that cannot be read ends nothing by itself.
      socket.destroy();
    });
    const connection = this.#open.get(connectionKey(socket));
    if (connection === undefined || !this.#net.listening || socket.alpnProtocol !== "h2") {
      logger.debug("connection refused: no HTTP/2", { address: socket.remoteAddress });
      socket.destroy();
      return;
    }
    connection.handedOver = true;
    onConnection(socket, `tls:${randomUUID()}`);
  }
}

/** The same for a TCP connection and for the TLS on it, which Node keeps as two sockets. */
function connectionKey(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

interface Connection {
  readonly socket: Socket;
  handedOver: boolean;
}
