import { ACME } from "./acme-section.ts";
import { CERTIFICATES_SECTION } from "./certificates-section.ts";
import { OIDC_FRONT_END } from "./oidc-front-end-section.ts";
import { PROVISION } from "./provision-section.ts";
import { section } from "../settings/shape.ts";

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
    shape: OIDC_FRONT_END,
    help: "OIDC discovery and the keys of JWT-SVIDs, for those who know no SPIFFE",
  },
  provision: {
    shape: PROVISION,
    help: "certificates for one-time tokens, for containers and machines that know no SPIFFE",
  },
});
