import { toHex } from "../base/bytes.ts";
import {
  DerCursor,
  TAG,
  booleanOf,
  contextTag,
  ia5Of,
  malformed,
  namedBitsOf,
  oidOf,
  openDer,
  smallUnsignedOf,
} from "./der.ts";
import { ipText } from "./ip-address.ts";
import { type NameConstraints, readNameConstraints } from "./name-constraints.ts";
import { OID } from "./oids.ts";

/** RFC 5280 §4.2.1.3, in bit order. */
export const KEY_USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;

export type KeyUsage = (typeof KEY_USAGES)[number];

export interface BasicConstraints {
  readonly ca: boolean;
  readonly pathLen?: number;
}

/** What certificates and requests say in their extensions, as far as an identity depends on it. */
export interface Extensions {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** In their one text (RFC 5952). */
  readonly ipAddresses: readonly string[];
  /** How many alternative names are of other sorts: mail addresses, directory names and the like. */
  readonly otherAltNames: number;
  readonly sanCritical: boolean;
  readonly basicConstraints?: BasicConstraints;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  readonly keyUsageCritical: boolean;
  /** Dotted object identifiers. */
  readonly extKeyUsage?: readonly string[];
  /** Lower hex. */
  readonly subjectKeyId?: string;
  /** Lower hex. */
  readonly authorityKeyId?: string;
  readonly nameConstraints?: NameConstraints;
  /** Object identifiers of extensions that are not understood here and are critical: no path may hold them. */
  readonly unknownCritical: readonly string[];
}

type Draft = { -readonly [Name in keyof Extensions]: Extensions[Name] };

/**
 * Reads `Extensions ::= SEQUENCE OF Extension`. Each may appear once (RFC 5280 §4.2).
 * @param list cursor inside the SEQUENCE
 * @throws invalid
 */
export function readExtensions(list: DerCursor): Extensions {
  const draft: Draft = { ...NO_EXTENSIONS };
  const seen = new Set<string>();
  const unknownCritical: string[] = [];
  if (list.done) throw malformed("extension list", "is empty");
  while (!list.done) {
    const extension = list.enter(TAG.sequence, "extension");
    const id = oidOf(extension.read(TAG.oid), "extension");
    if (seen.has(id)) throw malformed(`extension ${id}`, "appears twice");
    if (seen.size >= MAX_EXTENSIONS) throw malformed("extension list", "is too long");
    seen.add(id);
    const critical = readCritical(extension);
    const { content } = extension.read(TAG.octetString);
    extension.end();
    if (!readOne(draft, id, critical, content) && critical) unknownCritical.push(id);
  }
  return { ...draft, unknownCritical };
}

/** The absence of any extension. */
export const NO_EXTENSIONS: Extensions = {
  uris: [],
  dnsNames: [],
  ipAddresses: [],
  otherAltNames: 0,
  sanCritical: false,
  keyUsageCritical: false,
  unknownCritical: [],
};

function readCritical(extension: DerCursor): boolean {
  const flag = extension.optional(TAG.boolean);
  if (flag === undefined) return false;
  if (!booleanOf(flag, "critical flag")) {
    throw malformed("critical flag", "encodes its default, which der forbids");
  }
  return true;
}

/** @returns false for an extension that is not understood */
function readOne(draft: Draft, id: string, critical: boolean, content: Uint8Array): boolean {
  switch (id) {
    case OID.subjectAltName:
      Object.assign(draft, readAltNames(content), { sanCritical: critical });
      return true;
    case OID.basicConstraints:
      draft.basicConstraints = readBasicConstraints(content);
      return true;
    case OID.keyUsage:
      draft.keyUsage = readKeyUsage(content);
      draft.keyUsageCritical = critical;
      return true;
    case OID.extKeyUsage:
      draft.extKeyUsage = readExtKeyUsage(content);
      return true;
    case OID.subjectKeyId: {
      const outer = new DerCursor(content, "subject key identifier");
      draft.subjectKeyId = toHex(outer.read(TAG.octetString).content);
      outer.end();
      return true;
    }
    case OID.authorityKeyId: {
      const keyId = readAuthorityKeyId(content);
      if (keyId !== undefined) draft.authorityKeyId = keyId;
      return true;
    }
    case OID.nameConstraints:
      draft.nameConstraints = readNameConstraints(content);
      return !draft.nameConstraints.hasOthers;
    default:
      return false;
  }
}

function readAltNames(
  content: Uint8Array,
): Pick<Extensions, "uris" | "dnsNames" | "ipAddresses" | "otherAltNames"> {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const ipAddresses: string[] = [];
  let otherAltNames = 0;
  const names = openDer(content, TAG.sequence, "subject alternative name");
  if (names.done) throw malformed("subject alternative name", "is empty");
  for (let count = 0; !names.done; count++) {
    if (count >= MAX_ALT_NAMES) throw malformed("subject alternative name", "has too many names");
    const { tag, content: value } = names.readAny();
    if (tag === URI_NAME) uris.push(ia5Of(value, "uri name"));
    else if (tag === DNS_NAME) dnsNames.push(ia5Of(value, "dns name"));
    else {
      const address = tag === IP_NAME ? ipText(value) : undefined;
      if (address === undefined) otherAltNames += 1;
      else ipAddresses.push(address);
    }
  }
  return { uris, dnsNames, ipAddresses, otherAltNames };
}

function readBasicConstraints(content: Uint8Array): BasicConstraints {
  const what = "basic constraints";
  const inner = openDer(content, TAG.sequence, what);
  const flag = inner.optional(TAG.boolean);
  const ca = flag !== undefined && booleanOf(flag, what);
  if (flag !== undefined && !ca) throw malformed(what, "encode their default, which der forbids");
  const limit = inner.optional(TAG.integer);
  inner.end();
  if (limit === undefined) return { ca };
  if (!ca) throw malformed(what, "limit the path of a certificate that is no ca");
  return { ca, pathLen: smallUnsignedOf(limit, "path length") };
}

function readKeyUsage(content: Uint8Array): ReadonlySet<KeyUsage> {
  const outer = new DerCursor(content, "key usage");
  const bits = namedBitsOf(outer.read(TAG.bitString), "key usage");
  outer.end();
  const usages = new Set<KeyUsage>();
  for (const bit of bits) {
    const usage = KEY_USAGES[bit];
    if (usage === undefined) throw malformed("key usage", "has a bit that no standard names");
    usages.add(usage);
  }
  return usages;
}

function readExtKeyUsage(content: Uint8Array): string[] {
  const list = openDer(content, TAG.sequence, "extended key usage");
  const usages: string[] = [];
  do {
    if (usages.length >= MAX_EXTENSIONS) throw malformed("extended key usage", "is too long");
    usages.push(oidOf(list.read(TAG.oid), "extended key usage"));
  } while (!list.done);
  return usages;
}

function readAuthorityKeyId(content: Uint8Array): string | undefined {
  const inner = openDer(content, TAG.sequence, "authority key identifier");
  const keyId = inner.optional(contextTag(0, false));
  inner.optional(contextTag(1));
  inner.optional(contextTag(2, false));
  inner.end();
  return keyId === undefined ? undefined : toHex(keyId.content);
}

const DNS_NAME = contextTag(2, false);
const URI_NAME = contextTag(6, false);
const IP_NAME = contextTag(7, false);
const MAX_EXTENSIONS = 64;
const MAX_ALT_NAMES = 1024;
