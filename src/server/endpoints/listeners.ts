import type { TLSSocket } from "node:tls";
import type { CallContext, ServiceImplementation } from "../../rpc/service.ts";
import type { CallerConnection } from "./gate.ts";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../observe/logger.ts";
import { GrpcServer } from "../../rpc/server.ts";
import { KNOWN_SERVICES } from "./authorization.ts";
import { PeerIdentity, type TrustedRoots } from "./peer-identity.ts";
import type { ServerCredentials } from "./server-identity.ts";
import { probeSocketFile } from "../../rpc/unix-listener.ts";
import { TlsListener } from "../../rpc/tls-listener.ts";
import { peerCertificates } from "../../x509/peer-certificates.ts";

export interface ListenersOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Path of the admin Unix socket. */
  readonly socket: string;
  /** Implementations by full service name; known services without one answer UNIMPLEMENTED. */
  readonly services: Readonly<Record<string, ServiceImplementation>>;
  /** Lets calls pass, given a way to the connections that they come in on. */
  readonly gate: (
    connection: (label: string) => CallerConnection | undefined,
  ) => (method: string, call: CallContext) => Promise<void>;
  readonly credentials: () => ServerCredentials | undefined;
  readonly roots: TrustedRoots;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The server's two doors: mutual TLS on TCP, and the admin socket, both with the same services and the same gate. */
export class Listeners implements AsyncDisposable {
  readonly #options: ListenersOptions;
  readonly #grpc: GrpcServer;
  readonly #connections = new Map<string, CallerConnection>();
  #tls: TlsListener | undefined;

  private constructor(options: ListenersOptions) {
    this.#options = options;
    this.#grpc = new GrpcServer({ logger: options.logger });
    for (const service of KNOWN_SERVICES) {
      this.#grpc.addService(service, options.services[service] ?? {});
    }
    this.#grpc.setGate(options.gate((label) => this.#connections.get(label)));
  }

  /** @throws precondition when one of the two addresses cannot be listened on */
  static async open(options: ListenersOptions): Promise<Listeners> {
    const listeners = new Listeners(options);
    try {
      await listeners.#listen();
    } catch (thrown) {
      await listeners[Symbol.asyncDispose]();
      throw thrown;
    }
    return listeners;
  }

  /** @throws precondition or invalid when `open` could not have the address or the socket */
  static async probe({
    socket,
    ...address
  }: Pick<ListenersOptions, "host" | "port" | "socket">): Promise<void> {
    await TlsListener.probe(address);
    await probeSocketFile(socket);
  }

  get tcpAddress(): { readonly host: string; readonly port: number } {
    if (this.#tls === undefined) throw new TypeError("the listeners are not open");
    return this.#tls.address;
  }

  /** New connections end at once; calls under way have a moment to finish. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#grpc.shutdown(GRACE_MS);
    await this.#tls?.[Symbol.asyncDispose]();
  }

  async #listen(): Promise<void> {
    const { host, port, socket, credentials, logger } = this.#options;
    await this.#grpc.listenUnix(socket, { mode: 0o600, directoryMode: 0o755 });
    this.#tls = await TlsListener.listen({
      host,
      port,
      secureContext: credentials,
      onConnection: (connection, label) => this.#accept(connection, label),
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      maxConnections: MAX_CONNECTIONS,
      logger,
    });
  }

  #accept(connection: TLSSocket, label: string): void {
    const { roots, clock } = this.#options;
    const { remoteAddress } = connection;
    if (remoteAddress === undefined) {
      connection.destroy();
      return;
    }
    const identity = new PeerIdentity(peerCertificates(connection), roots, clock);
    let cancelEnd: (() => void) | undefined;
    const endSoon = (): void => {
      cancelEnd ??= clock.after(END_MS, () => connection.destroy());
    };
    this.#connections.set(label, { remoteAddress, identity, endSoon });
    connection.once("close", () => {
      cancelEnd?.();
      this.#connections.delete(label);
    });
    this.#grpc.inject(connection, label);
  }
}

const GRACE_MS = 3000;
/** Enough for an answer that is on its way. */
const END_MS = 500;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 20_000;
