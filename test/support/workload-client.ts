/** A plain client of the Workload API over grpc-js: what the SPIFFE libraries do, and each message as it came. */
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import type { JWTBundlesResponse__Output } from "../../src/rpc/gen/JWTBundlesResponse.ts";
import type { JWTSVIDResponse__Output } from "../../src/rpc/gen/JWTSVIDResponse.ts";
import type { ValidateJWTSVIDResponse__Output } from "../../src/rpc/gen/ValidateJWTSVIDResponse.ts";
import type { X509BundlesResponse__Output } from "../../src/rpc/gen/X509BundlesResponse.ts";
import type { X509SVIDResponse__Output } from "../../src/rpc/gen/X509SVIDResponse.ts";
import { type Channel, type ClientStream, connectUnix } from "../../src/rpc/channel.ts";

const SERVICE = "SpiffeWorkloadAPI";
const SECURITY_HEADER = { "workload.spiffe.io": "true" };

/** One open stream: `next` waits for the next message. */
export class Watch<T> implements Disposable {
  readonly #stream: ClientStream<object, T>;
  readonly #answers: AsyncIterator<T>;

  constructor(stream: ClientStream<object, T>) {
    this.#stream = stream;
    this.#answers = stream[Symbol.asyncIterator]();
  }

  async next(): Promise<T> {
    const { done, value } = await this.#answers.next();
    if (done === true) throw new Error("the stream ended with OK");
    return value;
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}

export class WorkloadClient implements Disposable {
  readonly #channel: Channel;
  /** Shown with each call from now on. */
  token: string | undefined;

  constructor(socket: string, token?: string) {
    this.#channel = connectUnix(socket);
    this.token = token;
  }

  get #metadata(): Record<string, string> {
    const { token } = this;
    return token === undefined
      ? SECURITY_HEADER
      : { ...SECURITY_HEADER, authorization: `Bearer ${token}` };
  }

  x509(): Watch<X509SVIDResponse__Output> {
    return this.#watch("FetchX509SVID");
  }

  x509Bundles(): Watch<X509BundlesResponse__Output> {
    return this.#watch("FetchX509Bundles");
  }

  jwtBundles(): Watch<JWTBundlesResponse__Output> {
    return this.#watch("FetchJWTBundles");
  }

  wit(method: "FetchWITSVID" | "FetchWITBundles"): Watch<object> {
    return this.#watch(method);
  }

  /** The first message alone. */
  async fetchX509(): Promise<X509SVIDResponse__Output> {
    using watch = this.x509();
    return await watch.next();
  }

  fetchJwt(audience: readonly string[], spiffeId = ""): Promise<JWTSVIDResponse__Output> {
    const request = { audience: [...audience], spiffe_id: spiffeId };
    return this.#channel.unary(SERVICE, "FetchJWTSVID", request, {
      metadata: this.#metadata,
    });
  }

  validate(audience: string, svid: string): Promise<ValidateJWTSVIDResponse__Output> {
    return this.#channel.unary(
      SERVICE,
      "ValidateJWTSVID",
      { audience, svid },
      {
        metadata: this.#metadata,
      },
    );
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }

  #watch<T extends object>(method: string): Watch<T> {
    const stream = this.#channel.stream<object, T>(SERVICE, method, {
      metadata: this.#metadata,
    });
    // A call that is over already is told by `next`.
    stream.send({}).then(
      () => stream.end(),
      () => undefined,
    );
    return new Watch(stream);
  }
}

/** Calls a method with exactly these headers and bytes. @returns the gRPC status code, as text */
export function rawStatus(
  socket: string,
  path: string,
  headers: Record<string, string | string[]>,
  body: Uint8Array = new Uint8Array(5),
): Promise<{ status: string; message: string }> {
  const session = connectHttp2("http://localhost", { createConnection: () => connect(socket) });
  return new Promise<{ status: string; message: string }>((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const seen = (fields: Record<string, unknown>): void => {
      const status = fields["grpc-status"];
      const message = fields["grpc-message"];
      if (typeof status !== "string") return;
      resolve({ status, message: typeof message === "string" ? message : "" });
    };
    stream.on("response", seen);
    stream.on("trailers", seen);
    stream.on("error", reject);
    session.on("error", reject);
    stream.resume();
    stream.end(Buffer.from(body));
  }).finally(() => session.destroy());
}
