/**
 * Whether what listens at the host, or is asked there, is this machine alone: what goes there in plain HTTP is seen by
 * nobody else (RFC 5735 §3, RFC 4291 §2.5.3).
 * @param host a name or an address; also as a WHATWG URL has it, IPv6 in brackets
 */
export function isLoopback(host: string): boolean {
  return host === "localhost" || /^127(\.\d{1,3}){3}$/.test(host) || /^\[?::1\]?$/.test(host);
}
