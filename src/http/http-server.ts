/** What every HTTP/1.1 listener shares: where it listens, TLS with the certificate of the moment, bounds. */
import { type Server as HttpsServer, createServer as createHttpsServer } from "node:https";
import type { Server as NetServer } from "node:net";
import { createServer } from "../base/node-http.ts";
import { fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import { type TlsIdentity, serverContext } from "../base/tls-identity.ts";

/** Where a listener listens. */
export type HttpPlace =
  | {
      readonly host: string;
      /** 0 takes any free one. */
      readonly port: number;
      /** The option that names the address, for errors: `metrics-listen`. */
      readonly setting: string;
    }
  /** A path, and what opens the socket there. */
  | { readonly socket: string; readonly listen: (server: NetServer) => Promise<unknown> };

export interface HttpServerOptions {
  /**
   * HTTPS with this certificate, asked for at each connection: a new answer is what the next handshake shows. Plain HTTP
   * without it. While there was none yet, no handshake succeeds.
   */
  readonly tls?: () => TlsIdentity | undefined;
  /** Clients are asked for a certificate; whether it counts is decided by whoever reads it. Default: they are not. */
  readonly clientCertificates?: boolean;
  readonly maxConnections: number;
  /** From the first byte of a request to its last; default: 5 s. */
  readonly requestTimeoutMs?: number;
  readonly logger: Logger;
}

export type HttpServer = ReturnType<typeof createServer>;

/** Not listening yet. @throws invalid when certificate and key do not fit */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { tls, clientCertificates = false, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const bounds = {
    maxHeaderSize: 8 << 10,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: 30_000,
    connectionsCheckingInterval: requestTimeoutMs,
  };
  const server =
    tls === undefined
      ? createServer(bounds)
      : secured(
          createHttpsServer({
            ...bounds,
            ALPNProtocols: ["http/1.1"],
            handshakeTimeout: REQUEST_TIMEOUT_MS,
            ...(clientCertificates ? { requestCert: true, rejectUnauthorized: false } : {}),
          }),
          tls,
          options.logger,
        );
  server.maxConnections = options.maxConnections;
  server.maxRequestsPerSocket = MAX_REQUESTS_A_CONNECTION;
  return server;
}

/** @throws precondition when the address cannot be listened on */
export async function listenAt(
  server: HttpServer,
  place: HttpPlace,
  logger: Logger,
): Promise<void> {
  if ("socket" in place) await place.listen(server);
  else await listenOnTcp(server, place);
  server.on("error", (error) => logger.warn("listener failed", { error }));
}

/** Undefined on a Unix socket. */
export function tcpAddressOf(
  server: HttpServer,
): { readonly host: string; readonly port: number } | undefined {
  const found = server.address();
  if (found === null || typeof found === "string") return undefined;
  return { host: found.address, port: found.port };
}

/** Ends its connections, too. */
export async function closeHttpServer(server: HttpServer): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

/** Takes over a new certificate before each handshake; one that cannot be used leaves the present one in place. */
function secured(
  server: HttpsServer,
  tls: () => TlsIdentity | undefined,
  logger: Logger,
): HttpsServer {
  let shown: TlsIdentity | undefined;
  const refresh = (): void => {
    try {
      const identity = tls();
      if (identity === undefined) return;
      const { certPem, keyPem } = identity;
      if (identity === shown || (certPem === shown?.certPem && keyPem === shown.keyPem)) return;
      server.setSecureContext(serverContext(identity));
      shown = identity;
    } catch (cause) {
      const error = fail("invalid", "certificate and key cannot be used", { cause });
      if (shown === undefined) throw error;
      logger.error("kept the previous certificate", { error });
    }
  };
  refresh();
  // Before the listener that Node itself has there, which begins the handshake.
  server.prependListener("connection", refresh);
  server.on("tlsClientError", (error, socket) => {
    logger.debug("TLS handshake failed", { error });
    socket.destroy();
  });
  return server;
}

async function listenOnTcp(
  server: NetServer,
  { host, port, setting }: Extract<HttpPlace, { host: string }>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const refused = (cause: NodeJS.ErrnoException): void => {
      const why = `cannot listen on ${host}:${port} (${cause.code ?? cause.message})`;
      reject(fail("precondition", `${why}; choose another ${setting}`, { cause }));
    };
    server.once("error", refused);
    server.listen(port, host, () => {
      server.off("error", refused);
      resolve();
    });
  });
}

const MAX_REQUESTS_A_CONNECTION = 1000;
const REQUEST_TIMEOUT_MS = 5000;
