import { X509Certificate } from "node:crypto";
import { bytesEqual } from "../../../../base/bytes.ts";
import { DerCursor, TAG, booleanOf, contextTag, oidOf, openDer } from "../../../../x509/der.ts";
import { ipBytes } from "../../../../x509/ip-address.ts";
import { OID } from "../../../../x509/oids.ts";
import type { AcmeIdentifier } from "../contract.ts";

/**
 * The rules of RFC 8737 §3 for the certificate that is shown, of RFC 8738 §6 for one with an address.
 * @param digest SHA-256 of the key authorization
 * @returns the rule it breaks, as the end of a sentence about it; undefined: none
 */
export function alpnCertificateFault(
  der: Uint8Array,
  identifier: AcmeIdentifier,
  digest: Uint8Array,
): string | undefined {
  let extensions: ReadonlyMap<string, Extension>;
  let selfSigned: boolean;
  try {
    const parts = partsOf(der);
    extensions = parts.extensions;
    const certificate = new X509Certificate(der);
    // Not `checkIssued`: that asks for a key usage of authorities, which these have no need of.
    selfSigned =
      bytesEqual(parts.issuer, parts.subject) && certificate.verify(certificate.publicKey);
  } catch {
    return "cannot be read";
  }
  if (!selfSigned) return "is not self-signed";
  const names = extensions.get(OID.subjectAltName);
  if (names === undefined || !isOnlyName(names.content, identifier)) {
    return `does not have ${identifier.value} as its one subject alternative name`;
  }
  const proof = extensions.get(ACME_IDENTIFIER);
  if (proof === undefined) return "has no acmeIdentifier extension";
  if (!proof.critical) return "has an acmeIdentifier extension that is not critical";
  if (!isDigest(proof.content, digest)) return "does not hold the digest of the key authorization";
  return undefined;
}

interface Extension {
  readonly critical: boolean;
  readonly content: Uint8Array;
}

interface Parts {
  /** DER Names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** By object identifier. */
  readonly extensions: ReadonlyMap<string, Extension>;
}

/** RFC 5280 §4.1. @throws invalid */
function partsOf(der: Uint8Array): Parts {
  const tbs = openDer(der, TAG.sequence, WHAT).enter(TAG.sequence);
  tbs.optional(contextTag(0));
  tbs.read(TAG.integer);
  tbs.read(TAG.sequence);
  const issuer = tbs.read(TAG.sequence).raw;
  tbs.read(TAG.sequence);
  const subject = tbs.read(TAG.sequence).raw;
  tbs.read(TAG.sequence);
  tbs.optional(contextTag(1, false));
  tbs.optional(contextTag(2, false));
  return { issuer, subject, extensions: extensionsOf(tbs) };
}

function extensionsOf(tbs: DerCursor): ReadonlyMap<string, Extension> {
  const found = new Map<string, Extension>();
  if (tbs.nextTag !== contextTag(3)) return found;
  const list = tbs.enter(contextTag(3)).enter(TAG.sequence);
  while (!list.done) {
    const [id, extension] = readExtension(list.enter(TAG.sequence));
    // Two of one kind are none that could be relied on.
    if (found.has(id)) throw new TypeError("an extension is there twice");
    found.set(id, extension);
  }
  return found;
}

function readExtension(cursor: DerCursor): readonly [string, Extension] {
  const id = oidOf(cursor.read(TAG.oid), WHAT);
  const flag = cursor.optional(TAG.boolean);
  const critical = flag !== undefined && booleanOf(flag, WHAT);
  const { content } = cursor.read(TAG.octetString);
  cursor.end();
  return [id, { critical, content }];
}

function isOnlyName(content: Uint8Array, { type, value }: AcmeIdentifier): boolean {
  try {
    const names = openDer(content, TAG.sequence, WHAT);
    const name = names.read(contextTag(type === "dns" ? 2 : 7, false));
    names.end();
    if (type === "ip") return bytesEqual(name.content, ipBytes(value));
    return Buffer.from(name.content).toString("latin1").toLowerCase() === value;
  } catch {
    // Another kind of name, or no names at all.
    return false;
  }
}

function isDigest(content: Uint8Array, digest: Uint8Array): boolean {
  try {
    const outer = new DerCursor(content, WHAT);
    const octets = outer.read(TAG.octetString).content;
    outer.end();
    return bytesEqual(octets, digest);
  } catch {
    // No octet string in it.
    return false;
  }
}

const WHAT = "certificate";
/** id-pe-acmeIdentifier. */
const ACME_IDENTIFIER = "1.3.6.1.5.5.7.1.31";
