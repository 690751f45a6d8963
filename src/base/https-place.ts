import { isIP } from "node:net";

/** Where a TLS connection leads to; fields as `tls.connect` takes them. */
export interface HttpsPlace {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** Absent for addresses, which SNI has not (RFC 6066 §3). */
  readonly servername?: string;
}

/** @param url an absolute `https:` URL. @throws TypeError for what is none */
export function httpsPlace(url: string): HttpsPlace {
  const { hostname, port, protocol } = new URL(url);
  if (protocol !== "https:") throw new TypeError("the URL is not https");
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return {
    host,
    port: port === "" ? 443 : Number(port),
    ...(isIP(host) === 0 ? { servername: host } : {}),
  };
}
