import type { ProcessFacts } from "../../attestors/contract.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import { type ProcessIds, StatusFile } from "./proc.ts";

export interface FactsFileParams {
  readonly pid: number;
  readonly procDir: string;
  /** Whether the process is the one that is meant, and lives. */
  readonly alive: () => boolean;
}

/** The facts about one process for good, read from its status when they are first asked for: see `StatusFile`. */
export class FactsFile implements Disposable {
  readonly #params: FactsFileParams;
  #status: StatusFile | undefined;
  #ids: ProcessIds | undefined;
  #facts: ProcessFacts | undefined;
  #isClosed = false;

  constructor(params: FactsFileParams) {
    this.#params = params;
  }

  /**
   * As they are now: the same object as before when nothing has changed.
   * @throws denied when the process has ended; limited when out of descriptors
   */
  read(): ProcessFacts {
    const { pid, alive } = this.#params;
    const { isZombie, ids } = this.#open().read();
    if (isZombie && !alive()) throw ended();
    if (this.#facts === undefined || ids !== this.#ids) {
      this.#ids = ids;
      this.#facts = { pid, ...ids };
    }
    return this.#facts;
  }

  /** Nothing can be read any more. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#status?.[Symbol.dispose]();
    this.#status = undefined;
  }

  #open(): StatusFile {
    if (this.#isClosed) throw ended();
    if (this.#status !== undefined) return this.#status;
    const { pid, procDir, alive } = this.#params;
    const status = new StatusFile(procDir, pid);
    // A PID is not given out again while its process lives: alive now means that this was its file.
    if (!alive()) {
      status[Symbol.dispose]();
      throw ended();
    }
    this.#status = status;
    return status;
  }
}

export function ended(): AssayError {
  return fail("denied", "the process that connected has ended");
}
