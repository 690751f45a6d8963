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
    request.on("data", (chunk: Uint8Array) => {
      length += chunk.length;
      if (length <= max) chunks.push(chunk);
      else resolve(undefined);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    const gone = (cause?: unknown): void => {
      reject(fail("cancelled", "the client left before its request was whole", { cause }));
    };
    request.on("error", gone);
    // After "end", too, where it does nothing any more.
    request.on("close", gone);
  });
}
