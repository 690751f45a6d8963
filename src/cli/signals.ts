import { EXIT_FAILURE } from "./command.ts";

export interface StopSignals extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * The first SIGINT, SIGTERM or SIGHUP asks for an orderly end, the second one ends at once.
 */
export function stopOnSignals(note: (text: string) => void): StopSignals {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (stop.signal.aborted) {
      note(`assay: ${name} again, ending at once\n`);
      process.exit(EXIT_FAILURE);
    }
    stop.abort();
  };
  for (const name of STOP_SIGNALS) process.on(name, onSignal);
  return {
    signal: stop.signal,
    [Symbol.dispose]: () => {
      for (const name of STOP_SIGNALS) process.off(name, onSignal);
    },
  };
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
