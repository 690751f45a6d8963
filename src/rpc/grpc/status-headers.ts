import { encodeHeaderBlock } from "../http2/hpack/header-block.ts";
import { DETAILS_TRAILER, type WireStatus } from "../status.ts";

/** The headers of an answer (gRPC over HTTP2, "Response-Headers"), as HPACK. */
export const RESPONSE_HEADERS = encodeHeaderBlock([
  ":status",
  "200",
  "content-type",
  "application/grpc",
]);

/** How a call ends that ends well. */
export const OK_TRAILERS = encodeHeaderBlock(["grpc-status", "0"]);

/** How a call ends, behind an answer's messages. */
export function statusTrailers(status: WireStatus): Uint8Array {
  return encodeHeaderBlock(statusHeaders(status));
}

/** How a call ends that has no answer ("Trailers-Only"). */
export function statusAlone(status: WireStatus): Uint8Array {
  return Buffer.concat([RESPONSE_HEADERS, statusTrailers(status)]);
}

/** grpc-status, -message and -status-details-bin (gRPC over HTTP2, "Trailers"): names and values in turn. */
function statusHeaders(status: WireStatus): readonly string[] {
  const headers = ["grpc-status", String(status.code)];
  if (status.message !== "") headers.push("grpc-message", encodeStatusMessage(status.message));
  if (status.details !== undefined) {
    headers.push(DETAILS_TRAILER, Buffer.from(status.details).toString("base64"));
  }
  return headers;
}

/**
 * Percent-encodes every byte but printable ASCII, and `%` itself (gRPC over HTTP2, "Status-Message"); a blank at either end,
 * too, which no header may have (RFC 9113 §8.2.1).
 */
export function encodeStatusMessage(message: string): string {
  if (/^(?! )[\x20-\x24\x26-\x7e]*$(?<! )/.test(message)) return message;
  return Buffer.from(message, "utf8")
    .toString("latin1")
    .replace(/[^\x20-\x24\x26-\x7e]|^ +| +$/g, (bytes) =>
      Array.from(
        bytes,
        (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
      ).join(""),
    );
}
