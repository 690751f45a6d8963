/** A server over TLS and on a Unix socket, and what its clients need; everything real. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AssayError } from "../../src/base/errors.ts";
import type { TlsIdentity } from "../../src/base/tls-identity.ts";
import { createLogger, type Logger } from "../../src/observe/logger.ts";
import { type Channel, connectTls } from "../../src/rpc/channel.ts";
import { GrpcServer, type GrpcServerOptions } from "../../src/rpc/server.ts";
import { TlsListener, type TlsListenerOptions } from "../../src/rpc/tls-listener.ts";
import { peerCertificates } from "../../src/x509/peer-certificates.ts";
import type { IssuedLeaf, LeafOptions, TestCa } from "../support/test-ca.ts";
import { PATIENCE_MS } from "../support/patience.ts";

/** A certificate that is valid now, as TLS libraries know no other clock. */
export function leafOfToday(ca: TestCa, options: LeafOptions = {}): Promise<IssuedLeaf> {
  const now = Math.floor(Date.now() / 1000);
  return ca.leaf({ notBefore: now - 60, notAfter: now + 3600, ...options });
}

export function caOfToday(): { notBefore: number; notAfter: number } {
  const now = Math.floor(Date.now() / 1000);
  return { notBefore: now - 60, notAfter: now + 86_400 };
}

/** Collects log lines. */
export function memoryLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const logger = createLogger({
    level: "debug",
    format: "json",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  return { logger, lines };
}

export interface TestServer extends AsyncDisposable {
  readonly server: GrpcServer;
  readonly listener: TlsListener;
  readonly lines: string[];
  readonly target: string;
  /** Chains of the connections accepted so far, by label. */
  readonly chains: Map<string, Uint8Array[]>;
  /** Replace to rotate. */
  identity: TlsIdentity;
}

export async function startTlsServer(
  identity: TlsIdentity,
  options: Partial<TlsListenerOptions & GrpcServerOptions> = {},
): Promise<TestServer> {
  const { logger, lines } = memoryLogger();
  const server = new GrpcServer({ logger, ...options });
  server.setGate(async () => undefined);
  const chains = new Map<string, Uint8Array[]>();
  const state = { identity };
  const listener = await TlsListener.listen({
    host: "127.0.0.1",
    port: 0,
    secureContext: () => state.identity,
    onConnection(socket, label) {
      chains.set(label, peerCertificates(socket));
      server.inject(socket, label);
    },
    handshakeTimeoutMs: PATIENCE_MS,
    maxConnections: 100,
    logger,
    ...options,
  });
  return {
    server,
    listener,
    lines,
    chains,
    target: `127.0.0.1:${listener.address.port}`,
    get identity() {
      return state.identity;
    },
    set identity(next) {
      state.identity = next;
    },
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export function dial(test: TestServer, ca: TestCa | undefined, client?: TlsIdentity): Channel {
  return connectTls({
    target: test.target,
    rootsPem: ca?.pem,
    ...(client && { identity: client }),
    checkServer: () => undefined,
  });
}

export function tempDir(): Disposable & { readonly path: string; file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), "assay-rpc-"));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<AssayError> {
  try {
    await promise;
  } catch (thrown) {
    if (thrown instanceof AssayError) return thrown;
    throw new Error("rejected with something untyped", { cause: thrown });
  }
  throw new Error("nothing was rejected");
}
