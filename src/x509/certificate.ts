import { bytesEqual, toHex } from "../base/bytes.ts";
import type { EpochSeconds } from "../base/clock.ts";
import {
  DerCursor,
  TAG,
  contextTag,
  malformed,
  octetsOfBitString,
  openDer,
  readTlv,
  smallUnsignedOf,
  timeOf,
  unsignedOf,
} from "./der.ts";
import { type Extensions, NO_EXTENSIONS, readExtensions } from "./extensions.ts";
import { checkName } from "./names.ts";
import { type SignatureAlgorithm, readSignatureAlgorithm } from "./signature-algorithm.ts";

/** A parsed certificate (RFC 5280 §4.1). Byte fields are views into `raw`; nothing about it is trusted yet. */
export interface Certificate extends Extensions {
  readonly raw: Uint8Array;
  /** The bytes that are signed. */
  readonly tbs: Uint8Array;
  /** Lower hex without leading zeros; `0` for zero. */
  readonly serial: string;
  /** DER Name. */
  readonly issuer: Uint8Array;
  /** DER Name. */
  readonly subject: Uint8Array;
  readonly notBefore: EpochSeconds;
  /** The last second in which it is valid. */
  readonly notAfter: EpochSeconds;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** Parses exactly one DER certificate. @throws invalid */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) {
    throw malformed("certificate", `is longer than ${MAX_CERTIFICATE_BYTES} bytes`);
  }
  const outer = openDer(der, TAG.sequence, "certificate");
  const tbs = outer.read(TAG.sequence);
  const algorithm = outer.read(TAG.sequence);
  const signature = octetsOfBitString(outer.read(TAG.bitString), "certificate signature");
  outer.end();
  return { raw: der, tbs: tbs.raw, signature, ...readTbs(tbs.content, algorithm.raw) };
}

/** Parses DER certificates put one behind the other without separators. @throws invalid, also when there is none */
export function parseCertificates(concatenated: Uint8Array): Certificate[] {
  if (concatenated.length > MAX_CERTIFICATES_BYTES) {
    throw malformed("certificate list", `is longer than ${MAX_CERTIFICATES_BYTES} bytes`);
  }
  const certificates: Certificate[] = [];
  for (let at = 0; at < concatenated.length; ) {
    const { raw } = readTlv(concatenated, at, "certificate list");
    certificates.push(parseCertificate(raw));
    at += raw.length;
  }
  if (certificates.length === 0) throw malformed("certificate list", "is empty");
  return certificates;
}

function readTbs(
  content: Uint8Array,
  outerAlgorithm: Uint8Array,
): Omit<Certificate, "raw" | "tbs" | "signature"> {
  const tbs = new DerCursor(content, "certificate");
  const version = readVersion(tbs);
  const serial = unsignedOf(tbs.read(TAG.integer), "serial number");
  if (serial.length > MAX_SERIAL_BYTES) throw malformed("serial number", "is longer than 20 bytes");
  const algorithm = tbs.read(TAG.sequence);
  if (!bytesEqual(algorithm.raw, outerAlgorithm)) {
    throw malformed("certificate", "names two different signature algorithms");
  }
  const issuer = tbs.read(TAG.sequence).raw;
  const validity = tbs.enter(TAG.sequence, "validity");
  const notBefore = timeOf(validity.readAny(), "not-before");
  const notAfter = timeOf(validity.readAny(), "not-after");
  validity.end();
  const subject = tbs.read(TAG.sequence).raw;
  checkName(issuer);
  checkName(subject);
  const publicKey = readSpki(tbs);
  if (version >= 2) {
    tbs.optional(contextTag(1, false));
    tbs.optional(contextTag(2, false));
  }
  const extensions = version === 3 ? readOptionalExtensions(tbs) : NO_EXTENSIONS;
  tbs.end();
  return {
    ...extensions,
    serial: toHex(serial).replace(/^0+(?=.)/, ""),
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey,
    signatureAlgorithm: readSignatureAlgorithm(
      new DerCursor(algorithm.raw, "certificate"),
      "certificate",
    ),
  };
}

/** Checks the outer structure of a SubjectPublicKeyInfo and returns its bytes. @throws invalid */
export function readSpki(cursor: DerCursor): Uint8Array {
  const spki = cursor.read(TAG.sequence);
  const inner = new DerCursor(spki.content, "public key");
  const algorithm = inner.enter(TAG.sequence);
  algorithm.read(TAG.oid);
  octetsOfBitString(inner.read(TAG.bitString), "public key");
  inner.end();
  return spki.raw;
}

function readVersion(tbs: DerCursor): 1 | 2 | 3 {
  if (tbs.nextTag !== contextTag(0)) return 1;
  const wrapper = tbs.enter(contextTag(0), "certificate version");
  const version = smallUnsignedOf(wrapper.read(TAG.integer), "certificate version");
  wrapper.end();
  if (version !== 1 && version !== 2) throw malformed("certificate version", "is neither 2 nor 3");
  return version === 1 ? 2 : 3;
}

function readOptionalExtensions(tbs: DerCursor): Extensions {
  if (tbs.nextTag !== contextTag(3)) return NO_EXTENSIONS;
  const wrapper = tbs.enter(contextTag(3), "extensions");
  const extensions = readExtensions(wrapper.enter(TAG.sequence));
  wrapper.end();
  return extensions;
}

/** Certificates seen in practice stay below 10 KiB. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;
/** A bundle of every web authority there is fits four times. */
const MAX_CERTIFICATES_BYTES = 1024 * 1024;
/** RFC 5280 §4.1.2.2. */
const MAX_SERIAL_BYTES = 20;
