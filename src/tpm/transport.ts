/** The way to a TPM: a character device of Linux, or a Unix socket that a software TPM listens on. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { type Socket, connect } from "node:net";
import { orAborted } from "../base/abort.ts";
import { AssayError, fail } from "../base/errors.ts";

/** Commands and responses as they are; one at a time. */
export interface TpmTransport extends AsyncDisposable {
  /**
   * The response to a command, of the length that stands in it.
   * @throws unavailable; the signal's reason. Nothing can be sent after either.
   */
  exchange(command: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}

/**
 * @param device a path, with `unix:` in front or not: what is there decides
 * @throws precondition when there is neither a device nor a socket, or it may not be opened
 */
export async function openTpm(device: string, signal: AbortSignal): Promise<TpmTransport> {
  const path = device.startsWith(UNIX_PREFIX) ? device.slice(UNIX_PREFIX.length) : device;
  try {
    const found = await stat(path);
    if (found.isSocket()) return new TpmSocket(path, await connected(path, signal));
    if (found.isCharacterDevice()) return new TpmDevice(path, await open(path, "r+"));
    throw fail("precondition", `tpm ${path} is neither a character device nor a socket`);
  } catch (cause) {
    if (cause instanceof AssayError || signal.aborted) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    const hint = HINTS.get(code);
    const next = hint === undefined ? "" : `; ${hint}`;
    throw fail("precondition", `tpm ${path} cannot be opened (${code})${next}`, { cause });
  }
}

/** `write` has the kernel run the command, `read` gives its response. */
class TpmDevice implements TpmTransport {
  readonly #path: string;
  readonly #handle: FileHandle;
  /** The kernel has a command that nobody waits for any more. */
  #isGivenUp = false;

  constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  async exchange(command: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#isGivenUp) throw fail("unavailable", `tpm ${this.#path}: it was given up`);
    try {
      // The call itself cannot be taken back.
      return await orAborted(this.#exchange(command), signal);
    } catch (error) {
      this.#isGivenUp = signal.aborted;
      throw error;
    }
  }

  async #exchange(command: Uint8Array): Promise<Uint8Array> {
    const response = new PartialResponse(this.#path);
    try {
      const { bytesWritten } = await this.#handle.write(command);
      if (bytesWritten !== command.length) throw fail("unavailable", "a command was cut short");
      while (!response.isWhole) {
        const buffer = new Uint8Array(MAX_RESPONSE_BYTES);
        const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) throw fail("unavailable", "it gave no response");
        response.add(buffer.subarray(0, bytesRead));
      }
    } catch (cause) {
      throw broken(this.#path, cause);
    }
    return response.bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#handle.close();
    // It waits for what the kernel is at.
    if (this.#isGivenUp) closed.catch(() => undefined);
    else await closed;
  }
}

/** What swtpm listens on with `--server type=unixio`: commands and responses without a frame. */
class TpmSocket implements TpmTransport {
  readonly #path: string;
  readonly #socket: Socket;

  constructor(path: string, socket: Socket) {
    this.#path = path;
    this.#socket = socket;
    // Told to the exchange that waits; between two nobody has to know.
    socket.on("error", () => undefined);
  }

  async exchange(command: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const response = new PartialResponse(this.#path);
    const onData = (chunk: Uint8Array): void => {
      try {
        response.add(chunk);
        if (response.isWhole) resolve(response.bytes);
      } catch (error) {
        reject(error);
      }
    };
    const onClose = (): void => reject(broken(this.#path, fail("unavailable", "it closed")));
    this.#socket.on("data", onData).on("close", onClose);
    try {
      if (this.#socket.destroyed) onClose();
      else this.#socket.write(command);
      return await orAborted(promise, signal);
    } catch (error) {
      this.#socket.destroy();
      throw error;
    } finally {
      this.#socket.off("data", onData).off("close", onClose);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#socket.closed) return;
    this.#socket.once("close", () => resolve());
    this.#socket.destroy();
    await promise;
  }
}

/** A response as it comes in. */
class PartialResponse {
  readonly #path: string;
  #bytes: Uint8Array = new Uint8Array();

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws unavailable when it says that it is longer than one can be, or more came than it says */
  add(chunk: Uint8Array): void {
    const bytes = Buffer.concat([this.#bytes, chunk]);
    this.#bytes = bytes;
    if (bytes.length < HEADER_BYTES) return;
    const size = bytes.readUInt32BE(2);
    if (size < HEADER_BYTES || size > MAX_RESPONSE_BYTES || bytes.length > size) {
      throw broken(this.#path, fail("unavailable", "what it answers is no response"));
    }
  }

  get isWhole(): boolean {
    const bytes = this.bytes;
    return bytes.length >= HEADER_BYTES && bytes.length === Buffer.from(bytes).readUInt32BE(2);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }
}

async function connected(path: string, signal: AbortSignal): Promise<Socket> {
  const socket = connect(path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("connect", () => resolve()).once("error", reject);
  try {
    await orAborted(promise, signal);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function broken(path: string, cause: unknown): AssayError {
  const why =
    cause instanceof AssayError
      ? cause.message
      : `it cannot be used (${(cause as NodeJS.ErrnoException).code ?? "unknown"})`;
  return cause instanceof AssayError && cause.message.startsWith("tpm ")
    ? cause
    : fail("unavailable", `tpm ${path}: ${why}`, { cause });
}

const UNIX_PREFIX = "unix:";
/** Tag, size and code (TCG TPM 2.0 Library, Part 1 §18.9). */
const HEADER_BYTES = 10;
/** TPM2_MAX_RESPONSE_SIZE of all TPMs there are, and Linux's buffer. */
const MAX_RESPONSE_BYTES = 4096;
const HINTS: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "name the tpm's device"],
  ["EACCES", "the agent's user needs it, on most systems by the group tss"],
  ["EBUSY", "another process has it; use its resource manager, /dev/tpmrm0"],
]);
