/** Our HTTP/2 connections on a Unix socket, with nothing of gRPC: each request's body comes back, behind its headers. */
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { encodeHeaderBlock } from "../../../src/rpc/http2/hpack/header-block.ts";
import { Http2Session } from "../../../src/rpc/http2/session.ts";
import type { SessionLimits } from "../../../src/rpc/http2/session-contract.ts";
import type { Http2Stream } from "../../../src/rpc/http2/stream.ts";
import { RawClient } from "./raw-client.ts";

export const LIMITS: SessionLimits = {
  maxStreams: 100,
  maxHeaderListBytes: 32 * 1024,
  maxHeaders: 128,
  streamWindow: 65_535,
  connectionWindow: 1024 * 1024,
  maxResets: 1_000,
};

export interface SessionRig {
  readonly path: string;
  readonly sessions: Http2Session[];
  readonly violations: Error[];
  /** Connections that have told their end. */
  readonly closed: () => number;
  /** Behind the client's preface and SETTINGS. */
  readonly raw: () => RawClient;
  /** A client that has said nothing. */
  readonly silent: () => RawClient;
}

export const OK = encodeHeaderBlock([":status", "200"]);
export const DONE = encodeHeaderBlock(["done", "yes"]);

/** Answers with what the request brought. */
export function echo(stream: Http2Stream): void {
  // Headers beyond the bounds.
  if (stream.fields.length === 0) return stream.reset(11);
  stream.respond(OK);
  stream.receive({
    data: (chunk) => stream.write(Uint8Array.from(chunk)),
    end: () => stream.end(DONE),
  });
}

export async function sessionRig(
  t: Test,
  serve: (stream: Http2Stream, session: Http2Session) => void = echo,
  limits: Partial<SessionLimits> = {},
): Promise<SessionRig> {
  const dir = mkdtempSync(join(tmpdir(), "http2-"));
  const path = join(dir, "s");
  const sessions: Http2Session[] = [];
  const violations: Error[] = [];
  let closed = 0;
  const listener: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    const owner = {
      onStream(stream: Http2Stream) {
        serve(stream, session);
        return undefined;
      },
      onViolation: (error: Error) => void violations.push(error),
      onClose: () => {
        closed += 1;
      },
    };
    const session = new Http2Session(socket, owner, { ...LIMITS, ...limits });
    sessions.push(session);
  });
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  const clients: RawClient[] = [];
  t.teardown(() => {
    for (const client of clients) client.destroy();
    for (const session of sessions) session.destroy();
    listener.close();
    rmSync(dir, { recursive: true });
  });
  const silent = (): RawClient => {
    const client = new RawClient(path);
    clients.push(client);
    return client;
  };
  return {
    path,
    sessions,
    violations,
    closed: () => closed,
    silent,
    raw() {
      const client = silent();
      client.hello();
      return client;
    },
  };
}
