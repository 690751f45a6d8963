/** HTTP/2's frames (RFC 9113 §4.1, §6). */

export const FRAME_HEADER_BYTES = 9;
/** The largest payload while nobody has announced more, which we never do (RFC 9113 §6.5.2). */
export const MAX_FRAME_PAYLOAD = 16_384;
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const ACK = 0x1;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const HAS_PRIORITY = 0x20;

/** The length that a frame's header, which begins at `at`, gives its payload. */
export function payloadLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}

/** 31 bits, the highest one cleared, as stream identifiers and window increments have them. */
export function uint31(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) & 0x7f) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)
  );
}

/** A frame's nine bytes, and behind them room for `room` bytes that the caller fills. */
export function frameHead(
  type: number,
  flags: number,
  streamId: number,
  length: number,
  room = 0,
): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + room);
  bytes[0] = length >> 16;
  bytes[1] = length >> 8;
  bytes[2] = length;
  bytes[3] = type;
  bytes[4] = flags;
  bytes[5] = streamId >> 24;
  bytes[6] = streamId >> 16;
  bytes[7] = streamId >> 8;
  bytes[8] = streamId;
  return bytes;
}

/** A whole frame. */
export function encodeFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array,
): Buffer {
  const bytes = frameHead(type, flags, streamId, payload.length, payload.length);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** A frame whose payload is one number of 32 bits: RST_STREAM's code, WINDOW_UPDATE's increment. */
export function encodeNumberFrame(type: number, streamId: number, value: number): Buffer {
  const bytes = frameHead(type, 0, streamId, 4, 4);
  bytes.writeUInt32BE(value, FRAME_HEADER_BYTES);
  return bytes;
}

/** HEADERS with END_HEADERS, followed by CONTINUATION frames where the block is longer than one frame may be. */
export function encodeHeaderFrames(
  streamId: number,
  block: Uint8Array,
  endStream: boolean,
): Buffer {
  const end = endStream ? END_STREAM : 0;
  if (block.length <= MAX_FRAME_PAYLOAD) {
    return encodeFrame(HEADERS, END_HEADERS | end, streamId, block);
  }
  const frames = [encodeFrame(HEADERS, end, streamId, block.subarray(0, MAX_FRAME_PAYLOAD))];
  for (let at = MAX_FRAME_PAYLOAD; at < block.length; at += MAX_FRAME_PAYLOAD) {
    const part = block.subarray(at, at + MAX_FRAME_PAYLOAD);
    const last = at + part.length === block.length ? END_HEADERS : 0;
    frames.push(encodeFrame(CONTINUATION, last, streamId, part));
  }
  return Buffer.concat(frames);
}

/** What is left of a DATA or HEADERS payload without padding and priority; undefined when they do not fit (RFC 9113 §6.1, §6.2). */
export function unpadded(payload: Uint8Array, flags: number): Uint8Array | undefined {
  let from = 0;
  let padding = 0;
  if ((flags & PADDED) !== 0) padding = payload[from++] ?? payload.length;
  if ((flags & HAS_PRIORITY) !== 0) from += PRIORITY_BYTES;
  if (from === 0) return payload;
  return from + padding > payload.length
    ? undefined
    : payload.subarray(from, payload.length - padding);
}

/** Exclusive bit, stream dependency and weight (RFC 9113 §6.3). */
export const PRIORITY_BYTES = 5;
