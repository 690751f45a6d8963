/**
 * The token of `authorization: Bearer TOKEN` (RFC 6750 §2.1); `undefined` for a call without the header, empty for one
 * whose header is something else, is there twice or is longer than `MAX_BEARER`: such a token is refused, not ignored.
 * @param values every value of the header
 */
export function bearerToken(values: readonly string[]): string | undefined {
  if (values.length === 0) return undefined;
  const [value = ""] = values;
  if (values.length > 1 || value.length > MAX_BEARER) return "";
  return /^bearer +([\w.~+/=-]+)$/i.exec(value)?.[1] ?? "";
}

/** Characters of the header: below the transport's bound on all headers, so that there is an answer to it. */
export const MAX_BEARER = 16 * 1024;
