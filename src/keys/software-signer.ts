import {
  type KeyObject,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  sign,
} from "node:crypto";
import { promisify } from "node:util";
import { fail } from "../base/errors.ts";
import { signatureThread } from "./common-thread.ts";
import {
  type KeyType,
  type Proof,
  type ProvingSigner,
  type Signer,
  isExperimental,
} from "./contract.ts";
import { type Hash, isImported, keyTypeOfSpki, noValidKey } from "./public-key.ts";
import { ANSWER } from "./signature-slots.ts";
import { verifySignature } from "./verify-signature.ts";

export interface GeneratedKey {
  readonly signer: Signer;
  /** Unencrypted PKCS #8 DER; for the key's owner alone. */
  readonly pkcs8: Uint8Array;
}

/** Makes a key pair on a thread of the pool. */
export async function generateKey(keyType: KeyType): Promise<GeneratedKey> {
  const { privateKey } = await generatePair(keyType);
  const pkcs8 = privateKey.export({ format: "der", type: "pkcs8" });
  return { signer: new SoftwareSigner(privateKey), pkcs8: new Uint8Array(pkcs8) };
}

/**
 * A signer from an unencrypted PKCS #8 DER key.
 * @throws invalid when the bytes are no key or one of a type that is not supported
 */
export function signerFromPkcs8(pkcs8: Uint8Array): Signer {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
  } catch {
    // The cause is dropped: a parser's words about a private key belong in no log.
    throw fail("invalid", "private key is not an unencrypted pkcs #8 key");
  }
  return new SoftwareSigner(key);
}

/** The hash a key of this type signs with; undefined for one that takes the data as they are. */
export function signingHash(keyType: KeyType): Hash | undefined {
  if (isExperimental(keyType)) return undefined;
  return keyType === "ec-p384" ? "sha384" : "sha256";
}

class SoftwareSigner implements ProvingSigner {
  readonly keyType: KeyType;
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;
  readonly #hash: Hash | undefined;

  constructor(key: KeyObject) {
    const spki = new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }));
    const keyType = keyTypeOfSpki(spki);
    if (keyType === undefined) {
      throw fail(
        "invalid",
        "private key type is not supported; use ec p-256, p-384 or rsa 2048..4096",
      );
    }
    this.keyType = keyType;
    this.publicKey = spki;
    this.#key = key;
    this.#hash = signingHash(keyType);
  }

  async sign(data: Uint8Array): Promise<Uint8Array> {
    if (this.keyType === "ec-p256" && this.#hash !== undefined) {
      // 25 us of arithmetic: the pool, and being woken up again, would cost more.
      const job = { key: this.#key, hash: this.#hash, data };
      return (await signatureThread()?.sign(job)) ?? this.#signNow(data);
    }
    return new Promise((resolve, reject) => {
      sign(this.#hash, data, this.#key, (error, signature) => {
        if (error !== null) reject(fail("internal", "signing failed", { cause: error }));
        else resolve(signature);
      });
    });
  }

  async signProven(proof: Proof, data: Uint8Array): Promise<Uint8Array | undefined> {
    const answer = await this.#signProvenApart(proof, data);
    if (answer === ANSWER.noKey) throw noValidKey();
    if (answer === ANSWER.differs) return undefined;
    if (typeof answer === "object") return answer;
    return (await verifySignature(proof)) ? this.sign(data) : undefined;
  }

  /** Both by the thread for signatures. @returns undefined where it is not to do that, or cannot */
  #signProvenApart(
    { publicKey, hash, ...proof }: Proof,
    data: Uint8Array,
  ): Promise<Uint8Array | number | undefined> | undefined {
    const key = this.#key;
    const own = this.#hash;
    if (this.keyType !== "ec-p256" || own === undefined || hash === undefined) return undefined;
    const keyType = keyTypeOfSpki(publicKey);
    if (keyType === undefined || isExperimental(keyType) || isImported(publicKey)) return undefined;
    return signatureThread()?.signProven({ ...proof, publicKey, hash }, { key, hash: own, data });
  }

  #signNow(data: Uint8Array): Uint8Array {
    try {
      return sign(this.#hash, data, this.#key);
    } catch (cause) {
      throw fail("internal", "signing failed", { cause });
    }
  }
}

function generatePair(keyType: KeyType): Promise<{ privateKey: KeyObject }> {
  switch (keyType) {
    case "ec-p256":
      return generateAsync("ec", { namedCurve: "P-256" });
    case "ec-p384":
      return generateAsync("ec", { namedCurve: "P-384" });
    case "ml-dsa-65":
      return generateAsync("ml-dsa-65");
    case "rsa-2048":
      return generateAsync("rsa", { modulusLength: 2048 });
    case "rsa-3072":
      return generateAsync("rsa", { modulusLength: 3072 });
    case "rsa-4096":
      return generateAsync("rsa", { modulusLength: 4096 });
  }
}

const generateAsync = promisify(generateKeyPair);
