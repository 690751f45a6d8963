/** gRPC by hand over node:http2, for requests that no gRPC library would send. */
import { type ClientHttp2Session, type IncomingHttpHeaders, connect } from "node:http2";
import { connect as connectSocket } from "node:net";

export interface RawAnswer {
  readonly http: number;
  /** `undefined` when the stream was reset instead. */
  readonly status: number | undefined;
  readonly message: string;
  readonly body: Buffer;
}

export function rawSession(socketPath: string): ClientHttp2Session {
  const session = connect("http://localhost", {
    createConnection: () => connectSocket(socketPath),
  });
  session.on("error", () => undefined);
  return session;
}

/** Length-prefixed message (gRPC HTTP/2 protocol, "Length-Prefixed-Message"). */
export function frame(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

export function rawCall(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array | "keep open",
  headers: Readonly<Record<string, string>> = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    let http = 0;
    let status: string | undefined;
    let message = "";
    const chunks: Buffer[] = [];
    const note = (fields: IncomingHttpHeaders): void => {
      const code = fields["grpc-status"];
      if (code === undefined) return;
      status = code.toString();
      message = decodeURIComponent(fields["grpc-message"]?.toString() ?? "");
    };
    stream.on("response", (fields) => {
      http = Number(fields[":status"]);
      note(fields);
    });
    stream.on("trailers", note);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => undefined);
    stream.on("end", () => stream.close());
    stream.on("close", () =>
      resolve({
        http,
        status: status === undefined ? undefined : Number(status),
        message,
        body: Buffer.concat(chunks),
      }),
    );
    if (body !== "keep open") stream.end(body);
  });
}
