import { LISTEN_ADDRESS } from "./common-settings.ts";
import { duration, section, text } from "../settings/shape.ts";

/** `revocation` of a server's file: single X.509-SVIDs can be revoked, and each authority has a revocation list. */
export const REVOCATION = section({
  listen: {
    shape: LISTEN_ADDRESS,
    help: "serve the lists there over HTTP, as /crl/AUTHORITY.crl; nowhere unless given",
  },
  url: {
    shape: text({
      maxLength: 1024,
      pattern: "^https?://[!-~]+$",
      rule: "is no http or https URL, for example http://crl.example.org/crl",
    }),
    help: "where verifiers find the lists: URL/AUTHORITY.crl stands in every X.509-SVID; in none unless given",
  },
  folder: {
    shape: text(),
    help: "folder in which the lists are kept as files AUTHORITY.crl (DER)",
  },
  crlTtl: {
    shape: duration(60),
    help: "from a list to its next update; it is signed anew at half of that",
    default: "24h",
  },
});
