/** The set whose authorities are in the domain's own bundle. */
export const TRUST_DOMAIN_SET = "trust-domain";

/** For sentences: `the trust domain`, `authority set 'web'`. */
export function setWords(name: string): string {
  return name === TRUST_DOMAIN_SET ? "the trust domain" : `authority set '${name}'`;
}

/** What names the set on a command line, behind `assay authority ...`. */
export function setOption(name: string): string {
  return name === TRUST_DOMAIN_SET ? "" : ` --set ${name}`;
}
