import { readFileSync, statSync } from "node:fs";
import { hasCode } from "../../base/errors.ts";
import { replaceFile } from "../../base/durable-file.ts";
import { Serial } from "../../base/serial.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Selector } from "../../spiffe/selector.ts";
import { placeOf } from "./place.ts";

/** What lies in a store, and for which entry. */
export interface LedgerLine {
  readonly entryId: string;
  readonly selectors: readonly Selector[];
  /** What the store gave for it; absent while its answer is outstanding. */
  readonly handle?: string;
}

/**
 * What this agent has put where, kept on disk: an agent that comes back takes away what entries no longer ask for. A
 * line is written before the store is asked, so that nothing lies there that nobody knows of.
 */
export class Ledger {
  readonly #path: string;
  readonly #lines = new Map<string, LedgerLine>();
  readonly #writes = new Serial();

  /** A file that cannot be read is passed over with a warning: what it named has to be taken away by hand. */
  constructor(path: string, logger: Logger) {
    this.#path = path;
    try {
      if (statSync(path).size > MAX_BYTES) throw new Error(`larger than ${MAX_BYTES} bytes`);
      const lines = JSON.parse(readFileSync(path, "utf8")) as LedgerLine[];
      for (const line of lines) {
        placeOf(line.selectors);
        this.#lines.set(line.entryId, line);
      }
    } catch (error) {
      if (hasCode(error, "ENOENT")) return;
      logger.warn("the list of stored SVIDs cannot be read; look for left ones in the stores", {
        path,
        error,
      });
    }
  }

  lines(): readonly LedgerLine[] {
    return [...this.#lines.values()];
  }

  get(entryId: string): LedgerLine | undefined {
    return this.#lines.get(entryId);
  }

  /** Resolves when it is on disk. */
  async set(line: LedgerLine): Promise<void> {
    const before = this.#lines.get(line.entryId);
    if (JSON.stringify(before) === JSON.stringify(line)) return;
    this.#lines.set(line.entryId, line);
    await this.#save();
  }

  async delete(entryId: string): Promise<void> {
    if (this.#lines.delete(entryId)) await this.#save();
  }

  #save(): Promise<void> {
    return this.#writes.run(() =>
      replaceFile(this.#path, `${JSON.stringify([...this.#lines.values()])}\n`),
    );
  }
}

const MAX_BYTES = 16 * 1024 * 1024;
