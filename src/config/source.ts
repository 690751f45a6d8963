import { fail } from "../base/errors.ts";
import { parseDuration } from "./duration.ts";

/**
 * Where one program's settings come from: the command line, then the environment, then the configuration file.
 * Names are those of the options (`data-dir`); the file writes them in camelCase (`dataDir`).
 */
export interface SettingSources {
  readonly given: (name: string) => string | undefined;
  readonly fromEnv: (name: string) => string | undefined;
  readonly file: ReadonlyMap<string, string>;
  readonly fileName?: string;
}

/** Reads settings as typed values; every error names the place it came from. */
export class Settings {
  readonly #sources: SettingSources;

  constructor(sources: SettingSources) {
    this.#sources = sources;
  }

  text(name: string): string | undefined {
    return this.#find(name)?.value;
  }

  flag(name: string): boolean {
    const found = this.#find(name);
    if (found === undefined) return false;
    if (found.value === "true" || found.value === "false") return found.value === "true";
    throw fail("invalid", `${found.where} is true or false, not '${found.value}'`);
  }

  seconds(name: string, least: number): number | undefined {
    return this.#typed(name, (text) => {
      const seconds = parseDuration(text);
      if (seconds < least) throw fail("invalid", `is shorter than ${least}s`);
      return seconds;
    });
  }

  count(name: string, least: number, most: number): number | undefined {
    return this.#typed(name, (text) => {
      const count = Number(text);
      if (!/^\d+$/.test(text) || count < least || count > most) {
        throw fail("invalid", `is a whole number from ${least} to ${most}, not '${text}'`);
      }
      return count;
    });
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    return this.#typed(name, (text) => {
      const choice = choices.find((candidate) => candidate === text);
      if (choice === undefined) {
        throw fail("invalid", `takes ${choices.join(" or ")}, not '${text}'`);
      }
      return choice;
    });
  }

  /** How an error should call the setting: `--data-dir`, or `dataDir in FILE`. */
  where(name: string): string {
    return this.#find(name)?.where ?? `--${name}`;
  }

  #typed<T>(name: string, parse: (text: string) => T): T | undefined {
    const found = this.#find(name);
    if (found === undefined) return undefined;
    try {
      return parse(found.value);
    } catch (error) {
      throw fail(
        "invalid",
        `${found.where}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #find(name: string): { readonly value: string; readonly where: string } | undefined {
    const given = this.#sources.given(name);
    if (given !== undefined) return { value: given, where: `--${name}` };
    const inherited = this.#sources.fromEnv(name);
    if (inherited !== undefined)
      return { value: inherited, where: `--${name} (from the environment)` };
    const written = this.#sources.file.get(name);
    if (written === undefined) return undefined;
    return {
      value: written,
      where: `${camelCase(name)} in ${this.#sources.fileName ?? "the file"}`,
    };
  }
}

export function camelCase(name: string): string {
  return name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
