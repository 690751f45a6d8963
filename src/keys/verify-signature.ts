import { constants, verify } from "node:crypto";
import { isExperimental } from "./contract.ts";
import {
  type Hash,
  importSpki,
  isImported,
  keyTypeOfSpki,
  noValidKey,
  requireSupported,
} from "./public-key.ts";
import { ANSWER } from "./signature-slots.ts";
import { signatureThread, startSignatureThread } from "./common-thread.ts";

export interface VerifyParams {
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly data: Uint8Array;
  /** ECDSA: DER `Ecdsa-Sig-Value`. RSA: PKCS #1 v1.5, or PSS when `pss` is set. */
  readonly signature: Uint8Array;
  /** Undefined for ML-DSA, which signs the data as they are. */
  readonly hash: Hash | undefined;
  /** RSA only: RSASSA-PSS with a salt as long as the hash (RFC 7518 §3.5). */
  readonly pss?: boolean;
}

/**
 * Checks one signature on another thread.
 * @returns false when it does not fit
 * @throws invalid when the key itself is not supported
 */
export async function verifySignature(params: VerifyParams): Promise<boolean> {
  const { publicKey } = params;
  const { hash } = params;
  if (params.pss === true || isImported(publicKey)) return verifyInPool(params);
  requireSupported(publicKey);
  if (hash === undefined || isExperimental(keyTypeOfSpki(publicKey))) return verifyInPool(params);
  const answer = await signatureThread()?.verify({ ...params, hash });
  if (answer === ANSWER.noKey) throw noValidKey();
  return answer === undefined ? verifyNew(params) : answer === ANSWER.fits;
}

/** With a key that nobody has read yet: many of them at a time are what the thread is for. */
async function verifyNew(params: VerifyParams): Promise<boolean> {
  newKeys += 1;
  if (newKeys >= MANY_AT_ONCE) startSignatureThread();
  try {
    return await verifyInPool(params);
  } finally {
    newKeys -= 1;
  }
}

function verifyInPool({ publicKey, data, signature, hash, pss }: VerifyParams): Promise<boolean> {
  const key = importSpki(publicKey);
  // A hash for a key that takes none, or none for one that needs it: no signature of that key.
  if ((hash === undefined) !== isExperimental(keyTypeOfSpki(publicKey))) {
    return Promise.resolve(false);
  }
  const input =
    pss === true
      ? {
          key,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        }
      : key;
  return new Promise((resolve) => {
    verify(hash, data, input, signature, (error, fits) =>
      // OpenSSL answers some malformed signatures with an error instead of a plain no.
      resolve(error === null && fits),
    );
  });
}

/** Below, a thread of its own saves nothing. */
const MANY_AT_ONCE = 8;

/** Checks under way in the pool with keys that were new. */
let newKeys = 0;
