import { encodeHeaderBlock } from "../http2/hpack/header-block.ts";
import type { Http2Stream } from "../http2/stream.ts";
import { isGrpcContentType, parseGrpcTimeout } from "./request-headers.ts";

/** A stream that may become a call. */
export interface AcceptedCall {
  readonly path: string;
  /** `malformed` for what is no time; undefined without one. */
  readonly timeoutMs: number | "malformed" | undefined;
}

/** What of a request is looked at before it is a call. @returns undefined for one that is no call of gRPC's, and answered */
export function acceptCall(stream: Http2Stream): AcceptedCall | undefined {
  const { fields } = stream;
  let method: string | undefined;
  let path = "";
  let contentType: string | undefined;
  let timeout: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    switch (fields[i] ?? "") {
      case ":method":
        method = fields[i + 1];
        break;
      case ":path":
        path = fields[i + 1] ?? "";
        break;
      case "content-type":
        contentType ??= fields[i + 1];
        break;
      case "grpc-timeout":
        timeout ??= fields[i + 1];
        break;
      default:
    }
  }
  if (method !== "POST") return refuse(stream, NOT_A_POST);
  if (!isGrpcContentType(contentType)) return refuse(stream, NOT_GRPC);
  return { path, timeoutMs: timeout === undefined ? undefined : parseGrpcTimeout(timeout) };
}

function refuse(stream: Http2Stream, headers: Uint8Array): undefined {
  stream.respondAndEnd(headers);
  // The rest of its body is for nobody.
  stream.reset();
}

const NOT_A_POST = encodeHeaderBlock([":status", "405"]);
const NOT_GRPC = encodeHeaderBlock([":status", "415"]);
