import { concatBytes } from "./bytes.ts";

/**
 * The whole of what somebody sends. Where it is longer, the rest is not read: a stream of Node's is destroyed.
 * @returns undefined when there are more than `max` bytes
 */
export async function readAtMost(
  body: AsyncIterable<Uint8Array>,
  max: number,
): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > max) return undefined;
    parts.push(part);
  }
  return concatBytes(parts);
}
