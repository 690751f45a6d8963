import type { AssayError } from "../../base/errors.ts";

/**
 * One call on the Workload API's socket as its handler sees it. `C` is what the listener attached to the connection:
 * the peer. The call ends with OK when the handler returns and with the error's status when it throws; a streaming
 * handler of the Workload API never returns, since clients take OK for the end of the watch.
 */
export interface GrpcCall<C> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly context: C;
  /** Aborted when the client cancels, the connection ends, the deadline passes or the server shuts down. */
  readonly signal: AbortSignal;
  /** Runs `listener` once when the call is over, for the same reasons and when it has ended well; cheaper than `signal`. */
  onEnd(listener: (reason: AssayError) => void): void;
  /** Milliseconds since 1970 after which the client no longer waits; undefined without a deadline. */
  readonly deadline: number | undefined;
  /** Every value of a request header, each occurrence apart; none for binary (`-bin`) headers. */
  metadata(name: string): readonly string[];
  /**
   * The one request of a unary or server-streaming call, once the client has closed its side. Rejects with `invalid`
   * for none or several, `limited` above 4 MiB, `unsupported` when compressed, `deadline` after 30 s, `cancelled`.
   */
  request(): Promise<Uint8Array>;
  /** The requests of a bidirectional call; read once, ends with the client's side. Not together with `request`. */
  readonly requests: AsyncIterable<Uint8Array>;
  /**
   * Sends one frame made by `encodeFrame`, which is kept, not copied. False when the client has not yet taken the
   * frame before: then only the newest frame waits, an older waiting one is dropped, and one that still waits at
   * `untilMs` (since 1970), too. After the end it does nothing.
   */
  send(frame: Uint8Array, untilMs?: number): boolean;
  /** Resolves when the client has taken all that was sent, for answers that must not be dropped; rejects with the end. */
  flushed(): Promise<void>;
}

export type GrpcHandler<C> = (call: GrpcCall<C>) => Promise<void>;
