/** The set whose authorities are in the domain's own bundle. */
export const TRUST_DOMAIN_SET = "trust-domain";

/** The journal of the WIT authorities, which are the trust domain's own as well; no configured set has the name. */
export const WIT_SET = "wit";

function isOwn(name: string): boolean {
  return name === TRUST_DOMAIN_SET || name === WIT_SET;
}

/** For sentences: `the trust domain`, `authority set 'web'`. */
export function setWords(name: string): string {
  return isOwn(name) ? "the trust domain" : `authority set '${name}'`;
}

/** What names the set on a command line, behind `assay authority ...`. */
export function setOption(name: string): string {
  return isOwn(name) ? "" : ` --set ${name}`;
}
