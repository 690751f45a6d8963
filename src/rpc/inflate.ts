import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { fail } from "../base/errors.ts";

/** Opens one compressed message; undefined when it is not compressed so, `limited` when it would be too long. */
export type Inflater = (bytes: Uint8Array, maxBytes: number) => Promise<Uint8Array | undefined>;

/** By the name in `grpc-encoding` (gRPC over HTTP2, "Message-Encoding"). Throws `unsupported` for one not known here. */
export function inflater(encoding: string): Inflater {
  const open = KNOWN.get(encoding);
  if (open === undefined) {
    throw fail("unsupported", "the request's grpc-encoding is not known, send identity or gzip");
  }
  return async (bytes, maxBytes) => {
    try {
      return await open(bytes, { maxOutputLength: Math.max(1, maxBytes) });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") return undefined;
      throw fail("limited", `a request message has at most ${maxBytes} bytes`);
    }
  };
}

const KNOWN: ReadonlyMap<
  string,
  (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Uint8Array>
> = new Map([
  ["gzip", promisify(gunzip)],
  ["deflate", promisify(inflate)],
]);
