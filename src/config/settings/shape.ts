/**
 * What a setting's value may look like, as data. From one shape follow the reader of configuration files
 * (read-value.ts), the reader of option texts and the published JSON Schema (json-schema.ts), so that the three agree.
 */
import type { PathContext } from "../paths.ts";

export interface TextShape {
  readonly kind: "text";
  /**
   * One that takes "" allows an empty text, which is refused otherwise. ECMA-262 with flag `u`, for the schema and the
   * reader; without look-around, which other validators lack.
   */
  readonly pattern?: string;
  /** What is said of a text that the pattern refuses: `is not host:port, for example ...`. */
  readonly rule?: string;
  /** Never shown and never repeated in an error. */
  readonly secret?: true;
  readonly maxLength: number;
}

export interface ChoiceShape<T extends string = string> {
  readonly kind: "choice";
  readonly choices: readonly T[];
}

/** A whole number. */
export interface CountShape {
  readonly kind: "count";
  readonly least: number;
  readonly most: number;
}

/** Text such as `1h30m`, or a whole number of seconds; read as seconds, or with `unit: "ms"` as milliseconds. */
export interface DurationShape {
  readonly kind: "duration";
  /** With `ms`, `250ms` is a duration too. */
  readonly unit: "s" | "ms";
  /** In the shape's unit. */
  readonly least: number;
}

export interface FlagShape {
  readonly kind: "flag";
}

export interface ListShape<Of extends Shape = Shape> {
  readonly kind: "list";
  readonly of: Of;
  readonly least: number;
  readonly most: number;
}

/** A mapping with these keys and no others. Where none is required, an empty value (`docker:`) means all defaults. */
export interface SectionShape<F extends Fields = Fields> {
  readonly kind: "section";
  readonly fields: F;
}

/** A mapping whose keys are names that the operator chooses. */
export interface MapShape<Of extends Shape = Shape> {
  readonly kind: "map";
  readonly of: Of;
  readonly keyPattern: string;
  readonly most: number;
}

export type Shape =
  | TextShape
  | ChoiceShape
  | CountShape
  | DurationShape
  | FlagShape
  | ListShape
  | SectionShape
  | MapShape;

/** A default as it would be written in a file; a function where it depends on the user or the system. */
export type Default =
  | string
  | number
  | boolean
  | readonly string[]
  | ((context: PathContext) => string);

/** One key of a section. */
export interface Field<S extends Shape = Shape> {
  readonly shape: S;
  /** One line; lower case, no full stop. */
  readonly help: string;
  readonly required?: true;
  readonly default?: Default;
}

export type Fields = Readonly<Record<string, Field>>;

/** What a value of the shape is read as. */
export type ValueOf<S extends Shape> = S extends TextShape
  ? string
  : S extends ChoiceShape<infer T>
    ? T
    : S extends CountShape | DurationShape
      ? number
      : S extends FlagShape
        ? boolean
        : S extends ListShape<infer Of>
          ? readonly ValueOf<Of>[]
          : S extends MapShape<infer Of>
            ? ReadonlyMap<string, ValueOf<Of>>
            : S extends SectionShape<infer F>
              ? SectionValue<F>
              : never;

type AlwaysThere = { readonly required: true } | { readonly default: Default };

/** Fields with a default are always there, as are required ones; others may be absent. */
export type SectionValue<F extends Fields> = {
  readonly [K in keyof F as F[K] extends AlwaysThere ? K : never]: ValueOf<F[K]["shape"]>;
} & {
  readonly [K in keyof F as F[K] extends AlwaysThere ? never : K]?: ValueOf<F[K]["shape"]>;
};

export function text(options: Partial<Omit<TextShape, "kind">> = {}): TextShape {
  return { kind: "text", maxLength: MAX_TEXT, ...options };
}

export function choice<const T extends readonly string[]>(choices: T): ChoiceShape<T[number]> {
  return { kind: "choice", choices };
}

export function count(least: number, most: number): CountShape {
  return { kind: "count", least, most };
}

/** Read as whole seconds. @param least in seconds */
export function duration(least: number): DurationShape {
  return { kind: "duration", unit: "s", least };
}

/** Read as milliseconds. @param least in milliseconds */
export function interval(least: number): DurationShape {
  return { kind: "duration", unit: "ms", least };
}

export function flag(): FlagShape {
  return { kind: "flag" };
}

/** A list of texts without a pattern may also be written as one text with commas, as on the command line. */
export function list<Of extends Shape>(
  of: Of,
  { least = 0, most }: { readonly least?: number; readonly most: number },
): ListShape<Of> {
  return { kind: "list", of, least, most };
}

export function section<const F extends Fields>(fields: F): SectionShape<F> {
  return { kind: "section", fields };
}

export function map<Of extends Shape>(
  of: Of,
  { keyPattern = NAME, most }: { readonly keyPattern?: string; readonly most: number },
): MapShape<Of> {
  return { kind: "map", of, keyPattern, most };
}

/** Paths have 4096 bytes at most on Linux (limits.h, PATH_MAX); nothing here is longer. */
const MAX_TEXT = 4096;
/** A name that may also stand in a selector. */
const NAME = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$";
