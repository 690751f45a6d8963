/** A secret typed at a terminal: nothing of it is shown, also not how long it is. */
import { StringDecoder } from "node:string_decoder";
import type { ReadStream } from "node:tty";
import { fail } from "../../base/errors.ts";

/**
 * Asks for a line with each prompt, in order; what was pasted with several lines answers several prompts.
 * @param write where prompts go: not among the data
 * @throws cancelled at Ctrl-C, at the end of input, and when `signal` is aborted; invalid for a line that is too long
 */
export async function typeSecrets(
  prompts: readonly string[],
  {
    input,
    write,
    signal,
  }: {
    readonly input: ReadStream;
    readonly write: (text: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<readonly string[]> {
  const lines: string[] = [];
  const line = new TypedLine();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const ask = (): void => write(prompts[lines.length] ?? "");
  const gone = (): void => reject(fail("cancelled", "nothing was typed, and nothing was done"));
  const onData = (bytes: Buffer): void => {
    try {
      for (const secret of line.take(bytes)) {
        if (lines.length === prompts.length) break;
        lines.push(secret);
        write("\n");
        if (lines.length < prompts.length) ask();
      }
    } catch (thrown) {
      reject(thrown);
      return;
    }
    if (lines.length === prompts.length) resolve();
  };
  // Before the prompt: whoever sees it may begin.
  input.setRawMode(true);
  input.on("data", onData).on("end", gone).on("error", gone);
  signal.addEventListener("abort", gone, { once: true });
  try {
    signal.throwIfAborted();
    ask();
    await promise;
    return lines;
  } catch (thrown) {
    write("\n");
    throw thrown;
  } finally {
    signal.removeEventListener("abort", gone);
    input.off("data", onData).off("end", gone).off("error", gone);
    input.setRawMode(false);
    input.pause();
  }
}

/** The line editing that a terminal does itself while it echoes: rub out, kill the line, interrupt, end of file. */
class TypedLine {
  readonly #decoder = new StringDecoder("utf8");
  #characters: string[] = [];

  /** @returns the lines that are whole now. @throws cancelled, invalid */
  take(bytes: Buffer): string[] {
    const lines: string[] = [];
    for (const character of this.#decoder.write(bytes)) {
      switch (character) {
        case "\r":
        case "\n":
          lines.push(this.#characters.join(""));
          this.#characters = [];
          break;
        case INTERRUPT:
          throw fail("cancelled", "interrupted, and nothing was done");
        case END_OF_FILE:
          if (this.#characters.length === 0) {
            throw fail("cancelled", "nothing was typed, and nothing was done");
          }
          break;
        case BACKSPACE:
        case DELETE:
          this.#characters.pop();
          break;
        case KILL_LINE:
          this.#characters = [];
          break;
        default:
          if (this.#characters.length >= MAX_LENGTH) {
            throw fail("invalid", `more than ${MAX_LENGTH} characters were typed`);
          }
          this.#characters.push(character);
      }
    }
    return lines;
  }
}

const INTERRUPT = "\u0003";
const END_OF_FILE = "\u0004";
const BACKSPACE = "\b";
const KILL_LINE = "\u0015";
const DELETE = "\u007f";
const MAX_LENGTH = 1024;
