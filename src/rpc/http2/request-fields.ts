/**
 * What makes the headers of a request malformed (RFC 9113 §8.2, §8.3). `:authority` may be anything and may be missing:
 * grpc-java sends the path of a Unix socket there.
 * @param fields names and values in turn
 * @returns the rule that is broken; undefined when none is
 */
export function malformedRequest(fields: readonly string[]): string | undefined {
  let pseudo = 0;
  let regular = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    const value = fields[i + 1] ?? "";
    if (!name.startsWith(":")) {
      regular = true;
      const rule = malformedField(name, value);
      if (rule !== undefined) return rule;
      continue;
    }
    if (regular) return "pseudo-headers come first";
    const bit = PSEUDO.get(name);
    if (bit === undefined) return "a request has no such pseudo-header";
    if ((pseudo & bit) !== 0) return "a pseudo-header comes once";
    if (value === "" && bit !== AUTHORITY) return "a pseudo-header is not empty";
    if (ILLEGAL_IN_VALUE.test(value)) return "a value has an illegal byte";
    pseudo |= bit;
  }
  return (pseudo & REQUIRED) === REQUIRED ? undefined : "a request has :method, :scheme and :path";
}

/** The same for what follows a request's body. */
export function malformedTrailers(fields: readonly string[]): string | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (name.startsWith(":")) return "trailers have no pseudo-headers";
    const rule = malformedField(name, fields[i + 1] ?? "");
    if (rule !== undefined) return rule;
  }
  return undefined;
}

function malformedField(name: string, value: string): string | undefined {
  if (!LEGAL_NAME.test(name)) return "a name has an illegal byte";
  if (ILLEGAL_IN_VALUE.test(value)) return "a value has an illegal byte";
  if (OF_CONNECTIONS.has(name)) return "a header of HTTP/1 connections";
  if (name === "te" && value !== "trailers") return "te says trailers and nothing else";
  return undefined;
}

const AUTHORITY = 8;
const REQUIRED = 7;
const PSEUDO: ReadonlyMap<string, number> = new Map([
  [":method", 1],
  [":scheme", 2],
  [":path", 4],
  [":authority", AUTHORITY],
]);
/** A token of RFC 9110 §5.6.2 without upper case. */
const LEGAL_NAME = /^[a-z0-9!#$%&'*+\-.^_`|~]+$/;
/** NUL, CR and LF anywhere, blanks at either end (RFC 9113 §8.2.1). */
// oxlint-disable-next-line no-control-regex
const ILLEGAL_IN_VALUE = /[\0\r\n]|^[\t ]|[\t ]$/;
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
