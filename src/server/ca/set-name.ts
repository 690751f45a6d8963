import { TRUST_DOMAIN_SET, WIT_SET } from "../../config/own-sets.ts";

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
