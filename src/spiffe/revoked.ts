import { bytesEqual } from "../base/bytes.ts";
import type { Certificate } from "../x509/certificate.ts";
import { parseCrl } from "../x509/crl.ts";
import type { Bundle } from "./bundle.ts";

/**
 * Whether a revocation list beside the bundle names the certificate: a list of the authority that the certificate says
 * signed it, by name and, where both have one, key identifier (RFC 5280 §6.3.3). A list counts however old it is: what
 * was revoked stays so. Its signature is not looked at, as it came with the authorities themselves, from whom they came.
 */
export function isRevoked(certificate: Certificate, { crls = [] }: Pick<Bundle, "crls">): boolean {
  return crls.some((der) => {
    const list = readList(der);
    return list !== undefined && list.serials.has(certificate.serial) && isOf(list, certificate);
  });
}

interface RevocationList {
  readonly issuer: Uint8Array;
  readonly authorityKeyId: string | undefined;
  readonly serials: ReadonlySet<string>;
}

function isOf({ issuer, authorityKeyId }: RevocationList, certificate: Certificate): boolean {
  if (!bytesEqual(issuer, certificate.issuer)) return false;
  return (
    authorityKeyId === undefined ||
    certificate.authorityKeyId === undefined ||
    certificate.authorityKeyId === authorityKeyId
  );
}

/** Parsed once per array; one that cannot be read names nothing and spoils no other. */
function readList(der: Uint8Array): RevocationList | undefined {
  let list = lists.get(der);
  if (list === undefined) {
    list = parseList(der);
    lists.set(der, list);
  }
  return list === "unreadable" ? undefined : list;
}

function parseList(der: Uint8Array): RevocationList | "unreadable" {
  try {
    const { issuer, authorityKeyId, revoked } = parseCrl(der);
    return { issuer, authorityKeyId, serials: new Set(revoked.map(({ serial }) => serial)) };
  } catch {
    return "unreadable";
  }
}

const lists = new WeakMap<Uint8Array, RevocationList | "unreadable">();
