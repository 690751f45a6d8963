/** PKCS#7 envelopes (RFC 5652) as clouds make them, byte by byte, and every way to get them wrong. */
import { type KeyObject, createHash, createPrivateKey, sign } from "node:crypto";
import { concatBytes } from "../../src/base/bytes.ts";
import {
  context,
  element,
  integer,
  nullValue,
  octetString,
  oid,
  seq,
  set,
  time,
} from "../../src/x509/der.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";

export interface EnvelopeParts {
  readonly content: Uint8Array | string;
  /** PKCS #8. */
  readonly key: Uint8Array;
  /** DER; names the signer. */
  readonly certificate: Uint8Array;
  /** In the envelope. */
  readonly certificates?: readonly Uint8Array[];
  /** `openssl`'s name; default sha256. */
  readonly hash?: keyof typeof HASH_OIDS;
  /** Indefinite lengths, as AWS's service has them. */
  readonly ber?: boolean;
  /** Signs the content itself. */
  readonly withoutAttributes?: boolean;
  /** Stands in the envelope in place of what was signed. */
  readonly swapped?: string;
  /** The messageDigest attribute in place of the right one. */
  readonly digest?: Uint8Array;
  readonly repeatDigest?: boolean;
  /** Of the contentType attribute. */
  readonly attributeType?: string;
  readonly signers?: number;
  readonly withoutContent?: boolean;
}

export function signedDocument(parts: EnvelopeParts): Uint8Array {
  const { hash = "sha256", ber = false } = parts;
  const content = bytesOf(parts.content);
  const shown = parts.swapped === undefined ? content : bytesOf(parts.swapped);
  const algorithm = seq(oid(HASH_OIDS[hash]), nullValue());
  const digest = parts.digest ?? createHash(hash).update(content).digest();
  const digestAttribute = seq(oid(MESSAGE_DIGEST), set(octetString(digest)));
  const attributes = concatBytes([
    seq(oid(CONTENT_TYPE), set(oid(parts.attributeType ?? DATA))),
    seq(oid(SIGNING_TIME), set(time(1_767_225_600))),
    digestAttribute,
    ...(parts.repeatDigest ? [digestAttribute] : []),
  ]);
  const key = createPrivateKey({ key: Buffer.from(parts.key), format: "der", type: "pkcs8" });
  const signed = parts.withoutAttributes ? content : element(0x31, attributes);
  const { issuer, serial } = parseCertificate(parts.certificate);
  const signer = seq(
    integer(1),
    seq(
      issuer,
      integer(Buffer.from(serial.padStart(serial.length + (serial.length % 2), "0"), "hex")),
    ),
    algorithm,
    ...(parts.withoutAttributes ? [] : [context(0, attributes)]),
    seq(oid(signatureOid(key)), ...(key.asymmetricKeyType === "rsa" ? [nullValue()] : [])),
    octetString(sign(hash, signed, key)),
  );
  const wrap = ber ? indefinite : element;
  const inner = ber
    ? indefinite(0x24, octetString(shown.subarray(0, 10)), octetString(shown.subarray(10)))
    : octetString(shown);
  const { certificates = [], signers = 1 } = parts;
  return wrap(
    0x30,
    oid(SIGNED_DATA),
    wrap(
      0xa0,
      wrap(
        0x30,
        integer(1),
        set(algorithm),
        wrap(0x30, oid(DATA), ...(parts.withoutContent ? [] : [wrap(0xa0, inner)])),
        ...(certificates.length === 0 ? [] : [context(0, ...certificates)]),
        set(...Array.from({ length: signers }, () => signer)),
      ),
    ),
  );
}

/** In lines of 64, as metadata services print it. */
export function inLines(bytes: Uint8Array): string {
  return (
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  ).join("\n");
}

function indefinite(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes([Uint8Array.of(tag, 0x80), ...parts, Uint8Array.of(0, 0)]);
}

function bytesOf(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}

function signatureOid({ asymmetricKeyType }: KeyObject): string {
  return asymmetricKeyType === "rsa" ? "1.2.840.113549.1.1.1" : "1.2.840.10045.4.3.2";
}

const DATA = "1.2.840.113549.1.7.1";
const SIGNED_DATA = "1.2.840.113549.1.7.2";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const SIGNING_TIME = "1.2.840.113549.1.9.5";
const HASH_OIDS = {
  md5: "1.2.840.113549.2.5",
  sha1: "1.3.14.3.2.26",
  sha256: "2.16.840.1.101.3.4.2.1",
  sha512: "2.16.840.1.101.3.4.2.3",
} as const;
