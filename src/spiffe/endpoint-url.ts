import { fail } from "../base/errors.ts";

/**
 * The URL of a bundle endpoint: https with a host and without user information (SPIFFE Federation §5.2.1, §5.2.2).
 * @returns the URL as it was given
 * @throws invalid
 */
export function checkEndpointUrl(text: string): string {
  if (text === "") throw fail("invalid", "the bundle endpoint URL is missing");
  if (text.length > MAX_URL_LENGTH) {
    throw fail("invalid", `the bundle endpoint URL is longer than ${MAX_URL_LENGTH} characters`);
  }
  // Parsers of URLs skip blanks and take backslashes for slashes; whoever fetches it must see what was checked.
  if (!/^[!-[\]-~]+$/.test(text) || !URL.canParse(text)) {
    throw fail("invalid", "the bundle endpoint URL cannot be read");
  }
  if (!/^https:\/\/[^/]/i.test(text)) {
    throw fail("invalid", "the bundle endpoint URL has to be https with a host");
  }
  // An empty one, too, which a parser of URLs does not show.
  if (/^[^/]*\/\/[^/?#]*@/.test(text)) {
    throw fail("invalid", "the bundle endpoint URL has user information; leave it out");
  }
  return text;
}

const MAX_URL_LENGTH = 2048;
