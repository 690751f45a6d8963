/**
 * A small HTTP/1.1 listener for what machines around a process read from it: metrics, health, published documents. It
 * knows nothing of what it serves; every answer is made anew, and of what a client sends only the head is read.
 */
import { constants } from "node:crypto";
import { type IncomingHttpHeaders, type ServerResponse, createServer } from "node:http";
import { type Server as HttpsServer, createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";

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

/** PEM; certificates leaf first. */
export interface HttpIdentity {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface HttpListenerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** The option that names the address, for errors: `metrics-listen`. */
  readonly setting: string;
  /** Answers by path; GET and HEAD. */
  readonly routes: ReadonlyMap<string, HttpRoute>;
  /**
   * HTTPS with this certificate, asked for at each connection: a new answer is what the next handshake shows. Plain HTTP
   * without it. Clients are never asked for a certificate.
   */
  readonly tls?: () => HttpIdentity;
  readonly logger: Logger;
}

export class HttpListener implements AsyncDisposable {
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
  }

  /** @throws precondition when the address cannot be listened on, invalid when certificate and key do not fit */
  static async open(options: HttpListenerOptions): Promise<HttpListener> {
    const { host, port, setting, routes, logger, tls } = options;
    const bounds = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    };
    const server =
      tls === undefined
        ? createServer(bounds)
        : secured(
            createHttpsServer({ ...bounds, handshakeTimeout: REQUEST_TIMEOUT_MS }),
            tls,
            logger,
          );
    server.on("request", (request, response) => {
      request.resume();
      const [path = ""] = (request.url ?? "").split("?");
      void answer(request, routes.get(path), response, logger.child({ path }));
    });
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = `cannot listen on ${host}:${port} (${cause.code ?? cause.message})`;
        reject(fail("precondition", `${why}; choose another --${setting}`, { cause }));
      });
      server.listen(port, host, resolve);
    });
    server.on("error", (error) => logger.warn("listener failed", { error }));
    return new HttpListener(server);
  }

  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#server.address() as AddressInfo; // it listens on TCP
    return { host: address, port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Takes over a new certificate before each handshake; one that cannot be used leaves the present one in place. */
function secured(server: HttpsServer, tls: () => HttpIdentity, logger: Logger): HttpsServer {
  let shown: HttpIdentity | undefined;
  const refresh = (): void => {
    try {
      const identity = tls();
      const { certPem, keyPem } = identity;
      if (certPem === shown?.certPem && keyPem === shown.keyPem) return;
      server.setSecureContext({
        cert: certPem,
        key: keyPem,
        // None, instead of the web's roots: nothing is verified here, and nothing is to be added to the own chain.
        ca: [],
        minVersion: "TLSv1.2",
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
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
): Promise<void> {
  try {
    send(response, request.method, await answerOf(request, route));
  } catch (error) {
    logger.error("request failed", { error });
    send(response, request.method, text(500, "failed; the log says why"));
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
): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(method === "HEAD" ? undefined : body);
}

function text(status: number, body: string): HttpAnswer {
  return { status, type: "text/plain; charset=utf-8", body: `${body}\n` };
}

const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8 << 10;
const REQUEST_TIMEOUT_MS = 5000;
const KEEP_ALIVE_MS = 30_000;
