import { fail } from "../../base/errors.ts";
import { encodeHeaderBlock } from "../http2/hpack/header-block.ts";
import type { Http2Stream } from "../http2/stream.ts";
import { STATUS_CODES } from "../status.ts";
import { MAX_HEADERS, MAX_HEADER_LIST_BYTES } from "./limits.ts";
import { isGrpcContentType, parseGrpcTimeout } from "./request-headers.ts";
import { statusAlone } from "./status-headers.ts";

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
  if (isOversized(stream)) return refuse(stream, OVERSIZED_ANSWER);
  if (method !== "POST") return refuse(stream, NOT_A_POST);
  if (!isGrpcContentType(contentType)) return refuse(stream, NOT_GRPC);
  return { path, timeoutMs: timeout === undefined ? undefined : parseGrpcTimeout(timeout) };
}

/** Its headers were beyond the bounds. */
export function isOversized({ fields }: Http2Stream): boolean {
  return fields.length === 0;
}

function refuse(stream: Http2Stream, headers: Uint8Array): undefined {
  stream.respondAndEnd(headers);
  // The rest of its body is for nobody.
  stream.reset();
}

/** What is said of a call whose headers are beyond the bounds. */
export const OVERSIZED = fail(
  "limited",
  `the headers of the call are more than ${MAX_HEADER_LIST_BYTES} bytes, or more than ${MAX_HEADERS}`,
);
const OVERSIZED_ANSWER = statusAlone({ code: STATUS_CODES.limited, message: OVERSIZED.message });
const NOT_A_POST = encodeHeaderBlock([":status", "405"]);
const NOT_GRPC = encodeHeaderBlock([":status", "415"]);
