import { fail } from "../base/errors.ts";
import {
  boolean,
  context,
  contextPrimitive,
  element,
  namedBits,
  octetString,
  oid,
  seq,
  TAG,
  integer,
} from "./der.ts";
import { type BasicConstraints, KEY_USAGES, type KeyUsage } from "./extensions.ts";
import { ipBytes } from "./ip-address.ts";
import type { NameConstraints, NameSubtrees } from "./name-constraints.ts";
import { OID } from "./oids.ts";

export interface AltNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** Textual; none when left out. */
  readonly ipAddresses?: readonly string[];
  readonly critical: boolean;
}

/** `Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }` (RFC 5280 §4.1). */
export function encodeExtension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  const encodedId = KNOWN_IDS.get(id) ?? oid(id);
  return critical ? seq(encodedId, TRUE, octetString(value)) : seq(encodedId, octetString(value));
}

/** The subject alternative name: DNS names, addresses, then URIs. @throws invalid when a name is not printable ASCII */
export function encodeAltNames(altNames: AltNames): Uint8Array {
  const { uris, dnsNames, ipAddresses = NO_ADDRESSES, critical } = altNames;
  const names = [
    ...dnsNames.map((name) => contextPrimitive(2, ia5(name))),
    ...ipAddresses.map((address) => contextPrimitive(7, ipBytes(address))),
    ...uris.map((uri) => contextPrimitive(6, ia5(uri))),
  ];
  return encodeExtension(OID.subjectAltName, critical, seq(...names));
}

/** Critical, as RFC 5280 §4.2.1.9 wants; `ca: false` is an empty SEQUENCE, since DER leaves defaults out. */
export function encodeBasicConstraints({ ca, pathLen }: BasicConstraints): Uint8Array {
  const parts = ca ? [boolean(true), ...(pathLen === undefined ? [] : [integer(pathLen)])] : [];
  return encodeExtension(OID.basicConstraints, true, seq(...parts));
}

/** Critical, as RFC 5280 §4.2.1.10 wants. */
export function encodeNameConstraints({ permitted, excluded }: NameConstraints): Uint8Array {
  const subtrees = (number: number, names: NameSubtrees): readonly Uint8Array[] => {
    const bases = [
      ...names.dns.map((name) => contextPrimitive(2, Buffer.from(name, "latin1"))),
      ...names.uri.map((name) => contextPrimitive(6, Buffer.from(name, "latin1"))),
      ...names.ip.map((network) => contextPrimitive(7, network)),
    ];
    return bases.length === 0 ? [] : [context(number, ...bases.map((base) => seq(base)))];
  };
  return encodeExtension(
    OID.nameConstraints,
    true,
    seq(...subtrees(0, permitted), ...subtrees(1, excluded)),
  );
}

export function encodeKeyUsage(usages: readonly KeyUsage[]): Uint8Array {
  const bits = usages.map((usage) => KEY_USAGES.indexOf(usage));
  return encodeExtension(OID.keyUsage, true, namedBits(bits));
}

/** @param usages dotted object identifiers */
export function encodeExtKeyUsage(usages: readonly string[]): Uint8Array {
  return encodeExtension(OID.extKeyUsage, false, seq(...usages.map(oid)));
}

export function encodeSubjectKeyId(keyId: Uint8Array): Uint8Array {
  return encodeExtension(OID.subjectKeyId, false, octetString(keyId));
}

export function encodeAuthorityKeyId(keyId: Uint8Array): Uint8Array {
  return encodeExtension(OID.authorityKeyId, false, seq(contextPrimitive(0, keyId)));
}

/** One place where the issuer's revocation list is found (RFC 5280 §4.2.1.13). @throws invalid when it is no printable ASCII */
export function encodeCrlDistributionPoint(url: string): Uint8Array {
  const fullName = context(0, contextPrimitive(6, ia5(url)));
  return encodeExtension(OID.crlDistributionPoints, false, seq(seq(context(0, fullName))));
}

/** The whole `[3]` block of a certificate. */
export function encodeExtensions(extensions: readonly Uint8Array[]): Uint8Array {
  return element(0xa3, element(TAG.sequence, ...extensions));
}

function ia5(text: string): Uint8Array {
  if (!PRINTABLE_ASCII.test(text)) {
    throw fail("invalid", "name for a certificate is empty or not printable ascii");
  }
  return Buffer.from(text, "latin1");
}

/** Encoded once: every certificate holds most of them. */
const KNOWN_IDS: ReadonlyMap<string, Uint8Array> = new Map(
  Object.values(OID).map((id) => [id, oid(id)]),
);
const TRUE = boolean(true);
const NO_ADDRESSES: readonly string[] = [];
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;
