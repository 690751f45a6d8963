import type { IncomingMessage } from "node:http";
import { fail } from "../base/errors.ts";

/** The whole body. @returns undefined when it is longer than `max`. @throws cancelled when the client goes first */
export async function readBody(
  request: IncomingMessage,
  max: number,
): Promise<Uint8Array | undefined> {
  const { "content-length": declared } = request.headers;
  if (declared !== undefined && Number(declared) > max) return undefined;
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    let over = false;
    const end = (body: Uint8Array | undefined): void => {
      over = true;
      resolve(body);
    };
    request.on("data", (chunk: Uint8Array) => {
      length += chunk.length;
      if (length <= max) chunks.push(chunk);
      else end(undefined);
    });
    request.on("end", () => end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    // After the end, too: an error that nobody reads is not made.
    const gone = (cause?: unknown): void => {
      if (over) return;
      reject(fail("cancelled", "the client left before its request was whole", { cause }));
    };
    request.on("error", gone);
    request.on("close", gone);
  });
}
