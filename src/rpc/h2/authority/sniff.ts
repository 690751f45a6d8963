import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../../base/clock.ts";
import { MAX_STREAMS_PER_CONNECTION } from "../limits.ts";
import { FirstRequest } from "./first-request.ts";
import { SETTINGS, encodeFrameHeader } from "./frame-header.ts";
import { RewritingDuplex } from "./rewriting-duplex.ts";

export interface SniffOptions {
  readonly clock: Clock;
  /** Preface and first HEADERS must be there after so long, or the socket is destroyed. */
  readonly withinMs: number;
  /** Gets what to read HTTP/2 from: the socket itself, or a Duplex that mends every `:authority`. */
  readonly onStream: (stream: Duplex) => void;
}

/**
 * Looks at a connection's first request before nghttp2 does, so that only a client whose `:authority` nghttp2 would
 * refuse pays for a Duplex; every other one keeps the real socket.
 *
 * grpc-go and grpc-java send no request before the server's SETTINGS. A client that has not sent one with its preface
 * therefore gets a SETTINGS frame from here, and its acknowledgement is left out of what nghttp2 reads. Tonic
 * may send its request before that acknowledgement: then both are waited for, for a second at most.
 */
export function sniffAuthority(socket: Socket, options: SniffOptions): void {
  const first = new FirstRequest();
  let askedFor = false;
  let awaitsAck = false;
  let cancelTimer = options.clock.after(options.withinMs, () => socket.destroy());

  const onData = (chunk: Buffer): void => {
    first.push(chunk);
    if (first.authority === undefined) {
      if (!askedFor) socket.write(FIRST_SETTINGS);
      askedFor = true;
    } else if (first.authority === "illegal" || first.length > MAX_WAITING_BYTES) {
      handOver(true);
    } else if (!askedFor || first.hasSettingsAck) {
      handOver(false);
    } else if (!awaitsAck) {
      awaitsAck = true;
      cancelTimer();
      cancelTimer = options.clock.after(ACK_WITHIN_MS, () => handOver(true));
    }
  };
  const handOver = (mend: boolean): void => {
    stop();
    if (socket.destroyed) return;
    if (mend) {
      const dropSettingsAck = askedFor;
      options.onStream(new RewritingDuplex(socket, first.bytes, { dropSettingsAck }));
    } else {
      socket.pause();
      socket.unshift(askedFor ? first.bytesWithoutSettingsAck : first.bytes);
      options.onStream(socket);
    }
  };
  const stop = (): void => {
    cancelTimer();
    socket.removeListener("data", onData);
    socket.removeListener("close", stop);
  };
  socket.on("error", ignore);
  socket.on("data", onData);
  socket.on("close", stop);
}

/** A reset connection closes, which is all there is to know. */
function ignore(): void {}

/** The one setting that must not be believed unlimited for a moment: SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2). */
const FIRST_SETTINGS = Buffer.concat([
  encodeFrameHeader({ length: 6, type: SETTINGS, flags: 0, streamId: 0 }),
  Buffer.of(0, 3, 0, 0, MAX_STREAMS_PER_CONNECTION >> 8, MAX_STREAMS_PER_CONNECTION & 0xff),
]);
const ACK_WITHIN_MS = 1_000;
/** A client that sends so much without acknowledging SETTINGS is not waited for. */
const MAX_WAITING_BYTES = 64 * 1024;
