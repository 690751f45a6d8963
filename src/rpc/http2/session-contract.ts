import type { Http2Stream } from "./stream.ts";

/** Bounds of a connection; sizes are bytes. */
export interface SessionLimits {
  /** Open ones; twice as many may be worked for, those included that have ended. */
  readonly maxStreams: number;
  /** One request's headers, as HTTP/2 counts them: name + value + 32 each. */
  readonly maxHeaderListBytes: number;
  readonly maxHeaders: number;
  /** What a client may send on one stream, and on the connection, ahead of who reads it. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** Streams that are reset between two sweeps, by either side. */
  readonly maxResets: number;
}

export interface SessionOwner {
  /**
   * A request's headers are there; or they are beyond the bounds, and the stream has none.
   * @returns when whatever works for it has ended, which may be a moment behind the stream; undefined for nothing. Never
   * rejects.
   */
  onStream(stream: Http2Stream): Promise<void> | undefined;
  /** The client broke the protocol, or its bounds; the connection ends. */
  onViolation(error: Error): void;
  /** The socket is closed, and every stream with it. */
  onClose(): void;
}
