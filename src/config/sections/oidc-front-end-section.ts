import { duration, list, section, text } from "../settings/shape.ts";
import { webTlsFields } from "./web-tls-fields.ts";

/** `frontends.oidc` of a server's file: OIDC discovery, and keys for relying parties that know no SPIFFE. */
export const OIDC_FRONT_END = section({
  listen: {
    shape: text(),
    help: "HOST:PORT, or the path of a Unix socket",
    required: true,
  },
  issuer: {
    shape: text({ maxLength: 1024 }),
    help: "https address that tokens name as their iss; absent: jwtIssuer",
  },
  jwksUri: {
    shape: text({ maxLength: 1024 }),
    help: "address of the key set, where it is not the issuer's own /keys",
  },
  hosts: {
    shape: list(text({ maxLength: 255 }), { least: 1, most: 64 }),
    help: "names that requests may be for, '*' for any; absent: those of issuer and jwksUri",
  },
  ...webTlsFields("the hosts as DNS names"),
  maxAge: {
    shape: duration(0),
    help: "how long keys may be cached; half the time between an authority's publishing and its use at most",
    default: "1m",
  },
});
