import { fail } from "../../base/errors.ts";
import { MAX_PAGE_SIZE, type PageRequest } from "./contract.ts";

/** The sort key of the last item of a page: what the next page starts after. */
export type PagePosition = readonly (string | number)[];

/** A page token: the aggregate's name and the position, opaque to callers. */
export function encodePageToken(list: string, position: PagePosition): string {
  return Buffer.from(JSON.stringify([list, ...position])).toString("base64url");
}

/**
 * @param shape the types of the position's parts, in order
 * @throws invalid when the token is none that `encodePageToken` made for this list
 */
export function decodePageToken(
  list: string,
  token: string,
  shape: readonly ("string" | "number")[],
): PagePosition {
  const [name, ...position] = parse(token);
  if (name !== list || position.length !== shape.length) throw notOurs();
  return position.map((part, i) => {
    if (typeof part === "string" && shape[i] === "string") return part;
    if (typeof part === "number" && shape[i] === "number") return part;
    throw notOurs();
  });
}

/** @throws invalid when the page size is out of range */
export function checkPageSize(page: PageRequest): number {
  if (!Number.isInteger(page.size) || page.size < 1 || page.size > MAX_PAGE_SIZE) {
    throw fail("invalid", `page size is not between 1 and ${MAX_PAGE_SIZE}`);
  }
  return page.size;
}

function parse(token: string): readonly unknown[] {
  if (token.length > MAX_TOKEN_LENGTH) throw notOurs();
  const bytes = Buffer.from(token, "base64url");
  // Decoding is lenient (stray characters are skipped): only what encodes to the same text is ours.
  if (bytes.toString("base64url") !== token) throw notOurs();
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    if (Array.isArray(parsed)) return parsed;
  } catch {
    // Whatever is wrong inside, the answer is the same.
  }
  throw notOurs();
}

function notOurs(): Error {
  return fail("invalid", "page token is not valid; start again without one");
}

/** A SPIFFE ID of 2048 bytes in base64, with room. */
const MAX_TOKEN_LENGTH = 4096;
