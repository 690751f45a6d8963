import { bytesEqual } from "../../base/bytes.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { type Crl, parseCrl } from "../../x509/crl.ts";
import { encodePem } from "../../x509/pem.ts";

/**
 * A bundle's authorities as Envoy reads them, with their revocation lists. Once there is a list, Envoy refuses every path
 * whose authorities have none: so they are left out unless each authority is a root that has its own. One that was only
 * prepared may still be without, as it has signed nothing: leaving the others' lists out for that moment would let
 * revoked SVIDs in.
 * @param inUse key ids, lower hex, of authorities that are known to have signed
 */
export function bundlePem(
  { x509Authorities, crls = [] }: Bundle,
  inUse: ReadonlySet<string> = new Set(),
): string {
  const authorities = x509Authorities.map(({ der }) => encodePem("CERTIFICATE", der));
  if (crls.length === 0) return authorities.join("");
  const lists = crls.map((der) => read(parseCrl, der));
  const roots = x509Authorities.map(({ der }) => read(parseCertificate, der));
  const listed = roots.filter((root) => lists.some((list) => isListOf(list, root)));
  const newest = Math.max(...listed.map((root) => root?.notBefore ?? 0));
  const isCovered = roots.every(
    (root) =>
      root !== undefined &&
      bytesEqual(root.issuer, root.subject) &&
      (listed.includes(root) || (root.notBefore >= newest && !inUse.has(root.subjectKeyId ?? ""))),
  );
  if (!isCovered || listed.length === 0) return authorities.join("");
  return [...authorities, ...crls.map((der) => encodePem("X509 CRL", der))].join("");
}

function isListOf(crl: Crl | undefined, root: Certificate | undefined): boolean {
  if (crl === undefined || root === undefined) return false;
  return bytesEqual(crl.issuer, root.subject) && crl.authorityKeyId === root.subjectKeyId;
}

/** What cannot be read covers nothing. */
function read<T>(parse: (der: Uint8Array) => T, der: Uint8Array): T | undefined {
  try {
    return parse(der);
  } catch {
    return undefined;
  }
}
