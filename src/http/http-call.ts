/** A request as the handlers of an `ApiListener` see it. */
import type { IncomingHttpHeaders } from "node:http";
import type { HttpAnswer } from "./http-answer.ts";

export interface HttpCall {
  readonly method: string;
  /** As it came, without the query. It may hold a secret: it does not belong into a log. */
  readonly path: string;
  /** Of the route's pattern, percent-decoded; empty where the path ends before it. */
  readonly params: Readonly<Record<string, string>>;
  /** Read anew at each look. */
  readonly query: URLSearchParams;
  /** As Node gives them: names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** Whole; at most the route's `maxBody`. */
  readonly body: Uint8Array;
  /** Empty on a Unix socket. */
  readonly remoteAddress: string;
  /**
   * The client's certificates, DER, leaf first: nothing about them is verified but that the client has the leaf's key.
   * Absent when it has shown none, or was not asked.
   */
  readonly peer?: readonly Uint8Array[];
  /** Aborted when the client has gone, and when the listener closes. */
  readonly signal: AbortSignal;
}

/** What it throws is answered as the listener's `failure` has it. */
export type HttpHandler = (call: HttpCall) => Promise<HttpAnswer>;

export interface ApiRoute {
  /** Upper case. A GET route answers HEAD, too, unless there is one of its own. */
  readonly method: string;
  /** Segments after slashes; one that begins with a colon is a parameter: `/v1/sign/:token`. */
  readonly path: string;
  /** Bytes of a body; 0: a body is refused. */
  readonly maxBody: number;
  readonly handler: HttpHandler;
}
