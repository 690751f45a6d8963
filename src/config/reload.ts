import { type AssayError, errorFrom } from "../base/errors.ts";
import { Serial } from "../base/serial.ts";

/** A configuration that was read again, and found to be one that a running process can take. */
export interface ConfigChange<Config> {
  readonly config: Config;
  /** Names of the settings that differ from before, as a file has them. */
  readonly settings: readonly string[];
}

/** How a reload ended, for the record. */
export interface ReloadOutcome {
  readonly settings: readonly string[];
  /** Why nothing changed. */
  readonly error?: AssayError;
}

/**
 * A part of a process that can be configured anew while it runs.
 * @param next the whole new configuration
 * @returns what makes it so, and cannot fail
 * @throws what is wrong with it; then no part changes
 */
export type ReloadPart<Config> = (next: Config) => (() => void) | Promise<() => void>;

/** Configures the parts of a running process anew: all of them or none. One reload at a time. */
export class Reload<Config> {
  readonly #parts: ReloadPart<Config>[] = [];
  readonly #record: (outcome: ReloadOutcome) => Promise<void>;
  readonly #turns = new Serial();

  /** @param record told of each reload before it takes effect; when it throws, nothing changes */
  constructor(record: (outcome: ReloadOutcome) => Promise<void> = async () => undefined) {
    this.#record = record;
  }

  part(prepare: ReloadPart<Config>): void {
    this.#parts.push(prepare);
  }

  /** @throws what `load`, a part or the record throws; then nothing has changed */
  run(load: () => Promise<ConfigChange<Config>>): Promise<void> {
    return this.#turns.run(async () => {
      const { settings, commits } = await this.#prepared(load);
      await this.#record({ settings });
      for (const commit of commits) commit();
    });
  }

  async #prepared(load: () => Promise<ConfigChange<Config>>): Promise<{
    readonly settings: readonly string[];
    readonly commits: readonly (() => void)[];
  }> {
    try {
      const { config, settings } = await load();
      const commits: (() => void)[] = [];
      for (const prepare of this.#parts) commits.push(await prepare(config));
      return { settings, commits };
    } catch (thrown) {
      await this.#record({ settings: [], error: errorFrom(thrown) });
      throw thrown;
    }
  }
}
