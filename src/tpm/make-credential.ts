/**
 * Credentials that only one TPM can open, and only while it holds a certain key: TPM2_MakeCredential as software does it
 * (TCG TPM 2.0 Library, Part 1 §24 and annexes B.10.4 and C.6.4; Part 3 §12.6).
 */
import { constants, createCipheriv, createHash, createHmac, publicEncrypt } from "node:crypto";
import { concatBytes } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { agreeOnce } from "../keys/ephemeral-agreement.ts";
import { kdfa, kdfe, labelBytes } from "./key-derivation.ts";
import type { TpmHash } from "./hash.ts";
import { type PublicArea, hasAttributes, keyObjectOf } from "./public-area.ts";
import { sized } from "./wire.ts";

export interface MadeCredential {
  /** TPM2B_ID_OBJECT, its content. */
  readonly credential: Uint8Array;
  /** TPM2B_ENCRYPTED_SECRET, its content. */
  readonly secret: Uint8Array;
}

export interface MakeCredentialParams {
  /** RSA or ECC storage key with AES. */
  readonly endorsementKey: PublicArea;
  /** Of the key that has to be in the same TPM: `nameOf`. */
  readonly name: Uint8Array;
  /** What the TPM gives back; at most as long as the endorsement key's hash. */
  readonly content: Uint8Array;
  readonly random: Random;
}

/** @throws invalid when the endorsement key cannot take a credential */
export function makeCredential(params: MakeCredentialParams): MadeCredential {
  const { endorsementKey, name, content, random } = params;
  const { nameAlg, symmetricBits } = endorsementKey;
  if (symmetricBits === undefined || !hasAttributes(endorsementKey, "restricted", "decrypt")) {
    throw fail("invalid", "tpm endorsement key is not a storage key");
  }
  const { seed, secret } =
    endorsementKey.key.type === "rsa"
      ? rsaSeed(endorsementKey, random)
      : eccSeed(endorsementKey, endorsementKey.key);
  return { credential: sealCredential({ nameAlg, symmetricBits, seed, name, content }), secret };
}

export interface SealCredentialParams {
  /** Of the endorsement key. */
  readonly nameAlg: TpmHash;
  readonly symmetricBits: 128 | 192 | 256;
  readonly seed: Uint8Array;
  readonly name: Uint8Array;
  readonly content: Uint8Array;
}

/** TPMS_ID_OBJECT from a seed that is known to both sides (Part 1 §24.4 and §24.5). */
export function sealCredential(params: SealCredentialParams): Uint8Array {
  const { nameAlg: hash, symmetricBits, seed: secret, name, content } = params;
  const none = new Uint8Array();
  const key = kdfa({
    hash,
    secret,
    label: "STORAGE",
    partyU: name,
    partyV: none,
    bits: symmetricBits,
  });
  // The key is used once, so that the initial vector may be zero.
  const cipher = createCipheriv(`aes-${symmetricBits}-cfb`, key, new Uint8Array(16));
  const identity = concatBytes([cipher.update(sized(content)), cipher.final()]);
  const bits = digestBytes(hash) * 8;
  const hmacKey = kdfa({
    hash,
    secret,
    label: "INTEGRITY",
    partyU: none,
    partyV: none,
    bits,
  });
  const hmac = createHmac(hash, hmacKey).update(identity).update(name).digest();
  return concatBytes([sized(hmac), identity]);
}

/** Bytes of a digest. */
export function digestBytes(hash: TpmHash): number {
  return createHash(hash).digest().length;
}

interface Seed {
  readonly seed: Uint8Array;
  readonly secret: Uint8Array;
}

/** Annex B.10.4: OAEP with a label that ends in a zero byte. */
function rsaSeed(area: PublicArea, random: Random): Seed {
  const seed = random.bytes(digestBytes(area.nameAlg));
  const secret = publicEncrypt(
    {
      key: keyObjectOf(area),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: area.nameAlg,
      oaepLabel: labelBytes("IDENTITY"),
    },
    seed,
  );
  return { seed, secret: new Uint8Array(secret) };
}

/** Annex C.6.4: an ephemeral key, whose point is the secret. */
function eccSeed(
  area: PublicArea,
  { curve, x: partyV }: Extract<PublicArea["key"], { type: "ecc" }>,
): Seed {
  const { x: partyU, y, shared: secret } = agreeOnce(curve, keyObjectOf(area));
  const bits = digestBytes(area.nameAlg) * 8;
  const seed = kdfe({ hash: area.nameAlg, secret, label: "IDENTITY", partyU, partyV, bits });
  return { seed, secret: concatBytes([sized(partyU), sized(y)]) };
}
