/** Certification requests of every sort, also those that nothing of the product would make. */
import { type KeyObject, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import {
  bitString,
  context,
  contextTag,
  element,
  integer,
  oid,
  seq,
  set,
} from "../../src/x509/der.ts";
import { encodeBasicConstraints, encodeExtension } from "../../src/x509/extension-encoding.ts";
import { ipBytes } from "../../src/x509/ip-address.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { OID } from "../../src/x509/oids.ts";

export interface OddCsr {
  readonly names: readonly string[];
  readonly commonName?: string;
  readonly uris?: readonly string[];
  /** A mail address beside the names; a wish to be an authority; a critical extension that nobody knows. */
  readonly extra?: "mail" | "ca" | "odd";
  /** Private; a new P-256 key when left out. */
  readonly key?: KeyObject | "rsa-1024";
}

/** base64url of DER, signed with SHA-256. */
export function csrFor({ names, commonName, uris = [], extra, key }: OddCsr): string {
  const privateKey = keyFor(key);
  const altNames = [
    ...names.map((name) =>
      isIp(name)
        ? element(contextTag(7, false), ipBytes(name))
        : element(contextTag(2, false), Buffer.from(name)),
    ),
    ...uris.map((uri) => element(contextTag(6, false), Buffer.from(uri))),
    ...(extra === "mail" ? [element(contextTag(1, false), Buffer.from("a@example.org"))] : []),
  ];
  const extensions = [
    ...(altNames.length === 0
      ? []
      : [encodeExtension(OID.subjectAltName, false, seq(...altNames))]),
    ...(extra === "ca" ? [encodeBasicConstraints({ ca: true })] : []),
    ...(extra === "odd" ? [encodeExtension("1.3.6.1.4.1.99999.1", true, seq())] : []),
  ];
  const attributes =
    extensions.length === 0
      ? context(0)
      : context(0, seq(oid(OID.extensionRequest), set(seq(...extensions))));
  const subject =
    commonName === undefined ? seq() : distinguishedName([{ type: "CN", value: commonName }]);
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const info = seq(integer(0), subject, new Uint8Array(spki), attributes);
  const signature = sign("sha256", info, privateKey);
  const algorithm =
    privateKey.asymmetricKeyType === "rsa"
      ? seq(oid("1.2.840.113549.1.1.11"), Uint8Array.of(5, 0))
      : seq(oid("1.2.840.10045.4.3.2"));
  return Buffer.from(seq(info, algorithm, bitString(signature))).toString("base64url");
}

function keyFor(key: OddCsr["key"]): KeyObject {
  if (key === "rsa-1024") return generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
  return key ?? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

function isIp(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(":");
}
