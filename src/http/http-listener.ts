/**
 * A small HTTP/1.1 listener for what machines around a process ask it: metrics and health. It knows nothing of what it
 * serves; every answer is made anew, and nothing a client sends is read but the first line.
 */
import { type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface HttpListenerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Answers by path; GET and HEAD. */
  readonly routes: ReadonlyMap<string, () => Promise<HttpAnswer>>;
  readonly logger: Logger;
}

export class HttpListener implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws precondition when the address cannot be listened on */
  static async open({ host, port, routes, logger }: HttpListenerOptions): Promise<HttpListener> {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: REQUEST_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
      },
      (request, response) => {
        request.resume();
        const [path = ""] = (request.url ?? "").split("?");
        void answer(request.method ?? "", routes.get(path), response, logger.child({ path }));
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const why = `cannot listen on ${host}:${port} (${cause.code ?? cause.message})`;
        reject(fail("precondition", `${why}; choose another --metrics-listen`, { cause }));
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

async function answer(
  method: string,
  route: (() => Promise<HttpAnswer>) | undefined,
  response: ServerResponse,
  logger: Logger,
): Promise<void> {
  try {
    send(response, method, await answerOf(method, route));
  } catch (error) {
    logger.error("request failed", { error });
    send(response, method, text(500, "failed; the log says why"));
  }
}

async function answerOf(
  method: string,
  route: (() => Promise<HttpAnswer>) | undefined,
): Promise<HttpAnswer> {
  if (route === undefined) return text(404, "not found");
  if (method !== "GET" && method !== "HEAD") return text(405, "only GET is answered");
  return route();
}

function send(response: ServerResponse, method: string, { status, type, body }: HttpAnswer): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
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
