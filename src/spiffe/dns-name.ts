import { fail } from "../base/errors.ts";

/**
 * A DNS name as a subject alternative name may hold it (RFC 1123 §2.1 host name, RFC 6125 §6.4.3 wildcard): letters,
 * digits and hyphens, no trailing dot, at most one `*`, which is the whole first label.
 * @throws invalid
 */
export function checkDnsName(name: string): void {
  if (name === "") throw fail("invalid", "dns name is empty");
  if (name.length > MAX_NAME)
    throw fail("invalid", `dns name is longer than ${MAX_NAME} characters`);
  const labels = name.split(".");
  if (labels.length > 1 && labels[0] === "*") labels.shift();
  for (const label of labels) {
    if (label === "") throw fail("invalid", "dns name has an empty label");
    if (label.includes("*")) {
      throw fail("invalid", "dns name may have a wildcard as its whole first label only");
    }
    if (label.length > MAX_LABEL) {
      throw fail("invalid", `dns name has a label longer than ${MAX_LABEL} characters`);
    }
    if (!LABEL.test(label)) {
      throw fail(
        "invalid",
        "dns name labels are limited to letters, numbers and inner hyphens (use punycode)",
      );
    }
  }
}

const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/;
/** RFC 1035 §2.3.4, as text. */
const MAX_NAME = 253;
const MAX_LABEL = 63;
