import type { Clock } from "../../../base/clock.ts";
import type { AssayError } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import type { ProcessFacts } from "../../contract.ts";

/**
 * The last outcomes of tokens, for whoever asks about a process: a token comes with a call and is not seen by looking
 * at the process. Nothing is decided by it.
 */
export class TokenOutcomes {
  readonly #clock: Clock;
  /** By what names a process for good, or by PID 0 for all callers without one. */
  readonly #last = new LruMap<string, Outcome>(MAX_LAST);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(caller: Caller, error: AssayError | undefined): void {
    const words = error === undefined ? "was accepted" : `was refused: ${error.message}`;
    this.#note(caller, "token", words);
  }

  /** A call that was refused before there was a token to look at. */
  noteUnread(caller: Caller, error: AssayError): void {
    this.#note(caller, "call", `was refused unread: ${error.message}`);
  }

  /** Why a look at the process shows no token, one sentence. */
  explain({ pid }: ProcessFacts): string {
    const own = this.#told(pid, "from this PID");
    const foreign = this.#told(0, "from a caller without a PID here");
    return [
      "a token comes with a call and is not seen in the process",
      own ?? "no call from this PID had one lately",
      ...(foreign === undefined ? [] : [foreign]),
    ].join("; ");
  }

  #note({ pid, uid }: Caller, what: Outcome["what"], words: string): void {
    const who = pid > 0 ? "" : ` (uid ${uid})`;
    this.#last.set(String(pid), { atMs: this.#clock.nowMs(), what, words: `${words}${who}` });
  }

  #told(pid: number, whose: string): string | undefined {
    const last = this.#last.get(String(pid));
    if (last === undefined) return undefined;
    const seconds = Math.max(0, Math.round((this.#clock.nowMs() - last.atMs) / 1000));
    return `the last ${last.what} ${whose}, ${seconds} s ago, ${last.words}`;
  }
}

type Caller = Pick<ProcessFacts, "pid" | "uid">;

interface Outcome {
  readonly atMs: number;
  readonly what: "token" | "call";
  readonly words: string;
}

const MAX_LAST = 256;
