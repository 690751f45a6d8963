/**
 * A small HTTP/1.1 listener for what machines around a process read from it: metrics, health, published documents. It
 * knows nothing of what it serves; every answer is made anew, and of what a client sends only the head is read.
 */
import { constants } from "node:crypto";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { type Server as HttpsServer, createServer as createHttpsServer } from "node:https";
import type { Server as NetServer } from "node:net";
import { createServer } from "../base/node-http.ts";
import { fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import type { TlsIdentity } from "./tls-identity.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD";
  /** As Node gives them: names in lower case. */
  readonly headers: IncomingHttpHeaders;
}

export interface HttpAnswer {
  readonly status: number;
  /** `Content-Type`. */
  readonly type: string;
  readonly body: string | Uint8Array;
  /** Further ones, names in lower case; `cache-control` is `no-store` unless it is among them. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type HttpRoute = (request: HttpRequest) => Promise<HttpAnswer>;

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

interface HttpBehaviour {
  /** Answers by path; GET and HEAD. */
  readonly routes: Pick<ReadonlyMap<string, HttpRoute>, "get">;
  /**
   * HTTPS with this certificate, asked for at each connection: a new answer is what the next handshake shows. Plain HTTP
   * without it. Clients are never asked for a certificate. While there was none yet, no handshake succeeds.
   */
  readonly tls?: () => TlsIdentity | undefined;
  /** Default: 64. */
  readonly maxConnections?: number;
  /** Told of each answer. */
  readonly onAnswer?: (status: number) => void;
  readonly logger: Logger;
}

export type HttpListenerOptions = HttpPlace & HttpBehaviour;

export class HttpListener implements AsyncDisposable {
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
  }

  /** @throws precondition when the address cannot be listened on, invalid when certificate and key do not fit */
  static async open(options: HttpListenerOptions): Promise<HttpListener> {
    const { routes, logger, tls, onAnswer } = options;
    const server =
      tls === undefined
        ? createServer(BOUNDS)
        : secured(createHttpsServer({ ...BOUNDS, ...HTTPS_BOUNDS }), tls, logger);
    server.on("request", (request, response) => {
      request.resume();
      const [path = ""] = (request.url ?? "").split("?", 1);
      const log = logger.child({ path: path.slice(0, MAX_LOGGED_PATH) });
      void answer(request, routes.get(path), response, log).then(onAnswer);
    });
    server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
    server.maxRequestsPerSocket = MAX_REQUESTS_A_CONNECTION;
    if ("socket" in options) await options.listen(server);
    else await listenOnTcp(server, options);
    server.on("error", (error) => logger.warn("listener failed", { error }));
    return new HttpListener(server);
  }

  /** Undefined on a Unix socket. */
  get tcpAddress(): { readonly host: string; readonly port: number } | undefined {
    const found = this.#server.address();
    if (found === null || typeof found === "string") return undefined;
    return { host: found.address, port: found.port };
  }

  /** Of one that listens on TCP. @throws TypeError on a Unix socket */
  get address(): { readonly host: string; readonly port: number } {
    const { tcpAddress } = this;
    if (tcpAddress === undefined) throw new TypeError("it has no TCP address");
    return tcpAddress;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
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
      server.setSecureContext({
        cert: certPem,
        key: keyPem,
        // None, instead of the web's roots: nothing is verified here, and nothing is to be added to the own chain.
        ca: [],
        minVersion: "TLSv1.2",
        // A session that is resumed would show nobody the certificate of today.
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
      });
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

interface Asked {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

async function answer(
  request: Asked,
  route: HttpRoute | undefined,
  response: ServerResponse,
  logger: Logger,
): Promise<number> {
  try {
    return send(response, request.method, await answerOf(request, route));
  } catch (error) {
    logger.error("request failed", { error });
    return send(response, request.method, text(500, "failed; the log says why"));
  }
}

async function answerOf({ method, headers }: Asked, route?: HttpRoute): Promise<HttpAnswer> {
  if (route === undefined) return text(404, "not found");
  if (method !== "GET" && method !== "HEAD") {
    return { ...text(405, "only GET is answered"), headers: { allow: "GET, HEAD" } };
  }
  return route({ method, headers });
}

function send(
  response: ServerResponse,
  method: string | undefined,
  { status, type, body, headers }: HttpAnswer,
): number {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(method === "HEAD" || status === 304 ? undefined : body);
  return status;
}

/** A sentence in place of what was asked for. */
export function text(status: number, body: string): HttpAnswer {
  return { status, type: "text/plain; charset=utf-8", body: `${body}\n` };
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

const MAX_CONNECTIONS = 64;
const MAX_REQUESTS_A_CONNECTION = 1000;
const MAX_LOGGED_PATH = 256;
const REQUEST_TIMEOUT_MS = 5000;
const BOUNDS = {
  maxHeaderSize: 8 << 10,
  headersTimeout: REQUEST_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
};
const HTTPS_BOUNDS = { ALPNProtocols: ["http/1.1"], handshakeTimeout: REQUEST_TIMEOUT_MS };
