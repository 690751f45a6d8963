import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { FrameRewriter, type FrameRewriterOptions } from "./frame-rewriter.ts";

/** A socket seen through a `FrameRewriter`: reads come mended, writes go straight through. */
export class RewritingDuplex extends Duplex {
  readonly #socket: Socket;
  readonly #rewriter: FrameRewriter;

  /** `start` is what was read from the socket before. */
  constructor(socket: Socket, start: Uint8Array, options: FrameRewriterOptions) {
    super();
    this.#socket = socket;
    this.#rewriter = new FrameRewriter(options);
    this.#take(start);
    socket.on("data", (chunk: Uint8Array) => {
      if (!this.#take(chunk)) socket.pause();
    });
    socket.once("end", () => this.push(null));
    socket.once("close", () => this.destroy());
    socket.pause();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(chunk, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Uint8Array }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(chunk: Uint8Array): boolean {
    let more = true;
    for (const piece of this.#rewriter.push(chunk)) if (piece.length > 0) more = this.push(piece);
    return more;
  }
}
