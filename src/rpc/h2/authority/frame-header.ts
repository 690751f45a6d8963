/** HTTP/2 frames as far as the request's headers need them (RFC 9113 §4.1, §6). */
export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

export const FRAME_HEADER_BYTES = 9;
/** The largest payload while nobody has announced more (RFC 9113 §6.5.2). */
export const MAX_FRAME_PAYLOAD = 16_384;
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const HEADERS = 1;
export const SETTINGS = 4;
export const CONTINUATION = 9;

export const ACK = 0x1;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY = 0x20;

/** `bytes` holds at least `FRAME_HEADER_BYTES` from `at` on. */
export function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES);
  return {
    length: view.readUIntBE(0, 3),
    type: view.readUInt8(3),
    flags: view.readUInt8(4),
    streamId: view.readUInt32BE(5) & 0x7fffffff,
  };
}

export function encodeFrameHeader(header: FrameHeader): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  bytes.writeUIntBE(header.length, 0, 3);
  bytes.writeUInt8(header.type, 3);
  bytes.writeUInt8(header.flags, 4);
  bytes.writeUInt32BE(header.streamId, 5);
  return bytes;
}

/** The header block fragment of a HEADERS payload, without padding and priority; undefined when they do not fit. */
export function headersFragment(payload: Uint8Array, flags: number): Uint8Array | undefined {
  let from = 0;
  let padding = 0;
  if ((flags & PADDED) !== 0) padding = payload[from++] ?? payload.length;
  if ((flags & PRIORITY) !== 0) from += 5;
  return from + padding > payload.length
    ? undefined
    : payload.subarray(from, payload.length - padding);
}
