import { type AssayError, fail } from "../base/errors.ts";
import { type KeyType, type Proof, type Signer, isProving } from "../keys/contract.ts";
import { describeSpki, keyTypeOfSpki } from "../keys/public-key.ts";
import { verifySignature } from "../keys/verify-signature.ts";
import { readSpki } from "./certificate.ts";
import {
  DerCursor,
  TAG,
  bitString,
  context,
  contextTag,
  integer,
  malformed,
  octetsOfBitString,
  oid,
  oidOf,
  openDer,
  seq,
  set,
  smallUnsignedOf,
} from "./der.ts";
import { encodeAltNames, encodeNameConstraints } from "./extension-encoding.ts";
import { type Extensions, NO_EXTENSIONS, readExtensions } from "./extensions.ts";
import type { NameConstraints } from "./name-constraints.ts";
import { checkName } from "./names.ts";
import { OID } from "./oids.ts";
import {
  type SignatureAlgorithm,
  algorithmMismatch,
  checkSigned,
  encodeSignatureAlgorithm,
  readSignatureAlgorithm,
} from "./signature-algorithm.ts";

/** A parsed certification request (RFC 2986 §4). Its key is supported; its signature is not yet checked. */
export interface CertificateRequest {
  readonly raw: Uint8Array;
  /** The bytes that are signed. */
  readonly info: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly keyType: KeyType;
  /** DER Name. */
  readonly subject: Uint8Array;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** In their one text (RFC 5952). */
  readonly ipAddresses: readonly string[];
  /** How many alternative names of other sorts it asks for. */
  readonly otherAltNames: number;
  /** Whether it asks to become an authority. */
  readonly asksForCa: boolean;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

export interface CsrParams {
  readonly uris: readonly string[];
  readonly dnsNames?: readonly string[];
  /** Textual. */
  readonly ipAddresses?: readonly string[];
  /** DER Name; empty when left out. */
  readonly subject?: Uint8Array;
  /** For an authority's request. */
  readonly nameConstraints?: NameConstraints;
  readonly signer: Signer;
}

/** Parses exactly one DER request of at most 16 KiB with a supported key. @throws invalid */
export function parseCsr(der: Uint8Array): CertificateRequest {
  if (der.length > MAX_CSR_BYTES) {
    throw malformed("certificate request", `is longer than ${MAX_CSR_BYTES} bytes`);
  }
  const outer = openDer(der, TAG.sequence, "certificate request");
  const info = outer.read(TAG.sequence);
  const signatureAlgorithm = readSignatureAlgorithm(outer, "certificate request");
  const signature = octetsOfBitString(outer.read(TAG.bitString), "certificate request signature");
  outer.end();

  const inner = new DerCursor(info.content, "certificate request");
  const version = smallUnsignedOf(inner.read(TAG.integer), "certificate request version");
  if (version !== 0) throw malformed("certificate request version", "is not 1");
  const subject = inner.read(TAG.sequence).raw;
  checkName(subject);
  const publicKey = readSpki(inner);
  const asked = readAttributes(inner);
  inner.end();
  const keyType = keyTypeOfSpki(publicKey);
  if (keyType === undefined) {
    throw fail(
      "invalid",
      `certificate request key is not supported (${describeSpki(publicKey)}); ` +
        "use ec p-256, ec p-384, rsa 2048, 3072 or 4096",
    );
  }
  const mismatch = algorithmMismatch(signatureAlgorithm, publicKey);
  if (mismatch !== undefined) throw fail("invalid", `certificate request: ${mismatch}`);
  return {
    raw: der,
    info: info.raw,
    publicKey,
    keyType,
    subject,
    uris: asked.uris,
    dnsNames: asked.dnsNames,
    ipAddresses: asked.ipAddresses,
    otherAltNames: asked.otherAltNames,
    asksForCa: asked.basicConstraints?.ca === true || asked.keyUsage?.has("keyCertSign") === true,
    signatureAlgorithm,
    signature,
  };
}

/** Checks that whoever made the request holds the private key. @throws invalid, also when the key is none */
export async function verifyCsr(csr: CertificateRequest): Promise<void> {
  const fits = await checkSigned({
    algorithm: csr.signatureAlgorithm,
    publicKey: csr.publicKey,
    data: csr.info,
    signature: csr.signature,
  });
  if (!fits) throw notProven();
}

/** What the request shows that its maker holds the key by. */
export function proofOf(csr: CertificateRequest): Proof {
  const { publicKey, info: data, signature, signatureAlgorithm } = csr;
  return { publicKey, data, signature, hash: signatureAlgorithm.known?.hash };
}

/**
 * Signs for whoever made a request, once it was found to hold the key.
 * @param proof of a request
 * @throws invalid when it does not, also when the key is none; nothing was signed then
 */
export async function signProven(
  data: Uint8Array,
  signer: Signer,
  proof: Proof,
): Promise<Uint8Array> {
  if (isProving(signer)) {
    const signature = await signer.signProven(proof, data);
    if (signature === undefined) throw notProven();
    return signature;
  }
  if (!(await verifySignature(proof))) throw notProven();
  return signer.sign(data);
}

function notProven(): AssayError {
  return fail("invalid", "certificate request signature does not fit its key");
}

/** Makes a request for these names, signed by the key it asks for. */
export async function createCsr(params: CsrParams): Promise<Uint8Array> {
  const { uris, dnsNames = [], ipAddresses = [], subject = seq(), signer } = params;
  const { nameConstraints } = params;
  const names = uris.length + dnsNames.length + ipAddresses.length;
  const extensions = [
    ...(names === 0 ? [] : [encodeAltNames({ uris, dnsNames, ipAddresses, critical: false })]),
    ...(nameConstraints === undefined ? [] : [encodeNameConstraints(nameConstraints)]),
  ];
  const attributes =
    extensions.length === 0
      ? context(0)
      : context(0, seq(oid(OID.extensionRequest), set(seq(...extensions))));
  const info = seq(integer(0), subject, signer.publicKey, attributes);
  const signature = await signer.sign(info);
  return seq(info, encodeSignatureAlgorithm(signer.keyType), bitString(signature));
}

/** RFC 2986 §4.1: `[0] IMPLICIT SET OF Attribute`; tolerated when absent, as old tools leave it out. */
function readAttributes(info: DerCursor): Extensions {
  if (info.done) return NO_EXTENSIONS;
  let extensions: Extensions | undefined;
  const attributes = info.enter(contextTag(0), "certificate request attributes");
  while (!attributes.done) {
    const attribute = attributes.enter(TAG.sequence);
    const id = oidOf(attribute.read(TAG.oid), "certificate request attribute");
    const values = attribute.enter(TAG.set);
    attribute.end();
    if (id !== OID.extensionRequest) continue;
    if (extensions !== undefined) throw malformed("extension request", "appears twice");
    extensions = readExtensions(values.enter(TAG.sequence, "extension request"));
    values.end();
  }
  return extensions ?? NO_EXTENSIONS;
}

/** A request with an RSA-4096 key and a few names is below 2 KiB. */
const MAX_CSR_BYTES = 16 * 1024;
