import type { AttestCall, SelectorGap } from "../../src/attestors/contract.ts";

/** A call whose gaps go to `gaps`, or to nobody; without a signal it is never given up. */
export function attestCall(signal?: AbortSignal, gaps: SelectorGap[] = []): AttestCall {
  return {
    signal: signal ?? new AbortController().signal,
    onGap: (gap) => void gaps.push(gap),
  };
}
