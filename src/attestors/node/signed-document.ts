/**
 * A document in a PKCS#7 / CMS envelope (RFC 5652 §5) as clouds sign them: one signer, the content inside. PKI.js takes
 * the envelope apart, which comes in BER as often as in DER; what counts is checked here.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { bytesEqual } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";

export interface SignedDocument {
  readonly content: Uint8Array;
  /** DER certificates in the envelope, in no order, believed by nobody yet. */
  readonly certificates: readonly Uint8Array[];
  /** Whether the holder of this key signed the content. @param spki DER SubjectPublicKeyInfo, RSA or ECDSA */
  readonly isSignedBy: (spki: Uint8Array) => Promise<boolean>;
}

/**
 * @param what begins messages: `aws_iid signature`
 * @throws invalid when it is no envelope with content, one signer and a hash of the SHA-2 family
 */
export async function openSignedDocument(what: string, der: Uint8Array): Promise<SignedDocument> {
  if (der.length > MAX_ENVELOPE_BYTES) {
    throw fail("invalid", `${what} is longer than ${MAX_ENVELOPE_BYTES} bytes`);
  }
  // A tenth of a second and 16 MB: only for those who attest so.
  const { ContentInfo, SignedData } = await import("pkijs");
  let data: InstanceType<typeof SignedData>;
  try {
    const envelope = ContentInfo.fromBER(Uint8Array.from(der));
    if (envelope.contentType !== SIGNED_DATA) throw fail("invalid", "not signed data");
    data = new SignedData({ schema: envelope.content });
  } catch (cause) {
    throw fail("invalid", `${what} is not signed data of pkcs #7`, { cause });
  }
  const [signer, ...others] = data.signerInfos;
  if (signer === undefined || others.length > 0) {
    throw fail("invalid", `${what} does not have exactly one signer`);
  }
  const { eContent, eContentType } = data.encapContentInfo;
  if (eContent === undefined) throw fail("invalid", `${what} has no content`);
  const content = new Uint8Array(eContent.getValue());
  const hash = HASHES.get(signer.digestAlgorithm.algorithmId);
  if (hash === undefined) throw fail("invalid", `${what} has a hash that is not of sha-2`);
  const signed = signedBytes(what, signer.signedAttrs, { content, hash, eContentType });
  const signature = new Uint8Array(signer.signature.valueBlock.valueHexView);
  const certificates = (data.certificates ?? []).slice(0, MAX_CERTIFICATES).flatMap((each) => {
    // Attribute certificates and other formats prove nothing here.
    const isCertificate = "tbsView" in each;
    return isCertificate ? [new Uint8Array(each.toSchema(false).toBER(false))] : [];
  });
  return {
    content,
    certificates,
    isSignedBy: (spki) => check(spki, { hash, signed, signature }),
  };
}

interface Attributes {
  readonly attributes: readonly { readonly type: string; readonly values: readonly unknown[] }[];
  readonly encodedValue: ArrayBuffer;
}

/** RFC 5652 §5.4: the content itself, or attributes of which one is its digest. */
function signedBytes(
  what: string,
  signedAttrs: Attributes | undefined,
  {
    content,
    hash,
    eContentType,
  }: { readonly content: Uint8Array; readonly hash: string; readonly eContentType: string },
): Uint8Array {
  if (signedAttrs === undefined) return content;
  const digest = onlyValue(what, signedAttrs, MESSAGE_DIGEST);
  if (!bytesEqual(octets(digest), createHash(hash).update(content).digest())) {
    throw fail("denied", `${what} is of another content`);
  }
  const type = onlyValue(what, signedAttrs, CONTENT_TYPE) as { getValue?: () => unknown };
  if (type.getValue?.() !== eContentType) {
    throw fail("denied", `${what} is of another type of content`);
  }
  return new Uint8Array(signedAttrs.encodedValue);
}

function onlyValue(what: string, { attributes }: Attributes, type: string): unknown {
  const found = attributes.filter((attribute) => attribute.type === type);
  const [value, ...others] = found.flatMap(({ values }) => values);
  if (value === undefined || others.length > 0) {
    throw fail("invalid", `${what} does not have exactly one signed attribute ${type}`);
  }
  return value;
}

function octets(value: unknown): Uint8Array {
  const view = (value as { valueBlock?: { valueHexView?: unknown } }).valueBlock?.valueHexView;
  return view instanceof Uint8Array ? view : new Uint8Array();
}

function check(
  spki: Uint8Array,
  parts: { readonly hash: string; readonly signed: Uint8Array; readonly signature: Uint8Array },
): Promise<boolean> {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const { asymmetricKeyType: type } = key;
  if (type !== "rsa" && type !== "ec") return Promise.resolve(false);
  return new Promise((resolve) => {
    verify(parts.hash, parts.signed, key, parts.signature, (error, fits) =>
      resolve(error === null && fits),
    );
  });
}

const SIGNED_DATA = "1.2.840.113549.1.7.2";
const CONTENT_TYPE = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
/** RFC 5754 §2. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);
const MAX_CERTIFICATES = 8;
/** Clouds write 2 to 6 KB. Taking 40 KB of certificates apart holds up the server for a quarter of a second. */
const MAX_ENVELOPE_BYTES = 16 * 1024;
