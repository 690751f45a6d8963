/** Frames as a client sends them, made of few words. */
import { Encoder, HEADERS, type Header, PLAIN, frame, request } from "./raw-client.ts";

/** A header block of a client that keeps no table. */
export function block(headers: readonly Header[] = request("/a", "localhost")): Buffer {
  return new Encoder().block(headers, PLAIN);
}

/** HEADERS. @param flags END_HEADERS when absent */
export function open(streamId: number, flags = 4, payload: Uint8Array = block()): Buffer {
  return frame(HEADERS, flags, streamId, payload);
}

/** One setting of a SETTINGS frame. */
export function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

/** Four bytes. */
export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}
