import type { KeyObject } from "node:crypto";

/** The memory that two threads share for `signature-thread.ts`: a ring of slots, and words that say what is in them. */
export interface SignatureSlots {
  /** Words of 32 bits: those of `WORD`, then `SLOT_WORDS` for each slot. */
  readonly control: SharedArrayBuffer;
  /**
   * Of each job: key, data and signature to be checked, then what is to be signed; either may be missing. A signature that
   * was made is put in their place.
   */
  readonly slots: SharedArrayBuffer;
}

export const SLOTS = 64;
/** A request for a P-256 certificate has some 500 bytes, one for RSA-4096 some 2,000, and the certificate half as many. */
export const SLOT_BYTES = 4096;
export const SLOT_WORDS = 8;

/** Counters of jobs, which wrap around, and whether the asking thread was told of answers that it has not taken yet. */
export const WORD = { asked: 0, done: 1, told: 2, first: 8 } as const;
/** Words of one slot. */
export const AT = {
  /** 0 = nothing is to be checked. */
  keyBytes: 0,
  dataBytes: 1,
  signatureBytes: 2,
  hash: 3,
  answer: 4,
  /** The number of the key to sign with; 0 = nothing is to be signed. */
  signer: 5,
  toSignBytes: 6,
  signHash: 7,
} as const;

export const HASHES = ["sha256", "sha384", "sha512"] as const;

/** What the thread says of a job. */
export const ANSWER = { fits: 1, differs: 2, noKey: 3, signed: 4, notSigned: 5 } as const;
/** What it says to the asking thread. */
export const TOLD = { answers: 0, idle: 1 } as const;

/** Where a slot's words begin. */
export function headOf(job: number): number {
  return WORD.first + slotOf(job) * SLOT_WORDS;
}

/** Where a slot's bytes begin. */
export function startOf(job: number): number {
  return slotOf(job) * SLOT_BYTES;
}

function slotOf(job: number): number {
  return (job >>> 0) % SLOTS;
}

/** A key to sign with from now on, and one to forget. */
export interface SignerMessage {
  readonly number: number;
  readonly key: KeyObject;
  readonly forget: number | undefined;
}
