import type { Duplex } from "node:stream";

/** Told once the socket has taken what somebody sent. */
export interface Sender {
  sent(): void;
}

/**
 * What a connection sends. The frames of one turn of the event loop leave in one write; DATA waits while the socket
 * holds more than `FULL_BYTES`, other frames do not.
 */
export class Output {
  readonly #socket: Duplex;
  readonly #onRoom: () => void;
  readonly #flushing = (): void => this.#flush();
  readonly #written = (error?: Error | null): void => this.#afterWrite(error);
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #senders: Sender[] = [];
  #scheduled = false;
  /** Of each write that the socket has not confirmed, oldest first, those who wait for it. */
  readonly #unconfirmed: (readonly Sender[])[] = [];

  /** @param onRoom there may be room for DATA again */
  constructor(socket: Duplex, onRoom: () => void) {
    this.#socket = socket;
    this.#onRoom = onRoom;
  }

  /** Bytes that have been sent and not been taken by the kernel. */
  get heldBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  get isFull(): boolean {
    return this.heldBytes >= FULL_BYTES;
  }

  add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flushing);
  }

  /** `sender` is told when all that was added so far has been taken. */
  notify(sender: Sender): void {
    this.#senders.push(sender);
  }

  /** Sends what there is and ends the socket's writing side. */
  end(): void {
    this.#flush();
    if (!this.#socket.destroyed) this.#socket.end();
  }

  #flush(): void {
    this.#scheduled = false;
    const parts = this.#parts;
    if (parts.length === 0) return;
    const bytes = this.#bytes;
    this.#parts = [];
    this.#bytes = 0;
    const senders = this.#senders;
    this.#senders = senders.length === 0 ? senders : [];
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    this.#unconfirmed.push(senders.length === 0 ? NOBODY : senders);
    if (parts.length === 1 && parts[0] !== undefined) {
      socket.write(parts[0], this.#written);
    } else if (bytes <= COPIED_BYTES) {
      socket.write(joined(parts, bytes), this.#written);
    } else {
      const last = parts.pop();
      socket.cork();
      for (const part of parts) socket.write(part);
      socket.write(last, this.#written);
      socket.uncork();
    }
  }

  #afterWrite(error: Error | null | undefined): void {
    // A write that failed is followed by the socket's end, which is told to all streams.
    if (error) return;
    for (const sender of this.#unconfirmed.shift() ?? NOBODY) sender.sent();
    if (!this.isFull) this.#onRoom();
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const all = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const NOBODY: readonly Sender[] = [];
/** Up to so many bytes one copy is cheaper than a write of several pieces. */
const COPIED_BYTES = 16_384;
/** As much as the kernel's own buffer of a Unix socket, about. */
const FULL_BYTES = 128 * 1024;
