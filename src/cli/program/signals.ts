import { endNow } from "./end-now.ts";
import { EXIT_FAILURE } from "./command.ts";

export interface StopSignals extends Disposable {
  readonly signal: AbortSignal;
  /** SIGHUP means this from now on, instead of the end. */
  readonly onHangup: (handler: () => void) => void;
}

/**
 * The first SIGINT, SIGTERM or SIGHUP asks for an orderly end, the second one ends at once.
 */
export function stopOnSignals(note: (text: string) => void): StopSignals {
  const stop = new AbortController();
  let hangup: (() => void) | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (name === "SIGHUP" && hangup !== undefined) {
      if (!stop.signal.aborted) hangup();
      return;
    }
    if (stop.signal.aborted) {
      note(`assay: ${name} again, ending at once\n`);
      endNow(EXIT_FAILURE);
    }
    stop.abort();
  };
  for (const name of STOP_SIGNALS) process.on(name, onSignal);
  return {
    signal: stop.signal,
    onHangup: (handler) => {
      hangup = handler;
    },
    [Symbol.dispose]: () => {
      for (const name of STOP_SIGNALS) process.off(name, onSignal);
    },
  };
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
