/** The thread of `verify-thread.ts`: checks what stands in the shared slots, in order, and sleeps when there is nothing. */
import { type KeyObject, createPublicKey, verify } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import {
  ANSWER,
  AT,
  HASHES,
  TOLD,
  type VerifySlots,
  WORD,
  headOf,
  startOf,
} from "./verify-slots.ts";

const IDLE_MS = 30_000;
const NOTHING_HANDED_OVER: [] = [];

const { control, slots } = workerData as VerifySlots;
const words = new Int32Array(control);
const shared = Buffer.from(slots);

for (let next = 0; ; next = (next + 1) | 0) {
  while (Atomics.load(words, WORD.asked) === next) {
    const isIdle = Atomics.wait(words, WORD.asked, next, IDLE_MS) === "timed-out";
    if (isIdle) parentPort?.postMessage(TOLD.idle, NOTHING_HANDED_OVER);
  }
  words[headOf(next) + AT.answer] = answerTo(next);
  Atomics.store(words, WORD.done, (next + 1) | 0);
  // One message at a time is under way: whoever gets it takes all that is done by then.
  if (Atomics.exchange(words, WORD.told, 1) === 0)
    parentPort?.postMessage(TOLD.answers, NOTHING_HANDED_OVER);
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
