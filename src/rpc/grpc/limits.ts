/** Every bound of the Workload API's transport, by name. Sizes are bytes, times milliseconds. */

/** One request message, decoded (the default of every gRPC client and server). */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** Unfinished request messages of one connection together. */
export const MAX_REQUEST_BYTES_PER_CONNECTION = 8 * 1024 * 1024;
/** Request messages of one bidirectional stream that wait for its handler. */
export const MAX_WAITING_REQUESTS = 16;
/** A message to a peer; go-, java- and py-spiffe refuse more than 4 MiB. */
export const MAX_RESPONSE_BYTES = 4 * 1024 * 1024;
/** Responses held for a peer that does not read, over all streams of its connection. */
export const MAX_HELD_BYTES = 1024 * 1024;
/** A connection that holds something for its peer and moves nothing for so long is destroyed. */
export const STALLED_AFTER_MS = 30_000;
/** A request message must be whole so long after its stream opened or its first byte came. */
export const REQUEST_WITHIN_MS = 30_000;
/** Preface and first whole HEADERS must have come so long after accept. */
export const FIRST_HEADERS_WITHIN_MS = 10_000;
/** What a server that is disposed of without a word grants its clients to take their last status. */
export const DISPOSE_GRACE_MS = 1_000;
/** How often the two times above are looked at: one timer for the whole server. */
export const SWEEP_EVERY_MS = 5_000;
export const STALLED_SWEEPS = STALLED_AFTER_MS / SWEEP_EVERY_MS;
export const REQUEST_SWEEPS = REQUEST_WITHIN_MS / SWEEP_EVERY_MS;
/** Open streams of one connection; told to the peer in SETTINGS. */
export const MAX_STREAMS_PER_CONNECTION = 1_000;
/** Open connections of one listener. */
export const MAX_CONNECTIONS = 20_000;
/** One request's headers, as HTTP/2 counts them (name + value + 32 each): announced; a call beyond it is refused. */
export const MAX_HEADER_LIST_BYTES = 32 * 1024;
/** Number of headers of one request. */
export const MAX_HEADERS = 128;
/** What a client may send ahead of a handler that does not read: on one stream, and on its connection. */
export const STREAM_WINDOW_BYTES = 65_535;
export const CONNECTION_WINDOW_BYTES = 1024 * 1024;
/** A client that opens a stream, takes one answer and cancels it may reach 30,000 a second. */
export const MAX_RESETS_PER_SWEEP = 500_000;
/** The longest grpc-timeout that gets a timer; a longer one is no deadline. */
export const MAX_DEADLINE_MS = 30 * 24 * 3600 * 1000;
