/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). */
export const NO_ERROR = 0x0;
export const PROTOCOL_ERROR = 0x1;
export const INTERNAL_ERROR = 0x2;
export const FLOW_CONTROL_ERROR = 0x3;
export const STREAM_CLOSED = 0x5;
export const FRAME_SIZE_ERROR = 0x6;
export const REFUSED_STREAM = 0x7;
export const COMPRESSION_ERROR = 0x9;
export const ENHANCE_YOUR_CALM = 0xb;

/** What a peer did that ends its connection (RFC 9113 §5.4.1): `code` goes into GOAWAY, and the message into it and our log. */
export class ConnectionViolation extends Error {
  readonly code: number;

  constructor(code: number, rule: string) {
    super(rule);
    this.code = code;
  }
}
