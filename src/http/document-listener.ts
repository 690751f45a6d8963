/**
 * An HTTP/1.1 listener, with or without TLS, for public documents that change now and then: key sets, lists. GET and
 * HEAD; an answer names its content (`ETag`) and how long it may be kept. Nothing of a request is read but method,
 * path, `Host` and `If-None-Match`; a body is thrown away.
 */
import { createHash } from "node:crypto";
import {
  type IncomingMessage,
  type RequestListener,
  type Server as HttpServer,
  type ServerResponse,
  createServer,
} from "node:http";
import { type Server as HttpsServer, createServer as createSecureServer } from "node:https";
import type { Server as NetServer } from "node:net";
import { type Clock, sleep } from "../base/clock.ts";
import { errorFrom, fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import type { TlsIdentity } from "./tls-identity.ts";

export interface PublicDocument {
  readonly type: string;
  /** The same text object for as long as nothing changed spares work. */
  readonly body: string;
  /** Seconds that anyone may keep it for without asking again. */
  readonly maxAgeSeconds: number;
}

export interface DocumentListenerOptions {
  /** Has the server listen; in messages it is called `name`. */
  readonly address: DocumentAddress;
  /** By path. What they throw is answered with 503 and logged. */
  readonly documents: () => ReadonlyMap<string, () => PublicDocument>;
  /** Names, in lower case and without a port, that `Host` may say; empty: any. */
  readonly hosts: () => ReadonlySet<string>;
  /** Shown in TLS handshakes, and asked for before each; absent: no TLS. */
  readonly tls?: () => TlsIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of each answer. */
  readonly onAnswer?: (status: number) => void;
}

export type DocumentAddress =
  | { readonly host: string; readonly port: number }
  /** A path, and what opens the socket there. */
  | { readonly socket: string; readonly listen: (server: NetServer) => Promise<unknown> };

export class DocumentListener implements AsyncDisposable {
  readonly #options: DocumentListenerOptions;
  readonly #server: HttpServer | HttpsServer;
  #shown: TlsIdentity | undefined;

  private constructor(options: DocumentListenerOptions) {
    this.#options = options;
    const answer: RequestListener = (request, response) => this.#answer(request, response);
    this.#server = this.#secureOrPlain(answer);
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.maxRequestsPerSocket = MAX_REQUESTS_A_CONNECTION;
  }

  /** @throws precondition when the address cannot be listened on; invalid when certificate and key do not do */
  static async open(options: DocumentListenerOptions): Promise<DocumentListener> {
    const listener = new DocumentListener(options);
    const { address, logger } = options;
    const server = listener.#server;
    if ("socket" in address) await address.listen(server);
    else await listenOnTcp(server, address);
    server.on("error", (error) => logger.warn("listener failed", { error }));
    return listener;
  }

  /** Undefined on a Unix socket. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const found = this.#server.address();
    if (found === null || typeof found === "string") return undefined;
    return { host: found.address, port: found.port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    // An answer that is on its way has a moment; idle connections have none.
    this.#server.closeIdleConnections();
    const over = new AbortController();
    await Promise.race([
      closed,
      sleep(this.#options.clock, LAST_ANSWER_MS, over.signal).catch(() => undefined),
    ]);
    over.abort();
    this.#server.closeAllConnections();
    await closed;
  }

  #secureOrPlain(answer: RequestListener): HttpServer | HttpsServer {
    const { tls, logger } = this.#options;
    if (tls === undefined) return createServer(HTTP_LIMITS, answer);
    const server = createSecureServer(
      {
        ...HTTP_LIMITS,
        ALPNProtocols: ["http/1.1"],
        handshakeTimeout: REQUEST_TIMEOUT_MS,
        ...secureContext((this.#shown = tls())),
      },
      answer,
    );
    // Before TLS looks at the connection.
    server.prependListener("connection", () => this.#refresh(server, tls));
    server.on("tlsClientError", (error, socket) => {
      logger.debug("TLS handshake failed", { error });
      socket.destroy();
    });
    return server;
  }

  /** Takes over a certificate that was replaced; one that does not do leaves the present one in place. */
  #refresh(server: HttpsServer, tls: () => TlsIdentity): void {
    try {
      const identity = tls();
      if (identity === this.#shown) return;
      server.setSecureContext(secureContext(identity));
      this.#shown = identity;
    } catch (error) {
      this.#options.logger.error("kept the previous certificate", { error });
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const [path = ""] = (request.url ?? "").split("?", 1);
    let status: number;
    try {
      status = this.#send(request, response, path);
    } catch (thrown) {
      this.#options.logger.warn("document could not be served", {
        path: path.slice(0, MAX_LOGGED_PATH),
        error: errorFrom(thrown),
      });
      status = refuse(response, 503, "not available; try again", { "retry-after": "5" });
    }
    this.#options.onAnswer?.(status);
  }

  #send(request: IncomingMessage, response: ServerResponse, path: string): number {
    const { documents, hosts } = this.#options;
    const allowed = hosts();
    if (allowed.size > 0 && !allowed.has(hostName(request.headers.host))) {
      return refuse(response, 400, "this host is not served here");
    }
    const make = documents().get(path);
    if (make === undefined) return refuse(response, 404, "not found");
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(response, 405, "only GET is answered", { allow: "GET, HEAD" });
    }
    const { type, body, maxAgeSeconds } = make();
    const tag = entityTag(body);
    const headers = {
      etag: tag,
      "cache-control": `public, max-age=${maxAgeSeconds}, must-revalidate`,
      "x-content-type-options": "nosniff",
    };
    if (names(request.headers["if-none-match"], tag)) {
      response.writeHead(304, headers).end();
      return 304;
    }
    response.writeHead(200, {
      ...headers,
      "content-type": type,
      "content-length": Buffer.byteLength(body),
    });
    response.end(request.method === "HEAD" ? undefined : body);
    return 200;
  }
}

/** RFC 9110 §7.2; the name alone, for a proxy's port need not be ours. */
function hostName(host: string | undefined): string {
  return (host ?? "").replace(/:\d{1,5}$/, "").toLowerCase();
}

function refuse(
  response: ServerResponse,
  status: number,
  why: string,
  headers: Readonly<Record<string, string>> = {},
): number {
  const body = `${why}\n`;
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
  return status;
}

/** RFC 9110 §8.8.3. */
function entityTag(body: string): string {
  return `"${createHash("sha256").update(body).digest("base64url").slice(0, 27)}"`;
}

/** RFC 9110 §13.1.2: the comparison is the weak one. */
function names(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(",").map((one) => one.trim().replace(/^W\//, ""));
  return tags.includes(tag) || (tags.length === 1 && tags[0] === "*");
}

function secureContext({ certPem, keyPem }: TlsIdentity) {
  return { cert: certPem, key: keyPem, minVersion: "TLSv1.2" } as const;
}

async function listenOnTcp(
  server: NetServer,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const refused = (cause: NodeJS.ErrnoException): void => {
      const why = `cannot listen on ${host}:${port} (${cause.code ?? cause.message})`;
      reject(fail("precondition", `${why}; choose another address`, { cause }));
    };
    server.once("error", refused);
    server.listen(port, host, () => {
      server.off("error", refused);
      resolve();
    });
  });
}

const MAX_CONNECTIONS = 1024;
const MAX_REQUESTS_A_CONNECTION = 1000;
const REQUEST_TIMEOUT_MS = 5000;
const LAST_ANSWER_MS = 1000;
const MAX_LOGGED_PATH = 256;
const HTTP_LIMITS = {
  maxHeaderSize: 16 << 10,
  headersTimeout: REQUEST_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
};
