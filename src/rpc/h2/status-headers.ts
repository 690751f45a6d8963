import { DETAILS_TRAILER, type WireStatus } from "../status.ts";

/** The headers that say how a call ended (gRPC over HTTP2, "Trailers"): grpc-status, -message and -status-details-bin. */
export function statusHeaders(status: WireStatus): Record<string, string> {
  return {
    "grpc-status": String(status.code),
    ...(status.message === "" ? {} : { "grpc-message": encodeStatusMessage(status.message) }),
    ...(status.details === undefined
      ? {}
      : { [DETAILS_TRAILER]: Buffer.from(status.details).toString("base64") }),
  };
}

/** Percent-encodes every byte but printable ASCII, and `%` itself (gRPC over HTTP2, "Status-Message"). */
export function encodeStatusMessage(message: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(message)) return message;
  return Buffer.from(message, "utf8")
    .toString("latin1")
    .replace(
      /[^\x20-\x24\x26-\x7e]/g,
      (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
    );
}
