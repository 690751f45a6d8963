/** The thread of `signature-thread.ts`: does what stands in the shared slots, in order, and sleeps when there is nothing. */
import { type KeyObject, createPublicKey, sign, verify } from "node:crypto";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import {
  ANSWER,
  AT,
  HASHES,
  type SignerMessage,
  TOLD,
  type SignatureSlots,
  WORD,
  headOf,
  startOf,
} from "./signature-slots.ts";

const IDLE_MS = 30_000;
const NOTHING_HANDED_OVER: [] = [];

const signers = new Map<number, KeyObject>();
const { control, slots } = workerData as SignatureSlots;
const words = new Int32Array(control);
const shared = Buffer.from(slots);

for (let next = 0; ; next = (next + 1) | 0) {
  while (Atomics.load(words, WORD.asked) === next) {
    const isIdle = Atomics.wait(words, WORD.asked, next, IDLE_MS) === "timed-out";
    if (isIdle) parentPort?.postMessage(TOLD.idle, NOTHING_HANDED_OVER);
  }
  const isSigning = words[headOf(next) + AT.signer] !== 0;
  words[headOf(next) + AT.answer] = isSigning ? signJob(next) : answerTo(next);
  Atomics.store(words, WORD.done, (next + 1) | 0);
  // One message at a time is under way: whoever gets it takes all that is done by then.
  if (Atomics.exchange(words, WORD.told, 1) === 0)
    parentPort?.postMessage(TOLD.answers, NOTHING_HANDED_OVER);
}

function signJob(job: number): number {
  const head = headOf(job);
  const start = startOf(job);
  const key = signerOf(words[head + AT.signer] ?? 0);
  if (key === undefined) return ANSWER.notSigned;
  const data = Buffer.from(shared.subarray(start, start + (words[head + AT.dataBytes] ?? 0)));
  try {
    const signature = sign(HASHES[words[head + AT.hash] ?? 0], data, key);
    shared.set(signature, start);
    words[head + AT.signatureBytes] = signature.length;
    return ANSWER.signed;
  } catch {
    return ANSWER.notSigned;
  }
}

/** A key is sent before the first job that needs it; messages behind that may forget it again and are left for later. */
function signerOf(number: number): KeyObject | undefined {
  for (;;) {
    const known = signers.get(number);
    if (known !== undefined) return known;
    const received = parentPort === null ? undefined : receiveMessageOnPort(parentPort);
    if (received === undefined) return undefined;
    const { number: sent, key, forget } = received.message as SignerMessage;
    signers.set(sent, key);
    if (forget !== undefined) signers.delete(forget);
  }
}

function answerTo(job: number): number {
  const head = headOf(job);
  const length = (at: number): number => words[head + at] ?? 0;
  const dataAt = length(AT.keyBytes);
  const signatureAt = dataAt + length(AT.dataBytes);
  const start = startOf(job);
  // A copy: OpenSSL is not to read what another thread may write to.
  const bytes = Buffer.from(
    shared.subarray(start, start + signatureAt + length(AT.signatureBytes)),
  );
  let key: KeyObject;
  try {
    key = createPublicKey({ key: bytes.subarray(0, dataAt), format: "der", type: "spki" });
  } catch {
    return ANSWER.noKey;
  }
  const data = bytes.subarray(dataAt, signatureAt);
  try {
    const fits = verify(HASHES[length(AT.hash)], data, key, bytes.subarray(signatureAt));
    return fits ? ANSWER.fits : ANSWER.differs;
  } catch {
    return ANSWER.differs; // OpenSSL answers some malformed signatures so
  }
}
