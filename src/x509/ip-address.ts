/** IP addresses as certificates hold them: 4 or 16 bytes (RFC 5280 §4.2.1.6), and their one text (RFC 5952). */
import { isIP } from "node:net";
import { fail } from "../base/errors.ts";

/** @param text an IPv4 or IPv6 address; without a zone, a port or brackets. @throws invalid */
export function ipBytes(text: string): Uint8Array {
  if (text.length <= MAX_TEXT && !text.includes("%")) {
    const family = isIP(text);
    if (family === 4) return Uint8Array.from(text.split("."), Number);
    if (family === 6) return v6Bytes(text.toLowerCase());
  }
  throw fail("invalid", "ip address is not one, for example 192.0.2.1 or 2001:db8::1");
}

/** @returns undefined for another number of bytes than 4 or 16 */
export function ipText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  const { at, length } = longestZeros(groups);
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, at).join(":")}::${groups.slice(at + length).join(":")}`;
}

function v6Bytes(text: string): Uint8Array {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const pair = (high = "", low = ""): string => (Number(high) * 256 + Number(low)).toString(16);
  const plain =
    dotted === null
      ? text
      : `${dotted[1] ?? ""}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}`;
  const [head = "", tail] = plain.split("::");
  const groupsOf = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return Uint8Array.from(
    groups.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/** The first of the longest runs (RFC 5952 §4.2.3). */
function longestZeros(groups: readonly string[]): { readonly at: number; readonly length: number } {
  let best = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
  }
  return best;
}

/** An IPv6 address with a dotted end. */
const MAX_TEXT = 45;
