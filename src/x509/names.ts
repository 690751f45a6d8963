import { fail } from "../base/errors.ts";
import {
  DerCursor,
  TAG,
  malformed,
  oid,
  oidOf,
  openDer,
  printableString,
  seq,
  set,
  utf8String,
} from "./der.ts";
import { OID } from "./oids.ts";

/** The attributes that names made here may hold. */
export type NameAttributeType = "C" | "O" | "OU" | "CN" | "serialNumber" | "uniqueIdentifier";

export interface NameAttribute {
  readonly type: NameAttributeType;
  readonly value: string;
}

/**
 * A DER Name (RFC 5280 §4.1.2.4), one attribute per RDN, in the order given. PrintableString where the characters
 * allow it, else UTF8String.
 * @throws invalid on an empty or overlong value, or a country or serial number that is not printable
 */
export function distinguishedName(attributes: readonly NameAttribute[]): Uint8Array {
  return seq(...attributes.map(encodeAttribute));
}

/** For people and logs: `C=US, O=SPIRE`, in the certificate's order; odd characters are escaped. @throws invalid */
export function formatName(der: Uint8Array): string {
  return readName(der)
    .map((rdn) =>
      rdn
        .map(({ oid: id, tag, value }) => `${LABELS.get(id) ?? id}=${formatValue(tag, value)}`)
        .join("+"),
    )
    .join(", ");
}

/** The text of the last common name, undefined when there is none. @throws invalid */
export function commonNameOf(der: Uint8Array): string | undefined {
  return commonNamesOf(der).at(-1);
}

/** The texts of all common names, in the name's order. @throws invalid */
export function commonNamesOf(der: Uint8Array): readonly string[] {
  return readName(der)
    .flat()
    .filter(({ oid: id, tag }) => id === OID.commonName && TEXT_TAGS.has(tag))
    .map(({ tag, value }) =>
      Buffer.from(value).toString(tag === TAG.utf8String ? "utf8" : "latin1"),
    );
}

/** True for a Name without any RDN. */
export function isEmptyName(der: Uint8Array): boolean {
  return der.length === 2;
}

/** Checks the structure of a Name. @throws invalid */
export function checkName(der: Uint8Array): void {
  readName(der);
}

interface RawAttribute {
  readonly oid: string;
  readonly tag: number;
  readonly value: Uint8Array;
}

function readName(der: Uint8Array): RawAttribute[][] {
  const rdns: RawAttribute[][] = [];
  const name = openDer(der, TAG.sequence, "name");
  while (!name.done) {
    if (rdns.length >= MAX_RDNS) throw malformed("name", `has more than ${MAX_RDNS} parts`);
    rdns.push(readRdn(name));
  }
  return rdns;
}

function readRdn(name: DerCursor): RawAttribute[] {
  const rdn = name.enter(TAG.set);
  const attributes: RawAttribute[] = [];
  do {
    if (attributes.length >= MAX_RDNS) throw malformed("name", `has more than ${MAX_RDNS} parts`);
    const attribute = rdn.enter(TAG.sequence);
    const id = oidOf(attribute.read(TAG.oid), "name attribute");
    const { tag, content } = attribute.readAny();
    attribute.end();
    attributes.push({ oid: id, tag, value: content });
  } while (!rdn.done);
  return attributes;
}

function encodeAttribute({ type, value }: NameAttribute): Uint8Array {
  const printable = PRINTABLE.test(value);
  if (value === "" || value.length > MAX_VALUE) {
    throw fail("invalid", `name attribute ${type} is empty or longer than ${MAX_VALUE} characters`);
  }
  if (type === "C" && !COUNTRY.test(value)) {
    throw fail("invalid", "name attribute C is not a two-letter country");
  }
  if (type === "serialNumber" && !printable) {
    throw fail("invalid", "name attribute serialNumber is not a printable string");
  }
  const text = printable ? printableString(value) : utf8String(value);
  return set(seq(oid(OIDS[type]), text));
}

function formatValue(tag: number, value: Uint8Array): string {
  if (!TEXT_TAGS.has(tag)) return `#${Buffer.from(value).toString("hex")}`;
  const text = Buffer.from(value).toString(tag === TAG.utf8String ? "utf8" : "latin1");
  return text.replace(
    // Control characters must not reach a terminal; separators must not forge a second attribute.
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]|[,+="\\<>;]/gu,
    (character) =>
      /[,+="\\<>;]/.test(character)
        ? `\\${character}`
        : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const OIDS: Readonly<Record<NameAttributeType, string>> = {
  C: OID.country,
  O: OID.organization,
  OU: OID.organizationalUnit,
  CN: OID.commonName,
  serialNumber: OID.serialNumber,
  uniqueIdentifier: OID.uniqueIdentifier,
};

const LABELS: ReadonlyMap<string, string> = new Map([
  ...Object.entries(OIDS).map(([label, id]): [string, string] => [id, label]),
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["0.9.2342.19200300.100.1.25", "DC"],
]);

/** UTF8String, NumericString, PrintableString, TeletexString, IA5String. */
const TEXT_TAGS: ReadonlySet<number> = new Set([0x0c, 0x12, 0x13, 0x14, 0x16]);
const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;
const COUNTRY = /^[A-Za-z]{2}$/;
const MAX_RDNS = 32;
/** RFC 5280 appendix A gives 64 for most attributes; DNS names as common names may be longer in practice. */
const MAX_VALUE = 255;
