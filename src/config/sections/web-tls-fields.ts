/** What every section of a listener has that shows a certificate of files, an SVID, or none. */
import { flag, text } from "../settings/shape.ts";

/** @param names what the SVID has: `the url's host as DNS name` */
export function webTlsFields(names: string) {
  return {
    certificateFile: {
      shape: text(),
      help: "certificate chain (PEM) of the listener; read again when it changes",
    },
    keyFile: { shape: text(), help: "its key (PEM)" },
    svid: {
      shape: flag(),
      help: `TLS with an SVID of the server's own that has ${names}`,
      default: false,
    },
    plainHttp: {
      shape: flag(),
      help: "no TLS on an address that is not loopback: for a proxy that ends TLS in a network of its own",
      default: false,
    },
  } as const;
}
