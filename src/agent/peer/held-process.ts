import { closeSync } from "node:fs";
import type { ProcessFacts } from "../../attestors/contract.ts";
import { FactsFile } from "./facts-file.ts";
import type { Native } from "./native.ts";

export interface HeldProcessParams {
  readonly pid: number;
  /** Of the same process. Taken over: it is closed with the last user. */
  readonly pidfd: number;
  readonly procDir: string;
  readonly native: Native;
}

/** A process that a pidfd holds, for all who ask about it. */
export class HeldProcess {
  readonly #params: HeldProcessParams;
  readonly #facts: FactsFile;
  #users = 1;

  constructor(params: HeldProcessParams) {
    this.#params = params;
    const { pid, procDir } = params;
    this.#facts = new FactsFile({ pid, procDir, alive: () => this.alive() });
  }

  get pid(): number {
    return this.#params.pid;
  }

  /** `undefined` once nobody uses it. */
  get pidfd(): number | undefined {
    return this.#users > 0 ? this.#params.pidfd : undefined;
  }

  alive(): boolean {
    const { pidfd, native } = this.#params;
    return this.#users > 0 && native.ended([pidfd])[0] === false;
  }

  /** Whether that is the same process. */
  isAlso({ pid, pidfd, procDir }: HeldProcessParams): boolean {
    const { native, ...own } = this.#params;
    if (pid !== own.pid || procDir !== own.procDir) return false;
    // Both were there before this moment. So who lives after it lived in it, and then no two have one PID.
    return !native.ended([own.pidfd, pidfd]).includes(true);
  }

  /** @throws as `FactsFile.read` */
  read(): ProcessFacts {
    return this.#facts.read();
  }

  /** For one user more. */
  use(): this {
    this.#users += 1;
    return this;
  }

  /** Once for each user. */
  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#facts[Symbol.dispose]();
    closeSync(this.#params.pidfd);
  }
}

/** Processes by their PID, so that one with many connections is held, and looked at, once. */
export class HeldProcesses {
  readonly #byPid = new Map<number, HeldProcess>();

  /** With one user more; to be given back by `release`. */
  hold(params: HeldProcessParams): HeldProcess {
    const known = this.#byPid.get(params.pid);
    if (known?.isAlso(params)) {
      closeSync(params.pidfd);
      return known.use();
    }
    const held = new HeldProcess(params);
    this.#byPid.set(params.pid, held);
    return held;
  }

  release(held: HeldProcess): void {
    held.release();
    // Another process may have its PID by now.
    if (held.pidfd === undefined && this.#byPid.get(held.pid) === held) {
      this.#byPid.delete(held.pid);
    }
  }

  get size(): number {
    return this.#byPid.size;
  }
}
