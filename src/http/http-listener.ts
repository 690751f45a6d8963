/**
 * A small HTTP/1.1 listener for what machines around a process read from it: metrics, health, published documents. It
 * knows nothing of what it serves; every answer is made anew, and of what a client sends only the head is read. What
 * takes requests with a body is an `ApiListener`.
 */
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Logger } from "../observe/logger.ts";
import { type HttpAnswer, send, text } from "./http-answer.ts";
import {
  type HttpPlace,
  type HttpServer,
  type HttpServerOptions,
  closeHttpServer,
  createHttpServer,
  listenAt,
  tcpAddressOf,
} from "./http-server.ts";

export interface HttpRequest {
  readonly method: "GET" | "HEAD";
  /** As Node gives them: names in lower case. */
  readonly headers: IncomingHttpHeaders;
}

export type HttpRoute = (request: HttpRequest) => Promise<HttpAnswer>;

interface HttpBehaviour extends Pick<HttpServerOptions, "tls" | "logger"> {
  /** Answers by path; GET and HEAD. */
  readonly routes: Pick<ReadonlyMap<string, HttpRoute>, "get">;
  /** Default: 64. */
  readonly maxConnections?: number;
  /** Told of each answer. */
  readonly onAnswer?: (status: number) => void;
}

export type HttpListenerOptions = HttpPlace & HttpBehaviour;

export class HttpListener implements AsyncDisposable {
  readonly #server: HttpServer;

  private constructor(server: HttpServer) {
    this.#server = server;
  }

  /** @throws precondition when the address cannot be listened on, invalid when certificate and key do not fit */
  static async open(options: HttpListenerOptions): Promise<HttpListener> {
    const { routes, logger, onAnswer, maxConnections = MAX_CONNECTIONS } = options;
    const server = createHttpServer({ ...options, maxConnections });
    server.on("request", (request, response) => {
      request.resume();
      const [path = ""] = (request.url ?? "").split("?", 1);
      const log = logger.child({ path: path.slice(0, MAX_LOGGED_PATH) });
      void answer(request, routes.get(path), response, log).then(onAnswer);
    });
    await listenAt(server, options, logger);
    return new HttpListener(server);
  }

  /** Undefined on a Unix socket. */
  get tcpAddress(): { readonly host: string; readonly port: number } | undefined {
    return tcpAddressOf(this.#server);
  }

  /** Of one that listens on TCP. @throws TypeError on a Unix socket */
  get address(): { readonly host: string; readonly port: number } {
    const { tcpAddress } = this;
    if (tcpAddress === undefined) throw new TypeError("it has no TCP address");
    return tcpAddress;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeHttpServer(this.#server);
  }
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

const MAX_CONNECTIONS = 64;
const MAX_LOGGED_PATH = 256;
