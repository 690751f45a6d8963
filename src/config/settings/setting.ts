import type { Default, Field, Fields, Shape, ValueOf } from "./shape.ts";

/**
 * What a change of the setting means to a process that runs and is told to read its configuration again (SIGHUP):
 * `now`: it takes effect. `start`: it is for a start only, the next one will see it. Absent: it needs a restart, and a
 * reload that would change it is refused as a whole.
 */
export type ReloadRule = "now" | "start";

/**
 * One setting of a daemon. From its row follow the option of the command line (unless the shape is nested), the key of
 * the configuration file and its place in the JSON Schema.
 */
export interface Setting<S extends Shape = Shape> extends Field<S> {
  /** Placeholder of the value in `--help`, `DIR`; absent for flags and for what stands in a file only. */
  readonly value?: string;
  /** Environment variable asked when the option is not given. */
  readonly env?: string;
  /** What holds without it, in words, where the default alone does not say it. */
  readonly fallback?: string;
  readonly reload?: ReloadRule;
  /**
   * Keys of it, as paths in the file (`frontends.acme.names`), that take effect at once, with all below, though the
   * rest does not.
   */
  readonly reloadParts?: readonly string[];
}

/** Settings by option name (`data-dir`); the file has them in camelCase (`dataDir`). */
export type SettingTable = Readonly<Record<string, Setting>>;

/** What reading the setting gives: always a value where there is a default. */
export type Got<S extends Setting> = S extends { readonly default: Default }
  ? ValueOf<S["shape"]>
  : ValueOf<S["shape"]> | undefined;

export function camelCase(name: string): string {
  return name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** The keys that a file may have. */
export function fileFields(table: SettingTable): Fields {
  return Object.fromEntries(
    Object.entries(table).map(([name, setting]) => [camelCase(name), setting]),
  );
}

/** Whether the setting is an option too; sections, maps and lists of them stand in a file only. */
export function isOption({ shape }: Setting): boolean {
  if (shape.kind === "list") return shape.of.kind === "text" || shape.of.kind === "choice";
  return shape.kind !== "section" && shape.kind !== "map";
}
