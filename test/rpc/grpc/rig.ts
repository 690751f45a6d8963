/** A server of the own gRPC transport on a socket, with raw and grpc-js clients and virtual time. */
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Metadata, type ServiceError, credentials } from "@grpc/grpc-js";
import { createLogger } from "../../../src/observe/logger.ts";
import type { GrpcCall, GrpcHandler } from "../../../src/rpc/grpc/call.ts";
import { encodeFrame } from "../../../src/rpc/grpc/frame.ts";
import { SocketGrpcServer } from "../../../src/rpc/grpc/server.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import {
  DATA,
  Encoder,
  HEADERS,
  type Header,
  PLAIN,
  RawClient,
  frame,
  message,
  request,
} from "../http2/raw-client.ts";

export interface Rig {
  readonly path: string;
  readonly clock: VirtualClock;
  readonly server: SocketGrpcServer<string>;
  readonly log: string[];
  readonly raw: () => RawClient;
  readonly client: () => Client;
}

export type Routes = Readonly<Record<string, GrpcHandler<string>>>;

export async function rig(t: Tap, routes: Routes, maxConnections = 10_000): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), "h2-"));
  const path = join(dir, "s");
  const clock = new VirtualClock();
  const log: string[] = [];
  const logger = createLogger({
    level: "debug",
    format: "text",
    write: (line) => log.push(line),
    nowMs: () => clock.nowMs(),
  });
  const server = new SocketGrpcServer<string>({ clock, logger, maxConnections });
  for (const [route, handler] of Object.entries(routes)) server.route(route, handler);
  const listener: Server = createServer((socket) => server.attach(socket, "pid 7"));
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  const open: { destroy(): void }[] = [];
  t.teardown(async () => {
    for (const one of open) one.destroy();
    listener.close();
    const gone = server.shutdown({ graceMs: 0 });
    await clock.advance(1);
    await gone;
    rmSync(dir, { recursive: true });
  });
  return {
    path,
    clock,
    server,
    log,
    raw() {
      const client = new RawClient(path);
      client.hello();
      open.push(client);
      return client;
    },
    client() {
      const client = new Client(`unix:${path}`, credentials.createInsecure());
      open.push({ destroy: () => client.close() });
      return client;
    },
  };
}

export interface Tap {
  teardown(run: () => Promise<void>): void;
}

export const same = (bytes: Buffer): Buffer => bytes;

export function unary(
  client: Client,
  path: string,
  body: string,
  metadata = new Metadata(),
  deadlineMs?: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      same,
      same,
      Buffer.from(body),
      metadata,
      deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
      (error, value) => (error === null ? resolve(String(value)) : reject(error)),
    );
  });
}

export async function refusal(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error("the call was answered");
}

export const echo = async (call: GrpcCall<string>): Promise<void> => {
  call.send(encodeFrame(await call.request()));
};

/** Sends one message and holds the stream until the client goes. */
export const hold = async (call: GrpcCall<string>): Promise<void> => {
  await call.request();
  call.send(encodeFrame(Buffer.from("first")));
  await new Promise((_, reject) => call.onEnd(reject));
};

export function ask(
  client: RawClient,
  streamId: number,
  path: string,
  more: readonly Header[] = [],
  body: Uint8Array = message(""),
): void {
  const headers = [...request(path, "localhost"), ...more];
  client.write(
    frame(HEADERS, 4, streamId, new Encoder().block(headers, PLAIN)),
    frame(DATA, 1, streamId, body),
  );
}
