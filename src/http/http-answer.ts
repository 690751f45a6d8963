/** What is answered to a request, and how it is put on the wire. */
import type { ServerResponse } from "node:http";

export interface HttpAnswer {
  readonly status: number;
  /** `Content-Type`; empty with an empty body: none. */
  readonly type: string;
  readonly body: string | Uint8Array;
  /** Further ones, names in lower case; `cache-control` is `no-store` unless it is among them. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** The caller did what only the mistaken and the hostile do: counts with the listener's `CallerGuard`, if it has one. */
  readonly bad?: boolean;
}

/** A sentence in place of what was asked for. */
export function text(status: number, body: string): HttpAnswer {
  return { status, type: "text/plain; charset=utf-8", body: `${body}\n` };
}

/** @returns the status */
export function send(
  response: ServerResponse,
  method: string | undefined,
  { status, type, body, headers }: HttpAnswer,
): number {
  response.writeHead(status, {
    ...(type === "" ? {} : { "content-type": type }),
    // RFC 9110 §8.6: none with 204.
    ...(status === 204 ? {} : { "content-length": Buffer.byteLength(body) }),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(headers as Record<string, string | string[]>), // only read
  });
  const silent = method === "HEAD" || status === 204 || status === 304;
  response.end(silent ? undefined : body);
  return status;
}
