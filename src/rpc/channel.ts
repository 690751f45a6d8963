import {
  type CallOptions,
  type ChannelOptions,
  type ClientDuplexStream,
  Client,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { systemClock } from "../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../base/errors.ts";
import { methodDefinition } from "./protos.ts";
import { WARNING_TRAILER } from "./service.ts";
import { DETAILS_TRAILER, errorFromStatus } from "./status.ts";
import { TlsCredentials, type TlsClientOptions } from "./tls-credentials.ts";

export interface ConnectTlsOptions extends TlsClientOptions {
  /** `host:port`, `[v6]:port`. */
  readonly target: string;
}

export interface UnaryOptions {
  readonly signal?: AbortSignal;
  /** From now; sent along, so that the server gives up as well. */
  readonly deadlineMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Told each sentence that the server sends along with its answer. */
  readonly onWarning?: (warning: string) => void;
}

export type StreamOptions = UnaryOptions;

/** A stream under way: iterate it for the responses. It throws an `AssayError` when the call ends badly. */
export interface ClientStream<Req, Res> extends AsyncIterable<Res>, Disposable {
  /** Resolves when the server's flow control has taken the message; rejects when the call is over. */
  send(request: Req): Promise<void>;
  /** No more requests. */
  end(): void;
  /** Drops the call, as leaving the iteration early does. */
  [Symbol.dispose](): void;
}

/** The path must be absolute. Nothing is connected before the first call. */
export function connectUnix(path: string): Channel {
  return new Channel(
    new Client(`unix:${path}`, credentials.createInsecure(), {
      ...CHANNEL_OPTIONS,
      "grpc.default_authority": "localhost",
    }),
  );
}

/** Nothing is connected before the first call. Throws `invalid` when target, roots or identity cannot be used. */
export function connectTls(options: ConnectTlsOptions): Channel {
  const host = hostOf(options.target);
  try {
    return new Channel(
      new Client(`dns:${options.target}`, new TlsCredentials(options, host), CHANNEL_OPTIONS),
    );
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail("invalid", `cannot connect to ${options.target} with these certificates: ${why}`, {
      cause,
    });
  }
}

/** A connection to one server that is made when needed and made again when lost; any number of calls share it. */
export class Channel implements Disposable {
  readonly #client: Client;

  /** @internal made by `connectUnix` and `connectTls` */
  constructor(client: Client) {
    this.#client = client;
  }

  /** Rejects with an `AssayError`; `reason` is set when the server gave one that is known. */
  unary<Response extends object>(
    service: string,
    method: string,
    request: object,
    options: UnaryOptions = {},
  ): Promise<Response> {
    const types = methodDefinition(service, method);
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) return reject(cancelled(signal));
      const cancel = (): void => call.cancel();
      const call = this.#client.makeUnaryRequest<object, object>(
        types.path,
        (message) => types.request.encode(message) as Buffer,
        (bytes) => types.response.decode(bytes),
        request,
        metadataOf(options),
        callOptions(options),
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error !== null) reject(errorOf(error, signal));
          else resolve(response as Response);
        },
      );
      call.on("status", ({ metadata }) => {
        for (const warning of metadata.get(WARNING_TRAILER)) options.onWarning?.(String(warning));
      });
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  /** For methods that stream in one direction or both; a server stream takes one `send`, then `end`. */
  stream<Req extends object, Res extends object>(
    service: string,
    method: string,
    options: StreamOptions = {},
  ): ClientStream<Req, Res> {
    const types = methodDefinition(service, method);
    const call = this.#client.makeBidiStreamRequest<object, object>(
      types.path,
      (message) => types.request.encode(message) as Buffer,
      (bytes) => types.response.decode(bytes),
      metadataOf(options),
      callOptions(options),
    );
    return new GrpcStream<Req, Res>(call, options.signal);
  }

  /** Whether the next call finds a connection. */
  get connected(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Connects, again and again where it must, and resolves when there is a connection. @throws cancelled */
  connect(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(cancelled(signal));
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#client.waitForReady(Infinity, (error) => {
        signal.removeEventListener("abort", onAbort);
        if (error === undefined) resolve();
        else reject(fail("cancelled", "the connection was given up"));
      });
    });
  }

  /** Calls under way fail with `unavailable` or `cancelled`. */
  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class GrpcStream<Req extends object, Res> implements ClientStream<Req, Res> {
  readonly #call: ClientDuplexStream<object, object>;
  readonly #signal: AbortSignal | undefined;
  #failed: AssayError | undefined;

  constructor(call: ClientDuplexStream<object, object>, signal: AbortSignal | undefined) {
    this.#call = call;
    this.#signal = signal;
    const cancel = (): void => call.cancel();
    call.on("error", (error) => {
      this.#failed ??= errorOf(error as ServiceError, signal);
    });
    call.once("close", () => signal?.removeEventListener("abort", cancel));
    if (signal?.aborted) cancel();
    else signal?.addEventListener("abort", cancel, { once: true });
  }

  send(request: Req): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = (): void => reject(this.#failed ?? fail("cancelled", "the call is over"));
      // A call that was cancelled before it began neither takes messages nor closes.
      if (this.#signal?.aborted) return over();
      if (this.#failed !== undefined || this.#call.destroyed || this.#call.writableEnded) {
        return over();
      }
      // A call that fails with nobody reading says so, but does not close.
      this.#call.once("close", over);
      this.#call.once("error", over);
      this.#call.write(request, (error?: Error | null) => {
        this.#call.off("close", over);
        this.#call.off("error", over);
        if (error) over();
        else resolve();
      });
    });
  }

  end(): void {
    this.#call.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Res, void, void> {
    try {
      for await (const response of this.#call) yield response as Res;
    } catch (thrown) {
      throw this.#failed ?? errorOf(thrown as ServiceError, this.#signal);
    } finally {
      this.#call.cancel();
    }
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
  }
}

function metadataOf(options: UnaryOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

/** The library counts deadlines on the system's clock, so this is no place for an injected one. */
function callOptions({ deadlineMs }: UnaryOptions): CallOptions {
  return deadlineMs === undefined ? {} : { deadline: systemClock.nowMs() + deadlineMs };
}

function errorOf(error: ServiceError, signal: AbortSignal | undefined): AssayError {
  if (signal?.aborted) return cancelled(signal);
  if (typeof error.code !== "number") return errorFrom(error);
  // We did not cancel: the server or the connection went away under the call.
  if (error.code === status.CANCELLED) return fail("unavailable", "the server ended the call");
  const details = error.metadata?.get(DETAILS_TRAILER)[0];
  return errorFromStatus({
    code: error.code,
    message: plainDetails(error.details),
    ...(details instanceof Uint8Array && { details }),
  });
}

/** Without what the library wraps around the reason why there is no connection; its time would make each one new. */
function plainDetails(details: string): string {
  const wrapped = /^No connection established\. Last error: (?:\w*Error: )?(.*)$/s.exec(
    details,
  )?.[1];
  const reason = (wrapped ?? details).replace(/\.? Resolution note: .*$/s, "");
  if (wrapped === undefined) return reason;
  const plain = reason.replace(/ \(\d{4}-[\d-]+T[\d:.]+Z\)$/, "");
  const [, code = "", address = ""] = /^connect (E[A-Z]+) (\S+)$/.exec(plain) ?? [];
  if (code === "ECONNREFUSED") return `nobody listens on ${address} (${code})`;
  if (code === "ENOENT") return `there is no socket at ${address} (${code})`;
  return plain;
}

function cancelled(signal: AbortSignal): AssayError {
  return fail("cancelled", "the call was cancelled", { cause: signal.reason });
}

function hostOf(target: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s/:[\]]+)):(\d{1,5})$/.exec(target);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw fail("invalid", `server address must be HOST:PORT or [IPV6]:PORT, not "${target}"`);
  }
  return match[1] ?? match[2] ?? "";
}

/** An agent's whole registry in one answer: 100,000 entries of some 600 bytes. */
const MAX_RESPONSE_BYTES = 64 << 20;

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_RESPONSE_BYTES,
  "grpc.max_send_message_length": MAX_RESPONSE_BYTES,
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 10_000,
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 5_000,
  // A call that fails is the caller's to repeat, with the caller's own backoff.
  "grpc.enable_retries": 0,
  // The bundle says whom to trust, the command line whom to ask; a proxy from the environment has no part in it.
  "grpc.enable_http_proxy": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_channelz": 0,
};
