import type { IncomingMessage } from "node:http";
import { Agent, request } from "../../../base/node-http.ts";
import { type AssayError, errorFrom, fail, hasCode } from "../../../base/errors.ts";
import { readAtMost } from "../../../base/read-at-most.ts";

export interface JsonAnswer {
  readonly status: number;
  /** What the body held: not looked at yet. */
  readonly body: unknown;
}

/** GET requests to an HTTP server behind a Unix socket, over connections that are kept, with bounded answers. */
export class SocketHttp implements Disposable {
  readonly socket: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: 4 });

  constructor(socket: string) {
    this.socket = socket;
  }

  /** @throws unavailable when there is no answer, or one that is no JSON or too long; what the signal is aborted with */
  async get(path: string, signal: AbortSignal): Promise<JsonAnswer> {
    signal.throwIfAborted();
    try {
      return await this.#get(path, signal);
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      throw noAnswer(this.socket, thrown);
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #get(path: string, signal: AbortSignal, isAgain = false): Promise<JsonAnswer> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: this.socket,
          agent: this.#agent,
          path,
          headers: { host: "engine", accept: "application/json" },
          maxHeaderSize: MAX_HEADER_BYTES,
          signal,
        },
        (answer) => {
          readBody(answer)
            .then((text) => ({ status: answer.statusCode ?? 0, body: parse(text, answer) }))
            .then(resolve, reject);
        },
      );
      sent.on("error", (error) => {
        // A kept connection may close, when the engine restarts, just as it is used.
        const isStale = sent.reusedSocket && hasCode(error, "ECONNRESET");
        if (isStale && !isAgain) resolve(this.#get(path, signal, true));
        else reject(error);
      });
      sent.end();
    });
  }
}

async function readBody(answer: IncomingMessage): Promise<string> {
  const bytes = await readAtMost(answer, MAX_ANSWER_BYTES);
  if (bytes === undefined) {
    throw fail("unavailable", `its answer is longer than ${MAX_ANSWER_BYTES} bytes`);
  }
  return Buffer.from(bytes).toString("utf8");
}

/** Refusals may come as plain text; a good answer may not. */
function parse(text: string, { statusCode = 0 }: IncomingMessage): unknown {
  try {
    return JSON.parse(text);
  } catch {
    if (statusCode !== 200) return { message: text };
    throw fail("unavailable", "its answer is no JSON");
  }
}

function noAnswer(socket: string, thrown: unknown): AssayError {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
  const why = code === undefined ? errorFrom(thrown).message : (WHY[code] ?? code);
  return fail("unavailable", `the engine at ${socket} cannot be asked: ${why}`, { cause: thrown });
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket; start the engine, or name its socket",
  ECONNREFUSED: "nobody listens; start the engine",
  EACCES: "permission denied; run the agent as root or in the engine's group",
  ECONNRESET: "it closed the connection",
  HPE_HEADER_OVERFLOW: "its answer's header is too long",
};

const MAX_SOCKETS = 16;
const MAX_HEADER_BYTES = 16 * 1024;
/** Labels and environment are all that is wanted; a container has kilobytes of them. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
