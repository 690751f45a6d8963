/** What every certificate has to say that is about to be signed, of whichever kind it is. */
import { bytesEqual, toHex } from "../../base/bytes.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import type { KeyType } from "../../keys/contract.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { bitString, seq } from "../../x509/der.ts";
import type { LeafParams } from "../../x509/sign.ts";
import { encodeSignatureAlgorithm } from "../../x509/signature-algorithm.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";

/** @throws internal, naming the rule, unless it holds */
export function demand(rule: string, holds: boolean): void {
  if (!holds) throw refusal(rule);
}

/** The error for bytes that break a rule. */
export function refusal(rule: string, cause?: unknown): AssayError {
  return fail(
    "internal",
    `the certificate was not signed, it breaks a rule: ${rule}`,
    cause === undefined ? {} : { cause },
  );
}

/**
 * To-be-signed bytes, read. The reader knows whole certificates, so they get an empty signature; it also compares the two
 * algorithms.
 * @param check further rules, which throw what is broken
 * @throws internal, with what is wrong with them
 */
export function readUnsigned(
  tbs: Uint8Array,
  signerKeyType: KeyType,
  check: (certificate: Certificate) => void = () => undefined,
): Certificate {
  try {
    const certificate = parseCertificate(
      seq(tbs, encodeSignatureAlgorithm(signerKeyType), NO_SIGNATURE),
    );
    check(certificate);
    return certificate;
  } catch (cause) {
    throw refusal(cause instanceof Error ? cause.message : "it can be read", cause);
  }
}

/** Who it is from, whose key it names, and when it is valid. @throws internal, naming the rule */
export function checkDecided(
  read: Certificate,
  expected: Pick<LeafParams, "serial" | "subject" | "publicKey" | "notBefore" | "notAfter">,
  authority: Certificate,
): void {
  demand("serial is positive", read.serial !== "0");
  demand("serial is the one drawn", read.serial === toHex(expected.serial).replace(/^0+/, ""));
  demand("issuer is the authority", bytesEqual(read.issuer, authority.subject));
  demand("authority key id is the authority's", read.authorityKeyId === authority.subjectKeyId);
  demand("subject is the one decided", bytesEqual(read.subject, expected.subject));
  demand("public key is the requester's", bytesEqual(read.publicKey, expected.publicKey));
  demand(
    "subject key id is the key's",
    read.subjectKeyId === toHex(subjectKeyId(expected.publicKey)),
  );
  demand(
    "validity is the one decided",
    read.notBefore === expected.notBefore && read.notAfter === expected.notAfter,
  );
  demand(
    "validity lies within the authority's",
    read.notBefore >= authority.notBefore && read.notAfter <= authority.notAfter,
  );
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

export function sameSet(a: ReadonlySet<string>, b: readonly string[]): boolean {
  return a.size === b.length && b.every((value) => a.has(value));
}

const NO_SIGNATURE = bitString(new Uint8Array(1));
