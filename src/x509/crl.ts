/**
 * Certificate revocation lists, version 2 (RFC 5280 §5): complete ones of one authority, as this project signs them.
 * Encoding and signing are apart so that issuance can check the very bytes before they are signed.
 */
import { toHex } from "../base/bytes.ts";
import type { EpochSeconds } from "../base/clock.ts";
import type { KeyType, Signer } from "../keys/contract.ts";
import {
  DerCursor,
  TAG,
  bitString,
  context,
  contextTag,
  element,
  integer,
  malformed,
  octetsOfBitString,
  oidOf,
  openDer,
  seq,
  smallUnsignedOf,
  time,
  timeOf,
  unsignedOf,
} from "./der.ts";
import { encodeAuthorityKeyId, encodeExtension } from "./extension-encoding.ts";
import { OID } from "./oids.ts";
import {
  type SignatureAlgorithm,
  encodeSignatureAlgorithm,
  readSignatureAlgorithm,
} from "./signature-algorithm.ts";

/** RFC 5280 §5.3.1, those that mean an end for good; `unspecified` is written by leaving the extension out. */
export const REVOCATION_REASONS = {
  unspecified: 0,
  "key-compromise": 1,
  "affiliation-changed": 3,
  superseded: 4,
  "cessation-of-operation": 5,
  "privilege-withdrawn": 9,
} as const;

/** RFC 5280 §5.3.1, by the names that settings and commands use. */
export type RevocationReason = keyof typeof REVOCATION_REASONS;

/** One entry of a list (RFC 5280 §5.1.2.6). */
export interface RevokedCertificate {
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  readonly revokedAt: EpochSeconds;
  readonly reason: RevocationReason;
}

/** What a list says (RFC 5280 §5.1.2). */
export interface CrlParams {
  /** DER Name of the authority. */
  readonly issuer: Uint8Array;
  /** The authority's subject key identifier. */
  readonly authorityKeyId: Uint8Array;
  /** Rises with each list of the authority. */
  readonly number: number;
  readonly thisUpdate: EpochSeconds;
  /** When there is another one at the latest. */
  readonly nextUpdate: EpochSeconds;
  readonly revoked: readonly RevokedCertificate[];
}

/** A parsed list; byte fields are views into what was parsed, and nothing about it is trusted yet. */
export interface Crl extends Omit<CrlParams, "authorityKeyId"> {
  /** Lower hex; absent when the list does not say. */
  readonly authorityKeyId?: string;
  /** The bytes that are signed. */
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** The bytes of a list that `signerKeyType` is about to sign. */
export function encodeCrlTbs(params: CrlParams, signerKeyType: KeyType): Uint8Array {
  const { issuer, authorityKeyId, number, thisUpdate, nextUpdate, revoked } = params;
  return seq(
    VERSION_2,
    encodeSignatureAlgorithm(signerKeyType),
    issuer,
    time(thisUpdate),
    time(nextUpdate),
    // RFC 5280 §5.1.2.6: absent when nothing is revoked.
    ...(revoked.length === 0 ? [] : [seq(...revoked.map(encodeRevoked))]),
    context(
      0,
      seq(
        encodeAuthorityKeyId(authorityKeyId),
        encodeExtension(OID.crlNumber, false, integer(number)),
      ),
    ),
  );
}

/** Signs and puts the list together. `tbs` must have been encoded for this signer's key type. @returns DER */
export async function finishCrl(tbs: Uint8Array, signer: Signer): Promise<Uint8Array> {
  return seq(tbs, encodeSignatureAlgorithm(signer.keyType), bitString(await signer.sign(tbs)));
}

/**
 * Parses exactly one DER list of at most `MAX_CRL_BYTES`.
 * @throws invalid, also for a critical extension: a list that is not complete, or of another issuer, says so in one
 */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > MAX_CRL_BYTES) throw malformed(WHAT, `is longer than ${MAX_CRL_BYTES} bytes`);
  const outer = openDer(der, TAG.sequence, WHAT);
  const tbs = outer.read(TAG.sequence);
  const algorithm = outer.read(TAG.sequence);
  const signature = octetsOfBitString(outer.read(TAG.bitString), WHAT);
  outer.end();
  const fields = new DerCursor(tbs.content, WHAT);
  if (smallUnsignedOf(fields.read(TAG.integer), WHAT) !== 1) {
    throw malformed(WHAT, "is not of version 2");
  }
  const inner = fields.read(TAG.sequence);
  if (Buffer.compare(inner.raw, algorithm.raw) !== 0) {
    throw malformed(WHAT, "names two different signature algorithms");
  }
  const issuer = fields.read(TAG.sequence).raw;
  const thisUpdate = timeOf(fields.readAny(), WHAT);
  const nextUpdate = timeOf(fields.readAny(), WHAT);
  const revoked: RevokedCertificate[] = [];
  if (fields.nextTag === TAG.sequence) {
    const list = fields.enter(TAG.sequence);
    while (!list.done) revoked.push(readRevoked(list.enter(TAG.sequence)));
  }
  const extensions = readCrlExtensions(fields.enter(contextTag(0)).enter(TAG.sequence));
  fields.end();
  return {
    tbs: tbs.raw,
    issuer,
    thisUpdate,
    nextUpdate,
    revoked,
    ...extensions,
    signatureAlgorithm: readSignatureAlgorithm(new DerCursor(inner.raw, WHAT), WHAT),
    signature,
  };
}

function encodeRevoked({ serial, revokedAt, reason }: RevokedCertificate): Uint8Array {
  const code = REVOCATION_REASONS[reason];
  const digits = serial.padStart(serial.length + (serial.length % 2), "0");
  return seq(
    integer(Buffer.from(digits, "hex")),
    time(revokedAt),
    ...(code === 0
      ? []
      : [seq(encodeExtension(OID.reasonCode, false, element(ENUMERATED, Uint8Array.of(code))))]),
  );
}

function readRevoked(fields: DerCursor): RevokedCertificate {
  const serial = toHex(unsignedOf(fields.read(TAG.integer), WHAT)).replace(/^0+(?=.)/, "");
  const revokedAt = timeOf(fields.readAny(), WHAT);
  let reason: RevocationReason = "unspecified";
  if (!fields.done) {
    for (const [id, content] of extensionsOf(fields.enter(TAG.sequence))) {
      if (id === OID.reasonCode) reason = reasonOf(content);
    }
  }
  fields.end();
  return { serial, revokedAt, reason };
}

function reasonOf(content: Uint8Array): RevocationReason {
  const cursor = new DerCursor(content, WHAT);
  const [code] = cursor.read(ENUMERATED).content;
  cursor.end();
  const named = Object.entries(REVOCATION_REASONS).find(([, number]) => number === code);
  // One that is not given here: the certificate is revoked all the same.
  return (named?.[0] ?? "unspecified") as RevocationReason;
}

function readCrlExtensions(list: DerCursor): { number: number; authorityKeyId?: string } {
  let number: number | undefined;
  let authorityKeyId: string | undefined;
  for (const [id, content] of extensionsOf(list)) {
    const cursor = new DerCursor(content, WHAT);
    if (id === OID.crlNumber) number = smallUnsignedOf(cursor.read(TAG.integer), WHAT);
    if (id === OID.authorityKeyId) {
      authorityKeyId = toHex(cursor.enter(TAG.sequence).read(contextTag(0, false)).content);
    }
  }
  if (number === undefined) throw malformed(WHAT, "has no number");
  return { number, ...(authorityKeyId === undefined ? {} : { authorityKeyId }) };
}

/** @throws invalid for a critical one */
function* extensionsOf(list: DerCursor): Generator<readonly [id: string, content: Uint8Array]> {
  while (!list.done) {
    const extension = list.enter(TAG.sequence);
    const id = oidOf(extension.read(TAG.oid), WHAT);
    if (extension.optional(TAG.boolean) !== undefined) {
      throw malformed(WHAT, `has the critical extension ${id}, which is not supported`);
    }
    const { content } = extension.read(TAG.octetString);
    extension.end();
    yield [id, content];
  }
}

const WHAT = "revocation list";
const VERSION_2 = integer(1);
const ENUMERATED = 0x0a;
/** Twenty times what the server's own bound on revocations leads to. */
const MAX_CRL_BYTES = 4 << 20;
