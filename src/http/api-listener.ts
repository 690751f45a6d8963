/**
 * An HTTP/1.1 listener for APIs: methods, path parameters, bounded bodies, client certificates, and a guard against
 * callers that keep sending what is bad. It knows nothing of what it serves.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type AssayError, errorFrom } from "../base/errors.ts";
import { peerCertificates } from "../x509/peer-certificates.ts";
import { ApiRoutes } from "./api-routes.ts";
import { CallEnd } from "./call-end.ts";
import type { CallerGuard, GuardOutcome } from "./caller-guard.ts";
import { type HttpAnswer, send } from "./http-answer.ts";
import { ConnectionPlaces } from "./connection-places.ts";
import type { ApiRoute, HttpCall } from "./http-call.ts";
import {
  type HttpPlace,
  type HttpServer,
  type HttpServerOptions,
  closeHttpServer,
  createHttpServer,
  listenAt,
  tcpAddressOf,
} from "./http-server.ts";
import { problem, problemOf } from "./problem.ts";
import { readBody } from "./read-body.ts";

/** What became of a request, for metrics. */
export interface ServedCall {
  /** Pattern of the route; absent when there was none. */
  readonly route?: string;
  readonly status: number;
  /** Of a bad one, where there is a guard. */
  readonly guard?: GuardOutcome;
}

interface ApiBehaviour extends Omit<HttpServerOptions, "maxConnections"> {
  readonly routes: readonly ApiRoute[];
  /** Default: 1024. */
  readonly maxConnections?: number;
  /** Slows and cuts off those whose answers are marked `bad`. */
  readonly guard?: CallerGuard;
  /** How an error of a handler is answered; default: `problemOf`. */
  readonly failure?: (error: AssayError) => HttpAnswer;
  /** What a request that reaches no handler is answered is of this type; default: none, its status says it all. */
  readonly refusalType?: string;
  readonly onServed?: (served: ServedCall) => void;
}

export type ApiListenerOptions = HttpPlace & ApiBehaviour;

export class ApiListener implements AsyncDisposable {
  readonly #server: HttpServer;
  readonly #closing: AbortController;

  private constructor(server: HttpServer, closing: AbortController) {
    this.#server = server;
    this.#closing = closing;
  }

  /** @throws precondition when the address cannot be listened on, invalid when certificate and key do not fit */
  static async open(options: ApiListenerOptions): Promise<ApiListener> {
    const { maxConnections = MAX_CONNECTIONS, logger } = options;
    // What is above is not refused: it takes another's place.
    const server = createHttpServer({ ...options, maxConnections: 2 * maxConnections });
    const places = new ConnectionPlaces(maxConnections);
    server.on("connection", (socket: Socket) => places.take(socket));
    const closing = new AbortController();
    const service = new ApiService(options, closing.signal);
    server.on("request", (request, response) => void service.serve(request, response));
    await listenAt(server, options, logger);
    return new ApiListener(server, closing);
  }

  /** Undefined on a Unix socket. */
  get tcpAddress(): { readonly host: string; readonly port: number } | undefined {
    return tcpAddressOf(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await closeHttpServer(this.#server);
  }
}

/** What a handler is given, besides what it was asked. */
interface Reply {
  readonly answer: HttpAnswer;
  readonly route?: string;
  /** The rest of the request was not read. */
  readonly isLast?: boolean;
}

class ApiService {
  readonly #options: ApiBehaviour;
  readonly #routes: ApiRoutes;
  readonly #closing: AbortSignal;
  /** Requests of one connection that came before the answers of those ahead of them. */
  readonly #inFlight = new WeakMap<Socket, number>();

  constructor(options: ApiBehaviour, closing: AbortSignal) {
    this.#options = options;
    this.#routes = new ApiRoutes(options.routes);
    this.#closing = closing;
  }

  /** Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const waiting = this.#inFlight.get(socket) ?? 0;
    if (waiting >= MAX_PIPELINED) {
      socket.destroy();
      return;
    }
    this.#inFlight.set(socket, waiting + 1);
    const end = new CallEnd(response, this.#closing);
    try {
      await this.#serve(request, response, end);
    } catch (thrown) {
      // Who has left needs no answer.
      if (!end.isOver) this.#options.logger.error("request failed", { error: thrown });
      socket.destroy();
    } finally {
      this.#inFlight.set(socket, (this.#inFlight.get(socket) ?? 1) - 1);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse, end: CallEnd): Promise<void> {
    const { guard, onServed } = this.#options;
    const { answer, route, isLast = false } = await this.#reply(request, end);
    const served = { status: answer.status, ...(route === undefined ? {} : { route }) };
    const { remoteAddress = "" } = request.socket;
    if (answer.bad === true && guard !== undefined) {
      const outcome = await guard.bad(remoteAddress, end.signal);
      onServed?.({ ...served, guard: outcome });
      if (outcome === "cut") {
        request.socket.destroy();
        return;
      }
    } else {
      onServed?.(served);
    }
    if (isLast) response.setHeader("connection", "close");
    send(response, request.method, answer);
    if (!isLast) return;
    // What is still on its way is not taken, and must not reset the connection before the answer is read.
    request.resume();
    response.once("finish", () => request.socket.destroySoon());
  }

  async #reply(request: IncomingMessage, end: CallEnd): Promise<Reply> {
    const { method = "", url = "", headers, socket } = request;
    const { refusalType } = this.#options;
    const typed = refusalType === undefined ? {} : { type: refusalType };
    const isLast = hasBody(headers);
    const refusal = (status: number, detail: string, allow?: string): Reply => ({
      answer: problem({ ...typed, status, detail }, allow === undefined ? undefined : { allow }),
      // A body that nobody asked for is not read.
      isLast,
    });
    const target = targetOf(url);
    if (target === undefined) return refusal(400, "the request's target is not a path");
    const match = this.#routes.find(method, target.path);
    if (match.kind === "none") return refusal(404, "there is nothing at this path");
    if (match.kind === "malformed")
      return refusal(400, "the path is not percent-encoded as it should be");
    if (match.kind === "other_method") {
      const allow = match.allowed.join(", ");
      return refusal(405, `only ${allow} is answered here`, allow);
    }
    const { route, params } = match;
    const body = await readBody(request, route.maxBody);
    if (body === undefined) {
      const detail = `the body is longer than ${route.maxBody} bytes`;
      return {
        answer: { ...problem({ ...typed, status: 413, detail }), bad: true },
        isLast: true,
        route: route.path,
      };
    }
    const asked = this.#options.clientCertificates === true && socket instanceof TLSSocket;
    const peer = asked ? peerCertificates(socket) : [];
    const call = new ServedRequest(request, target, { params, body, peer, end });
    return { answer: await this.#handle(route, call), route: route.path };
  }

  async #handle(route: ApiRoute, call: HttpCall): Promise<HttpAnswer> {
    const { failure = problemOf, logger } = this.#options;
    try {
      return await route.handler(call);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.kind === "internal") {
        // The pattern, not the path: that may hold a secret.
        logger.error("request failed", { route: route.path, error });
      }
      return failure(error);
    }
  }
}

/** What is not asked for is not made: most calls have no query, and look at no signal. */
class ServedRequest implements HttpCall {
  readonly method: string;
  readonly path: string;
  readonly params: HttpCall["params"];
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  readonly remoteAddress: string;
  readonly peer?: readonly Uint8Array[];
  readonly #query: string;
  readonly #end: CallEnd;

  constructor(
    { method = "", headers, socket }: IncomingMessage,
    { path, query }: Target,
    { params, body, peer, end }: RequestParts,
  ) {
    this.method = method;
    this.path = path;
    this.params = params;
    this.headers = headers;
    this.body = body;
    this.remoteAddress = socket.remoteAddress ?? "";
    if (peer.length > 0) this.peer = peer;
    this.#query = query;
    this.#end = end;
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.#query);
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }
}

interface RequestParts extends Pick<HttpCall, "params" | "body"> {
  /** Empty: none was shown. */
  readonly peer: readonly Uint8Array[];
  readonly end: CallEnd;
}

interface Target {
  readonly path: string;
  /** Without its question mark. */
  readonly query: string;
}

/** RFC 9112 §3.2: the origin form, and the absolute one, which a server must take too. */
function targetOf(url: string): Target | undefined {
  const origin = url.startsWith("/") ? url : /^https?:\/\/[^/?#]+(\/.*)$/i.exec(url)?.[1];
  if (origin === undefined) return undefined;
  const at = origin.indexOf("?");
  if (at < 0) return { path: origin, query: "" };
  return { path: origin.slice(0, at), query: origin.slice(at + 1) };
}

/** RFC 9112 §6. */
function hasBody(headers: IncomingHttpHeaders): boolean {
  const { "content-length": length = "0" } = headers;
  return length !== "0" || headers["transfer-encoding"] !== undefined;
}

const MAX_CONNECTIONS = 1024;
/** Each may hold a body while its handler waits; hardly any client pipelines at all. */
const MAX_PIPELINED = 2;
