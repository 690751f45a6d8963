import { bytesEqual, toHex } from "../../base/bytes.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import { type KeyType, isExperimental } from "../../keys/contract.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import { checkLeaf } from "../../spiffe/x509-svid.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { bitString, seq } from "../../x509/der.ts";
import { OID } from "../../x509/oids.ts";
import type { LeafParams } from "../../x509/sign.ts";
import { encodeSignatureAlgorithm } from "../../x509/signature-algorithm.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import { readLeafShape } from "./leaf-shape.ts";

/**
 * Reads the very bytes that are about to be signed and compares them with what was decided: whatever an encoder got
 * wrong, or an attacker slipped in through a field, is found here and not signed.
 * @throws internal, naming the rule
 */
export function checkLeafBytes(
  tbs: Uint8Array,
  expected: LeafParams,
  authority: Certificate,
  signerKeyType: KeyType,
): void {
  const leaf = parseTbs(tbs, signerKeyType);
  const demand = (rule: string, holds: boolean): void => {
    if (!holds) throw refusal(rule);
  };
  demand("serial is positive", leaf.serial !== "0");
  demand("serial is the one drawn", leaf.serial === toHex(expected.serial).replace(/^0+/, ""));
  demand("issuer is the authority", bytesEqual(leaf.issuer, authority.subject));
  demand("authority key id is the authority's", leaf.authorityKeyId === authority.subjectKeyId);
  demand("subject is the profile's", bytesEqual(leaf.subject, expected.subject));
  demand("public key is the requester's", bytesEqual(leaf.publicKey, expected.publicKey));
  demand(
    "subject key id is the key's",
    leaf.subjectKeyId === toHex(subjectKeyId(expected.publicKey)),
  );
  demand(
    "validity is the profile's",
    leaf.notBefore === expected.notBefore && leaf.notAfter === expected.notAfter,
  );
  demand(
    "validity lies within the authority's",
    leaf.notBefore >= authority.notBefore && leaf.notAfter <= authority.notAfter,
  );
  demand(
    "exactly one SPIFFE ID, the one asked for",
    leaf.uris.length === 1 && leaf.uris[0] === expected.uri,
  );
  demand("dns names are those asked for", sameList(leaf.dnsNames, expected.dnsNames));
  demand(
    "basic constraints say it is no ca",
    leaf.basicConstraints?.ca === false && leaf.basicConstraints.pathLen === undefined,
  );
  demand(
    "key usages are the profile's",
    leaf.keyUsage !== undefined && sameSet(leaf.keyUsage, keyUsagesOf(leaf.publicKey)),
  );
  demand("extended key usages are the profile's", sameList(leaf.extKeyUsage ?? [], EXT_KEY_USAGES));
  const { extensions, altNames, crlUrls } = readLeafShape(tbs);
  const { crlUrl } = expected;
  const allowed = crlUrl === undefined ? EXTENSIONS : [...EXTENSIONS, OID.crlDistributionPoints];
  demand("extensions are the profile's", sameSet(new Set(extensions), allowed));
  demand(
    "the revocation list is the authority's",
    sameList(crlUrls, crlUrl === undefined ? [] : [crlUrl]),
  );
  demand("no names but the SPIFFE ID and dns names", altNames === 1 + expected.dnsNames.length);
}

/** The reader knows whole certificates, so the bytes get an empty signature; it also compares the two algorithms. */
function parseTbs(tbs: Uint8Array, signerKeyType: KeyType): Certificate {
  try {
    const leaf = unsigned(tbs, signerKeyType);
    checkLeaf(leaf);
    return leaf;
  } catch (cause) {
    throw refusal(cause instanceof Error ? cause.message : "it can be read", cause);
  }
}

/** To-be-signed bytes as a certificate with an empty signature. @throws invalid */
export function unsigned(tbs: Uint8Array, signerKeyType: KeyType): Certificate {
  return parseCertificate(seq(tbs, encodeSignatureAlgorithm(signerKeyType), NO_SIGNATURE));
}

/** The error for bytes that break a rule. */
export function refusal(rule: string, cause?: unknown): AssayError {
  return fail(
    "internal",
    `the certificate was not signed, it breaks a rule: ${rule}`,
    cause === undefined ? {} : { cause },
  );
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

export function sameSet(a: ReadonlySet<string>, b: readonly string[]): boolean {
  return a.size === b.length && b.every((value) => a.has(value));
}

/** RFC 9881 §5: an ML-DSA key signs and does nothing else. */
function keyUsagesOf(publicKey: Uint8Array): readonly string[] {
  return isExperimental(keyTypeOfSpki(publicKey)) ? ["digitalSignature"] : KEY_USAGES;
}

const NO_SIGNATURE = bitString(new Uint8Array(1));
const EXTENSIONS = [
  OID.keyUsage,
  OID.extKeyUsage,
  OID.basicConstraints,
  OID.subjectKeyId,
  OID.authorityKeyId,
  OID.subjectAltName,
] as const;
const KEY_USAGES = ["digitalSignature", "keyEncipherment", "keyAgreement"] as const;
const EXT_KEY_USAGES: readonly string[] = [OID.serverAuth, OID.clientAuth];
