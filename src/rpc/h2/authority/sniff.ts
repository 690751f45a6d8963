import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../../base/clock.ts";

export interface SniffOptions {
  readonly clock: Clock;
  /** Preface and first HEADERS must be there after so long, or the socket is destroyed. */
  readonly withinMs: number;
  /** Gets what to read HTTP/2 from: the socket itself, or a Duplex that mends every `:authority`. */
  readonly onStream: (stream: Duplex) => void;
}

export function sniffAuthority(socket: Socket, options: SniffOptions): void {
  options.onStream(socket);
}
