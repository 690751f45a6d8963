import {
  ConnectionViolation,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  PROTOCOL_ERROR,
} from "./error-code.ts";
import { SETTINGS, encodeFrame } from "./frame-header.ts";

/** Identifiers of RFC 9113 §6.5.2. */
const HEADER_TABLE_SIZE = 1;
const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MAX_HEADER_LIST_SIZE = 6;

/** Of a stream and of a connection, until something else was agreed (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fffffff;
/** RFC 7541 §4.2, RFC 9113 §6.5.2. */
const DEFAULT_TABLE_BYTES = 4096;

/** What one SETTINGS frame of a client changes. */
export interface ClientSettings {
  readonly initialWindow: number | undefined;
  /** The client keeps a smaller header table than by default. */
  readonly smallerTable: boolean;
}

/** @throws ConnectionViolation for a value that RFC 9113 §6.5.2 does not allow; unknown settings are passed over */
export function readSettings(payload: Uint8Array): ClientSettings {
  if (payload.length % 6 !== 0) {
    throw new ConnectionViolation(FRAME_SIZE_ERROR, "a setting has six bytes");
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  let initialWindow: number | undefined;
  let smallerTable = false;
  for (let at = 0; at < payload.length; at += 6) {
    const value = view.getUint32(at + 2);
    switch (view.getUint16(at)) {
      case HEADER_TABLE_SIZE:
        smallerTable ||= value < DEFAULT_TABLE_BYTES;
        break;
      case ENABLE_PUSH:
        if (value > 1) throw new ConnectionViolation(PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1");
        break;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) {
          throw new ConnectionViolation(FLOW_CONTROL_ERROR, "a window has at most 31 bits");
        }
        initialWindow = value;
        break;
      case MAX_FRAME_SIZE:
        if (value < 16_384 || value > 0xffffff) {
          throw new ConnectionViolation(PROTOCOL_ERROR, "MAX_FRAME_SIZE is 2^14 to 2^24-1");
        }
        break;
      default:
    }
  }
  return { initialWindow, smallerTable };
}

/** The one SETTINGS frame that a server sends. */
export function serverSettings(values: {
  readonly maxConcurrentStreams: number;
  readonly initialWindow: number;
  readonly maxHeaderListBytes: number;
}): Uint8Array {
  const pairs: readonly (readonly [number, number])[] = [
    [MAX_CONCURRENT_STREAMS, values.maxConcurrentStreams],
    [INITIAL_WINDOW_SIZE, values.initialWindow],
    [MAX_HEADER_LIST_SIZE, values.maxHeaderListBytes],
  ];
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [at, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * at);
    payload.writeUInt32BE(value, 6 * at + 2);
  }
  return encodeFrame(SETTINGS, 0, 0, payload);
}
