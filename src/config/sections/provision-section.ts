import { count, duration, flag, list, section, text } from "../settings/shape.ts";
import { TRUST_DOMAIN_SET } from "../own-sets.ts";

/** `frontends.provision` of a server's file: certificates for one-time tokens. */
export const PROVISION = section({
  listen: {
    shape: text({ maxLength: 300 }),
    help: "HOST:PORT; port 0 takes a free one",
    default: "127.0.0.1:33004",
  },
  hosts: {
    shape: list(text({ maxLength: 253 }), { least: 1, most: 16 }),
    help: "DNS names in the server's own SVID that it shows there",
    default: ["localhost"],
  },
  certificateFile: {
    shape: text(),
    help: "certificate chain (PEM) of the listener in its place; read again when it changes",
  },
  keyFile: { shape: text(), help: "its key (PEM)" },
  plainHttp: {
    shape: flag(),
    help: "no TLS: tokens can be read on the way, and nothing can be renewed",
    default: false,
  },
  set: {
    shape: text({ maxLength: 63 }),
    help: "authority set that signs; SVIDs are signed by the trust domain's own in any case",
    default: TRUST_DOMAIN_SET,
  },
  profile: {
    shape: text({ maxLength: 63 }),
    help: "certificate profile of what is signed",
    default: "peer",
  },
  life: {
    shape: duration(60),
    help: "life of a certificate that was authorized without one; absent: the profile's, under the trust domain's own authorities x509Ttl at most",
  },
  maxLife: { shape: duration(60), help: "longest life that can be authorized", default: "90d" },
  tokenLife: {
    shape: duration(1),
    help: "how long a token counts that was authorized without an end",
    default: "1h",
  },
  attempts: {
    shape: count(1, 1000),
    help: "failed attempts with a token that burn it",
    default: 10,
  },
  renewals: {
    shape: flag(),
    help: "whether a certificate can be renewed with itself before it ends",
    default: true,
  },
  anonymousAuthorize: {
    shape: flag(),
    help: "anyone who reaches the listener may authorize any name",
    default: false,
  },
});
