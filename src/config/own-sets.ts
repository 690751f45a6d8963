/** The authority set that alone signs the domain's SPIFFE IDs, and whose authorities are in the domain's own bundle. */
export const TRUST_DOMAIN_SET = "trust-domain";

/** The journal of the WIT authorities, which are the trust domain's own as well; no configured set has the name. */
export const WIT_SET = "wit";
