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
const TELL_EVERY = 4;
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
  words[headOf(next) + AT.answer] = answerTo(next);
  const done = (next + 1) | 0;
  Atomics.store(words, WORD.done, done);
  // To be woken up costs the asking thread more than its answer does: where more is to be done, it is told of some together.
  if (Atomics.load(words, WORD.asked) !== done && done % TELL_EVERY !== 0) continue;
  // One message at a time is under way: whoever gets it takes all that is done by then.
  if (Atomics.exchange(words, WORD.told, 1) === 0)
    parentPort?.postMessage(TOLD.answers, NOTHING_HANDED_OVER);
}

function answerTo(job: number): number {
  const head = headOf(job);
  const length = (at: number): number => words[head + at] ?? 0;
  const dataAt = length(AT.keyBytes);
  const signatureAt = dataAt + length(AT.dataBytes);
  const toSignAt = signatureAt + length(AT.signatureBytes);
  const start = startOf(job);
  // A copy: OpenSSL is not to read what another thread may write to.
  const bytes = Buffer.from(shared.subarray(start, start + toSignAt + length(AT.toSignBytes)));
  if (dataAt > 0) {
    const answer = check(
      bytes.subarray(0, dataAt),
      HASHES[length(AT.hash)],
      bytes.subarray(dataAt, signatureAt),
      bytes.subarray(signatureAt, toSignAt),
    );
    if (answer !== ANSWER.fits) return answer;
  }
  const number = length(AT.signer);
  if (number === 0) return ANSWER.fits;
  const key = signerOf(number);
  if (key === undefined) return ANSWER.notSigned;
  try {
    const signature = sign(HASHES[length(AT.signHash)], bytes.subarray(toSignAt), key);
    shared.set(signature, start);
    words[head + AT.signatureBytes] = signature.length;
    return ANSWER.signed;
  } catch {
    return ANSWER.notSigned;
  }
}

function check(
  spki: Buffer,
  hash: (typeof HASHES)[number] | undefined,
  data: Buffer,
  signature: Buffer,
): number {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki, format: "der", type: "spki" });
  } catch {
    return ANSWER.noKey;
  }
  try {
    return verify(hash, data, key, signature) ? ANSWER.fits : ANSWER.differs;
  } catch {
    return ANSWER.differs; // OpenSSL answers some malformed signatures so
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
