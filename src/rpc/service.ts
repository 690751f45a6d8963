/** What a service is made of, free of any gRPC library: handlers and the calls they answer. */
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
} from "@grpc/grpc-js";

/** A call as the gate and every handler see it. */
export interface CallContext {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** The label that the connection was injected with; never anything that a client chose. `unix` on a Unix socket. */
  readonly peer: string;
  /** All values of a request header, in order; none when it is absent. */
  metadata(name: string): readonly string[];
  /** Aborted when the client cancels, the connection ends or the deadline passes before the answer is complete. */
  readonly signal: AbortSignal;
  /** The gate leaves the caller here. */
  readonly store: Map<symbol, unknown>;
}

/**
 * Where a unary handler leaves sentences for the person who called, in the call's `store`: they go along as trailing
 * metadata, which other clients do not look at. Printable ASCII.
 */
export const WARNINGS = Symbol("warnings");

/** Name of that trailing metadata. */
export const WARNING_TRAILER = "assay-warning";

/** A call that answers with any number of messages. */
export interface StreamContext<Req, Res> extends CallContext {
  /** Read once; ends with the client's half-close, throws `cancelled` with the call. Unread requests are held back at the client. */
  readonly requests: AsyncIterable<Req>;
  /** The one request of a server stream; throws `invalid` when the client sends none or more. */
  request(): Promise<Req>;
  /** Resolves when the client's flow control has taken the message; rejects with `cancelled` when the call is over. */
  send(response: Res): Promise<void>;
}

export type UnaryHandler<Req, Res> = (request: Req, call: CallContext) => Promise<Res>;
/** The stream ends with OK when the promise resolves and with the error's status when it rejects. */
export type StreamHandler<Req, Res> = (call: StreamContext<Req, Res>) => Promise<void>;

/** Handlers by method name. A method without one answers UNIMPLEMENTED, after the gate. */
export type ServiceImplementation = Readonly<
  Record<string, UnaryHandler<never, unknown> | StreamHandler<never, unknown> | undefined>
>;

/**
 * The same, checked against a service's generated types:
 * `const agent: Implementation<AgentHandlers> = { GetAgent: async (request, call) => ... }`.
 */
export type Implementation<Handlers> = {
  readonly [Method in keyof Handlers as string extends Method ? never : Method]?: HandlerOf<
    Handlers[Method]
  >;
};

type HandlerOf<Generated> =
  Generated extends handleUnaryCall<infer Req, infer Res>
    ? UnaryHandler<Req, Res>
    : Generated extends handleServerStreamingCall<infer Req, infer Res>
      ? StreamHandler<Req, Res>
      : Generated extends handleBidiStreamingCall<infer Req, infer Res>
        ? StreamHandler<Req, Res>
        : never;

/** Authorization: runs before the first byte of a request is read; throwing ends the call with the error's status. */
export type Gate = (method: string, call: CallContext) => Promise<void>;
