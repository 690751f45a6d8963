import { ACME_LIMITS } from "./acme-limits-section.ts";
import { ACME_NAMES } from "./acme-names-section.ts";
import { ACME_VALIDATION } from "./acme-validation-section.ts";
import { duration, list, section, text } from "../settings/shape.ts";
import { TRUST_DOMAIN_SET } from "../own-sets.ts";
import { webTlsFields } from "./web-tls-fields.ts";

/** `frontends.acme` of a server's file. */
export const ACME = section({
  listen: {
    shape: text(),
    help: "HOST:PORT",
    default: "127.0.0.1:14000",
  },
  url: {
    shape: text({ maxLength: 1024 }),
    help: "address that clients know it by, without /directory; absent: made of listen",
  },
  ...webTlsFields("the url's host as DNS name"),
  set: {
    shape: text({ maxLength: 63 }),
    help: "authority set that signs; 'trust-domain': the domain's own",
    default: TRUST_DOMAIN_SET,
  },
  profiles: {
    shape: list(text({ maxLength: 63 }), { least: 1, most: 32 }),
    help: "certificate profiles that orders may name; the first holds where they name none; absent: server-90d and server-7d",
  },
  orderTtl: {
    shape: duration(60),
    help: "how long an order may take, and challenges may wait to be met",
    default: "168h",
  },
  authorizationTtl: {
    shape: duration(60),
    help: "how long a met challenge counts for further orders of the same account",
    default: "720h",
  },
  unusedAccountTtl: {
    shape: duration(24 * 3600),
    help: "how long an account is kept after its last order or change, when nothing of it is left",
    default: "8760h",
  },
  termsOfService: {
    shape: text({ maxLength: 1024 }),
    help: "address of terms that accounts have to agree to; absent: there are none",
  },
  website: {
    shape: text({ maxLength: 1024 }),
    help: "address where people read about this server",
  },
  names: { shape: ACME_NAMES, help: "names that accounts may have; nothing that is not listed" },
  validation: { shape: ACME_VALIDATION, help: "how challenges are checked" },
  limits: { shape: ACME_LIMITS, help: "how much accounts may ask for" },
});
