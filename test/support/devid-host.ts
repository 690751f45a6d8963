/**
 * Keys as a TPM describes them, outside of any TPM: what a hostile host can make up. `openCredential` is written anew from
 * the standard (TCG TPM 2.0 Library, Part 1 §24), so that it does not repeat the product's mistakes.
 */
import {
  type KeyObject,
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  privateDecrypt,
  sign,
} from "node:crypto";
import { ALG, ATTRIBUTE } from "../../src/tpm/constants.ts";
import {
  type PublicArea,
  type PublicAreaParts,
  encodePublicArea,
  nameOf,
  parsePublicArea,
} from "../../src/tpm/public-area.ts";
import { sized, u16, u32 } from "../../src/tpm/wire.ts";

export interface HostKey {
  readonly area: PublicArea;
  readonly privateKey: KeyObject;
}

type Change = Partial<Omit<PublicAreaParts, "key">>;

export const FIXED = ATTRIBUTE.fixedTpm | ATTRIBUTE.fixedParent | ATTRIBUTE.sensitiveDataOrigin;

/** @param key private */
export function hostKey(key: KeyObject, change: Change): HostKey {
  const jwk = createPublicKey(key).export({ format: "jwk" });
  const bytes = (text = ""): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));
  const modulus = bytes(jwk.n);
  const raw = encodePublicArea({
    nameAlg: "sha256",
    attributes: FIXED,
    authPolicy: new Uint8Array(),
    ...change,
    key:
      jwk.kty === "RSA"
        ? { type: "rsa", bits: modulus.length * 8, modulus }
        : { type: "ecc", curve: jwk.crv as "P-256", x: bytes(jwk.x), y: bytes(jwk.y) },
  });
  return { area: parsePublicArea(raw, "key"), privateKey: key };
}

export function newRsa(modulusLength = 2048): KeyObject {
  return generateKeyPairSync("rsa", { modulusLength }).privateKey;
}

export function newEcc(namedCurve: "P-256" | "P-384" = "P-256"): KeyObject {
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

export function endorsementKey(key: KeyObject, change: Change = {}): HostKey {
  return hostKey(key, {
    attributes: FIXED | ATTRIBUTE.adminWithPolicy | ATTRIBUTE.restricted | ATTRIBUTE.decrypt,
    symmetricBits: 128,
    ...change,
  });
}

export function devidKey(key: KeyObject, change: Change = {}): HostKey {
  return hostKey(key, { attributes: FIXED | ATTRIBUTE.userWithAuth | ATTRIBUTE.sign, ...change });
}

export function attestationKey(key: KeyObject, change: Change = {}): HostKey {
  const isRsa = key.asymmetricKeyType === "rsa";
  return hostKey(key, {
    attributes: FIXED | ATTRIBUTE.userWithAuth | ATTRIBUTE.restricted | ATTRIBUTE.sign,
    scheme: { kind: isRsa ? "rsassa" : "ecdsa", hash: "sha256" },
    ...change,
  });
}

/** TPMS_ATTEST of TPM2_Certify, or what looks so. */
export function statementOf(
  name: Uint8Array,
  { magic = 0xff54_4347, type = 0x8017 }: { magic?: number; type?: number } = {},
): Uint8Array {
  return Buffer.concat([
    u32(magic),
    u16(type),
    sized(name),
    sized(),
    Buffer.alloc(25),
    sized(name),
    sized(name),
  ]);
}

/** TPMT_SIGNATURE. */
export function signatureOf({ area, privateKey }: HostKey, data: Uint8Array): Uint8Array {
  const hash = area.scheme?.hash ?? "sha256";
  if (area.key.type === "rsa") {
    const padding = constants.RSA_PKCS1_PADDING;
    const bytes = sign(hash, data, { key: privateKey, padding });
    return Buffer.concat([u16(ALG.rsassa), u16(ALG[hash]), sized(bytes)]);
  }
  const raw = sign(hash, data, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const half = raw.length / 2;
  const parts = [raw.subarray(0, half), raw.subarray(half)].map((part) => sized(part));
  return Buffer.concat([u16(ALG.ecdsa), u16(ALG[hash]), ...parts]);
}

/** TPM2_ActivateCredential. @throws when the credential is not for these keys */
export function openCredential(
  { area, privateKey }: HostKey,
  name: Uint8Array,
  { credential, secret }: { readonly credential: Uint8Array; readonly secret: Uint8Array },
): Uint8Array {
  const seed = area.key.type === "rsa" ? rsaSeed() : eccSeed();
  const bits = createHash(area.nameAlg).digest().length * 8;
  const length = Buffer.from(credential).readUInt16BE();
  const hmac = credential.subarray(2, 2 + length);
  const identity = credential.subarray(2 + length);
  const macKey = derived(seed, "INTEGRITY", new Uint8Array(), bits);
  const expected = createHmac(area.nameAlg, macKey).update(identity).update(name).digest();
  if (!expected.equals(hmac)) throw new Error("integrity");
  const keyBits = area.symmetricBits ?? 128;
  const key = derived(seed, "STORAGE", name, keyBits);
  const cipher = createDecipheriv(`aes-${keyBits}-cfb`, key, Buffer.alloc(16));
  const plain = cipher.update(identity);
  return new Uint8Array(plain.subarray(2, 2 + plain.readUInt16BE()));

  /** One block is enough for every use here. */
  function derived(from: Uint8Array, label: string, context: Uint8Array, size: number): Uint8Array {
    return createHmac(area.nameAlg, from)
      .update(Buffer.concat([u32(1), Buffer.from(`${label}\0`), context, u32(size)]))
      .digest()
      .subarray(0, size / 8);
  }

  function rsaSeed(): Uint8Array {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const oaepLabel = Buffer.from("IDENTITY\0");
    return privateDecrypt({ key: privateKey, padding, oaepHash: area.nameAlg, oaepLabel }, secret);
  }

  function eccSeed(): Uint8Array {
    const half = (secret.length - 4) / 2;
    const [x, y] = [secret.subarray(2, 2 + half), secret.subarray(4 + half)];
    const [u, v] = [x, y].map((part) => Buffer.from(part).toString("base64url"));
    const {
      kty = "",
      crv = "",
      x: own = "",
    } = createPublicKey(privateKey).export({ format: "jwk" });
    const publicKey = createPublicKey({ key: { kty, crv, x: u ?? "", y: v ?? "" }, format: "jwk" });
    return createHash(area.nameAlg)
      .update(u32(1))
      .update(diffieHellman({ privateKey, publicKey }))
      .update(Buffer.from("IDENTITY\0"))
      .update(x)
      .update(Buffer.from(own, "base64url"))
      .digest();
  }
}

/** What a host shows and answers, part by part, so that each can be the wrong one. */
export interface HostParts {
  readonly devidChain: readonly Uint8Array[];
  readonly devid: HostKey;
  readonly endorsementCertificate: Uint8Array;
  readonly endorsement: HostKey;
  readonly attestation: HostKey;
}

export function payloadOf(parts: HostParts, change: Record<string, unknown> = {}): string {
  const statement = statementOf(nameOf(parts.devid.area));
  return JSON.stringify({
    DevIDCert: parts.devidChain.map(base64),
    DevIDPub: base64(parts.devid.area.raw),
    EKCert: base64(parts.endorsementCertificate),
    EKPub: base64(parts.endorsement.area.raw),
    AKPub: base64(parts.attestation.area.raw),
    CertifiedDevID: base64(statement),
    CertificationSignature: base64(signatureOf(parts.attestation, statement)),
    ...change,
  });
}

export interface Challenge {
  readonly DevID: string;
  readonly CredActivation: { readonly Credential: string; readonly Secret: string };
}

export function answerOf(parts: HostParts, { DevID, CredActivation }: Challenge): object {
  const made = {
    credential: Buffer.from(CredActivation.Credential, "base64"),
    secret: Buffer.from(CredActivation.Secret, "base64"),
  };
  const content = openCredential(parts.endorsement, nameOf(parts.attestation.area), made);
  return { DevID: base64(signNonce(parts.devid, DevID)), CredActivation: base64(content) };
}

export function signNonce({ area, privateKey }: HostKey, nonce: string): Uint8Array {
  const { kind, hash = "sha256" } = area.scheme ?? {};
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const how = kind === "rsapss" ? pss : {};
  return sign(hash, Buffer.from(nonce, "base64"), { key: privateKey, ...how });
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
