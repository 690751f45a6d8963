import { ACME } from "./acme-section.ts";
import { CERTIFICATES_SECTION } from "./certificates-section.ts";
import { PROVISION } from "./provision-section.ts";
import { duration, flag, list, section, text } from "../settings/shape.ts";

/** `frontends` of a server's file: what it answers beside its API, each on a listener of its own but `certificates`. */
export const FRONT_ENDS = section({
  acme: {
    shape: ACME,
    help: "ACME (RFC 8555): certificates for whoever shows that a name is theirs",
  },
  certificates: {
    shape: CERTIFICATES_SECTION,
    help: "certificates with names and addresses for 'assay init-certificate', over the server's API",
  },
  oidc: {
    shape: section({
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
      certificateFile: {
        shape: text(),
        help: "certificate chain (PEM) of the listener; read again when it changes",
      },
      keyFile: { shape: text(), help: "its key (PEM)" },
      svid: {
        shape: flag(),
        help: "TLS with an SVID of the server's own that has the hosts as DNS names",
        default: false,
      },
      plainHttp: {
        shape: flag(),
        help: "no TLS on an address that is not loopback: for a proxy that ends TLS in a network of its own",
        default: false,
      },
      maxAge: {
        shape: duration(0),
        help: "how long keys may be cached; half the time between an authority's publishing and its use at most",
        default: "1m",
      },
    }),
    help: "OIDC discovery and the keys of JWT-SVIDs, for those who know no SPIFFE",
  },
  provision: {
    shape: PROVISION,
    help: "certificates for one-time tokens, for containers and machines that know no SPIFFE",
  },
});
