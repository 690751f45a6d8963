/**
 * The two certificate shapes this project signs: leaves and signing certificates (X509-SVID §3..4).
 * Encoding and signing are apart so that issuance can check the very bytes before they are signed.
 */
import type { EpochSeconds } from "../base/clock.ts";
import { type KeyType, type Proof, type Signer, isExperimental } from "../keys/contract.ts";
import { keyTypeOfSpki } from "../keys/public-key.ts";
import { signProven } from "./csr.ts";
import { bitString, context, integer, seq, time } from "./der.ts";
import {
  encodeAltNames,
  encodeAuthorityKeyId,
  encodeBasicConstraints,
  encodeCrlDistributionPoint,
  encodeExtKeyUsage,
  encodeExtensions,
  encodeKeyUsage,
  encodeNameConstraints,
  encodeSubjectKeyId,
} from "./extension-encoding.ts";
import type { KeyUsage } from "./extensions.ts";
import type { NameConstraints } from "./name-constraints.ts";
import { isEmptyName } from "./names.ts";
import { OID } from "./oids.ts";
import { encodeSignatureAlgorithm } from "./signature-algorithm.ts";
import { subjectKeyId } from "./subject-key-id.ts";

/** What an X.509-SVID of a workload, agent or server says (X509-SVID §2, §4). */
export interface LeafParams {
  /** Magnitude, big-endian, 1..20 bytes, not zero. */
  readonly serial: Uint8Array;
  /** DER Name of the authority. */
  readonly issuer: Uint8Array;
  /** The authority's subject key identifier. */
  readonly authorityKeyId: Uint8Array;
  /** DER Name; may be empty. */
  readonly subject: Uint8Array;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** DER SubjectPublicKeyInfo, taken over as it is. */
  readonly publicKey: Uint8Array;
  /** The SPIFFE ID. */
  readonly uri: string;
  readonly dnsNames: readonly string[];
  /** Where the authority's revocation list is; absent = nowhere. */
  readonly crlUrl?: string;
}

/** What an authority's certificate says (X509-SVID §3.2, §4.1). Names are DER. */
export interface CaParams {
  /** Magnitude, big-endian, 1..20 bytes, not zero. */
  readonly serial: Uint8Array;
  /** Equal to `subject` for a self-signed authority. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** The trust domain ID. */
  readonly uri?: string;
  /** How many authorities may stand below it; absent = any number. */
  readonly pathLen?: number;
  readonly nameConstraints?: NameConstraints;
  /** The issuer's subject key identifier; its own for a self-signed authority, when left out. */
  readonly authorityKeyId?: Uint8Array;
}

/** The bytes of a leaf that `signerKeyType` is about to sign. */
export function encodeLeafTbs(params: LeafParams, signerKeyType: KeyType): Uint8Array {
  const { subject, uri, dnsNames, crlUrl } = params;
  return encodeTbs(params, signerKeyType, [
    leafKeyUsage(params.publicKey),
    LEAF_EXT_KEY_USAGE,
    LEAF_BASIC_CONSTRAINTS,
    encodeSubjectKeyId(subjectKeyId(params.publicKey)),
    encodeAuthorityKeyId(params.authorityKeyId),
    // RFC 5280 §4.2.1.6: with an empty subject the names must be critical.
    encodeAltNames({ uris: [uri], dnsNames, critical: isEmptyName(subject) }),
    ...(crlUrl === undefined ? [] : [encodeCrlDistributionPoint(crlUrl)]),
  ]);
}

/** A leaf that a front end hands out: names of the web, and a SPIFFE ID only where one was decided. One of them, or a subject. */
export interface NamedLeafParams extends Omit<LeafParams, "uri"> {
  readonly uri?: string;
  /** Textual. */
  readonly ipAddresses: readonly string[];
  /** At least one. */
  readonly usages: readonly LeafUsage[];
}

/** Which end of a TLS connection a leaf may be. */
export type LeafUsage = "server" | "client";

/** The bytes of such a leaf that `signerKeyType` is about to sign. */
export function encodeNamedLeafTbs(params: NamedLeafParams, signerKeyType: KeyType): Uint8Array {
  const { subject, uri, dnsNames, ipAddresses, usages, crlUrl, publicKey } = params;
  const uris = uri === undefined ? [] : [uri];
  const names = uris.length + dnsNames.length + ipAddresses.length;
  const critical = isEmptyName(subject);
  return encodeTbs(params, signerKeyType, [
    encodeKeyUsage(namedLeafKeyUsages(publicKey)),
    encodeExtKeyUsage(usages.map((usage) => USAGE_OIDS[usage])),
    LEAF_BASIC_CONSTRAINTS,
    encodeSubjectKeyId(subjectKeyId(publicKey)),
    encodeAuthorityKeyId(params.authorityKeyId),
    ...(names === 0 ? [] : [encodeAltNames({ uris, dnsNames, ipAddresses, critical })]),
    ...(crlUrl === undefined ? [] : [encodeCrlDistributionPoint(crlUrl)]),
  ]);
}

/** Only RSA keys encrypt in any TLS. */
export function namedLeafKeyUsages(publicKey: Uint8Array): readonly KeyUsage[] {
  const isRsa = keyTypeOfSpki(publicKey)?.startsWith("rsa") === true;
  return isRsa ? ["digitalSignature", "keyEncipherment"] : ["digitalSignature"];
}

/** What stands in the certificate for them. */
export const USAGE_OIDS: Readonly<Record<LeafUsage, string>> = {
  server: OID.serverAuth,
  client: OID.clientAuth,
};

/** RFC 9881 §5: an ML-DSA key signs and does nothing else. */
function leafKeyUsage(publicKey: Uint8Array): Uint8Array {
  return isExperimental(keyTypeOfSpki(publicKey)) ? SIGNING_KEY_USAGE : LEAF_KEY_USAGE;
}

/** The bytes of a signing certificate that `signerKeyType` is about to sign. */
export function encodeCaTbs(params: CaParams, signerKeyType: KeyType): Uint8Array {
  const { uri, pathLen, subject, nameConstraints } = params;
  const ownKeyId = subjectKeyId(params.publicKey);
  return encodeTbs(params, signerKeyType, [
    CA_KEY_USAGE,
    encodeBasicConstraints({ ca: true, ...(pathLen === undefined ? {} : { pathLen }) }),
    encodeSubjectKeyId(ownKeyId),
    encodeAuthorityKeyId(params.authorityKeyId ?? ownKeyId),
    ...(uri === undefined
      ? []
      : [encodeAltNames({ uris: [uri], dnsNames: [], critical: isEmptyName(subject) })]),
    ...(nameConstraints === undefined ? [] : [encodeNameConstraints(nameConstraints)]),
  ]);
}

/**
 * Signs and puts the certificate together. `tbs` must have been encoded for this signer's key type.
 * @param proof of the request it is for, where nobody has checked that yet
 * @throws invalid when the proof does not fit; nothing was signed then
 */
export async function finishCertificate(
  tbs: Uint8Array,
  signer: Signer,
  proof?: Proof,
): Promise<Uint8Array> {
  const signature = await (proof === undefined ? signer.sign(tbs) : signProven(tbs, signer, proof));
  return seq(tbs, encodeSignatureAlgorithm(signer.keyType), bitString(signature));
}

/** @returns the DER certificate */
export function signLeaf(params: LeafParams, signer: Signer): Promise<Uint8Array> {
  return finishCertificate(encodeLeafTbs(params, signer.keyType), signer);
}

/** @returns the DER certificate */
export function signCa(params: CaParams, signer: Signer): Promise<Uint8Array> {
  return finishCertificate(encodeCaTbs(params, signer.keyType), signer);
}

interface CommonParams {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  readonly publicKey: Uint8Array;
}

function encodeTbs(
  params: CommonParams,
  signerKeyType: KeyType,
  extensions: readonly Uint8Array[],
): Uint8Array {
  const { serial } = params;
  if (serial.length < 1 || serial.length > 20 || serial.every((byte) => byte === 0)) {
    throw new TypeError("a serial number has 1 to 20 bytes and is not zero");
  }
  if (!(params.notAfter >= params.notBefore)) {
    throw new TypeError("a certificate cannot end before it begins");
  }
  return seq(
    VERSION_3,
    integer(serial),
    encodeSignatureAlgorithm(signerKeyType),
    params.issuer,
    seq(time(params.notBefore), time(params.notAfter)),
    params.subject,
    params.publicKey,
    encodeExtensions(extensions),
  );
}

const VERSION_3 = context(0, integer(2));
const LEAF_KEY_USAGE = encodeKeyUsage(["digitalSignature", "keyEncipherment", "keyAgreement"]);
const SIGNING_KEY_USAGE = encodeKeyUsage(["digitalSignature"]);
const LEAF_EXT_KEY_USAGE = encodeExtKeyUsage([OID.serverAuth, OID.clientAuth]);
const LEAF_BASIC_CONSTRAINTS = encodeBasicConstraints({ ca: false });
const CA_KEY_USAGE = encodeKeyUsage(["keyCertSign", "cRLSign"]);
