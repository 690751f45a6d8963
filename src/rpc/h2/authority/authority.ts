import type { HeaderField } from "./header-block.ts";

/**
 * True when nghttp2 takes the headers' `:authority` and `host`. It resets a request that has neither, or an
 * `:authority` that is empty or holds a byte such as `/`, before anyone can see it (grpc-java's Netty transport
 * sends the path of the Unix socket).
 */
export function hasLegalAuthority(fields: readonly HeaderField[]): boolean {
  let authorities = 0;
  let hosts = 0;
  for (const { name, value } of fields) {
    if (name === ":authority") {
      if (!isLegal(value)) return false;
      authorities++;
    } else if (name === "host") {
      if (!isLegal(value)) return false;
      hosts++;
    }
  }
  return authorities + hosts > 0;
}

/** The same headers with an `:authority` that nghttp2 takes: an illegal one is replaced, an illegal `host` dropped. */
export function mendAuthority(fields: readonly HeaderField[]): readonly HeaderField[] {
  const kept = fields
    .filter(({ name, value }) => name !== "host" || isLegal(value))
    .map((field) => (field.name === ":authority" && !isLegal(field.value) ? LOCALHOST : field));
  const named = kept.some(({ name }) => name === ":authority" || name === "host");
  return named ? kept : [LOCALHOST, ...kept];
}

function isLegal(value: string): boolean {
  return LEGAL.test(value);
}

/** What every other gRPC client sends on a Unix socket. */
const LOCALHOST: HeaderField = { name: ":authority", value: "localhost", neverIndexed: true };

/** RFC 3986 §3.2 without user information, as nghttp2 has it; each byte was tried. */
const LEGAL = /^[A-Za-z0-9!$%&'()*+,\-.:;=[\]_~]+$/;
