import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { isGrpcContentType, parseGrpcTimeout } from "./request-headers.ts";

/** A stream that may become a call. */
export interface AcceptedCall {
  readonly path: string;
  /** `malformed` for what is no time; undefined without one. */
  readonly timeoutMs: number | "malformed" | undefined;
}

/** What of a request is looked at before it is a call. @returns undefined for one that is no call of gRPC's, and answered */
export function acceptCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): AcceptedCall | undefined {
  // A reset with an error code comes as an event; the call's end says all there is to say.
  stream.on("error", ignore);
  if (headers[":method"] !== "POST") return refuse(stream, "405");
  if (!isGrpcContentType(headers["content-type"])) return refuse(stream, "415");
  const timeout = headers["grpc-timeout"];
  return {
    path: headers[":path"] ?? "",
    timeoutMs: typeof timeout === "string" ? parseGrpcTimeout(timeout) : undefined,
  };
}

function refuse(stream: ServerHttp2Stream, status: string): undefined {
  stream.respond({ ":status": status }, { endStream: true });
  stream.resume();
}

function ignore(): void {}
