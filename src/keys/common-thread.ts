import { SignatureThread } from "./signature-thread.ts";

/** The process's one thread for signatures, while there is one: see `verifySignature`. */
export function signatureThread(): SignatureThread | undefined {
  return thread;
}

/** Where a thread cannot be had, the pool does without: it is not tried again and again. */
export function startSignatureThread(): void {
  if (thread !== undefined || !isPossible) return;
  try {
    thread = new SignatureThread((hasFailed) => {
      thread = undefined;
      if (hasFailed) isPossible = false;
    });
  } catch {
    isPossible = false;
  }
}

let thread: SignatureThread | undefined;
let isPossible = true;
