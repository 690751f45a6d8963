import { closeSync, constants, openSync } from "node:fs";
import type { Logger } from "../../observe/logger.ts";
import type { CommandContext } from "../program/command.ts";

/** What SIGHUP asks of a daemon: to read its configuration again, or to end with the terminal it was started in. */
export interface Hangups {
  /** Aborted when the terminal is gone. */
  readonly terminalGone: AbortSignal;
  /** The daemon runs: from now on, and for a signal that came before, this is done; one at a time. */
  begin(reload: () => Promise<void>): void;
  /** No reload begins any more. Resolves when the present one is over. */
  end(): Promise<void>;
}

export function watchHangups({ onHangup }: CommandContext, logger: Logger): Hangups {
  const gone = new AbortController();
  const ending = new AbortController();
  const hadTerminal = hasTerminal();
  let reload: (() => Promise<void>) | undefined;
  let asked = false;
  let present: Promise<void> | undefined;
  const run = async (work: () => Promise<void>): Promise<void> => {
    // However many signals come meanwhile, they ask for one more.
    while (asked && !ending.signal.aborted) {
      asked = false;
      await work();
    }
    present = undefined;
  };
  onHangup(() => {
    if (hadTerminal && !hasTerminal()) {
      gone.abort();
      return;
    }
    asked = true;
    if (reload === undefined) logger.info("configuration is read again when the start is done");
    else present ??= run(reload);
  });
  return {
    terminalGone: gone.signal,
    begin(work) {
      reload = work;
      if (asked) present = run(work);
    },
    async end() {
      ending.abort();
      await present;
    },
  };
}

/** Whether the process has a controlling terminal: tty(4), /dev/tty cannot be opened without one. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", constants.O_RDONLY | constants.O_NOCTTY));
    return true;
  } catch {
    return false;
  }
}
