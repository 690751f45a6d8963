/** Public documents that change now and then: key sets, bundles, lists. */
import { createHash } from "node:crypto";
import { errorFrom } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import { text } from "./http-answer.ts";
import type { HttpRoute } from "./http-listener.ts";

export interface PublicDocument {
  /** `Content-Type`. */
  readonly type: string;
  readonly body: string | Uint8Array;
  /** Seconds that anyone may keep it for without asking again. */
  readonly maxAgeSeconds: number;
}

/**
 * Answers with the document of that moment, under a name of its content (`ETag`) and how long it may be kept; 304 to
 * whoever has it already. One that cannot be made now is answered with 503, and the log says why.
 */
export function documentRoute(make: () => PublicDocument, logger: Logger): HttpRoute {
  return async ({ headers }) => {
    let made: PublicDocument;
    try {
      made = make();
    } catch (thrown) {
      logger.warn("document could not be served", { error: errorFrom(thrown) });
      return { ...text(503, "not available; try again"), headers: { "retry-after": "5" } };
    }
    const { type, body, maxAgeSeconds } = made;
    const etag = entityTag(body);
    const status = names(headers["if-none-match"], etag) ? 304 : 200;
    const cacheControl = `public, max-age=${maxAgeSeconds}, must-revalidate`;
    return { status, type, body, headers: { etag, "cache-control": cacheControl } };
  };
}

/** RFC 9110 §8.8.3. */
function entityTag(body: string | Uint8Array): string {
  return `"${createHash("sha256").update(body).digest("base64url").slice(0, 27)}"`;
}

/** RFC 9110 §13.1.2: the comparison is the weak one. */
function names(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(",").map((one) => one.trim().replace(/^W\//, ""));
  return tags.includes(tag) || (tags.length === 1 && tags[0] === "*");
}
