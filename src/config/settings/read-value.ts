/** Values of settings, read by their shapes: from a parsed file, or from the text of an option. */
import { isObject } from "../../base/is-object.ts";
import { nearest } from "../../base/nearest.ts";
import { parseDuration } from "./duration.ts";
import type { PathContext } from "../paths.ts";
import type {
  CountShape,
  Default,
  DurationShape,
  Field,
  Fields,
  ListShape,
  MapShape,
  Shape,
  TextShape,
  ValueOf,
} from "./shape.ts";

export interface Reading {
  readonly context: PathContext;
  /** Told of each thing that is wrong: the path (`nodeAttestors.oidc.issuers[0].url`) and the rule broken. */
  readonly report: (path: string, problem: string) => void;
}

/** @returns undefined when something was reported */
export function readValue<S extends Shape>(
  shape: S,
  node: unknown,
  path: string,
  reading: Reading,
): ValueOf<S> | undefined {
  // The one place where the shape's kind and the value's type are brought together.
  return read(shape, node, path, reading) as ValueOf<S> | undefined;
}

/** The text of an option or a variable as a file would have it: `5` is a number where a number is asked for. */
export function nodeOfText(shape: Shape, text: string): unknown {
  if (shape.kind === "count" && /^\d{1,15}$/.test(text)) return Number(text);
  if (shape.kind === "list") return commaParts(text);
  if (shape.kind === "flag" && (text === "true" || text === "false")) return text === "true";
  return text;
}

/** The default as a file would have it; undefined when there is none. */
export function defaultNode(
  { default: given }: { readonly default?: Default },
  context: PathContext,
): unknown {
  return typeof given === "function" ? given(context) : given;
}

function read(shape: Shape, node: unknown, path: string, reading: Reading): unknown {
  const refuse = (problem: string): undefined => {
    reading.report(path, problem);
    return undefined;
  };
  const place = { path, reading, refuse };
  switch (shape.kind) {
    case "text":
      return readText(shape, node, refuse);
    case "choice": {
      const choice = shape.choices.find((candidate) => candidate === node);
      if (choice !== undefined) return choice;
      const meant = typeof node === "string" ? nearest(node, shape.choices) : undefined;
      const hint = meant === undefined ? "" : `; did you mean '${meant}'?`;
      return refuse(`takes ${shape.choices.join(" or ")}, not ${shown(node)}${hint}`);
    }
    case "count":
      return readCount(shape, node, refuse);
    case "duration":
      return readDuration(shape, node, refuse);
    case "flag":
      return typeof node === "boolean" ? node : refuse(`is true or false, not ${shown(node)}`);
    case "list":
      return readList(shape, node, place);
    case "section":
      return readSection(shape.fields, node, path, reading);
    case "map":
      return readMap(shape, node, place);
  }
}

type Refuse = (problem: string) => undefined;

/** Where a node with parts stands. */
interface Place {
  readonly path: string;
  readonly reading: Reading;
  readonly refuse: Refuse;
}

function readText(shape: TextShape, node: unknown, refuse: Refuse): string | undefined {
  if (typeof node !== "string") return refuse(notText(node));
  if (node === "" && !mayBeEmpty(shape)) {
    return refuse("is empty; leave it out or give it a value");
  }
  // As JSON Schema counts: code points.
  if (node.length > shape.maxLength && Array.from(node).length > shape.maxLength) {
    return refuse(`is longer than ${shape.maxLength} characters`);
  }
  if (shape.pattern === undefined || new RegExp(shape.pattern, "u").test(node)) return node;
  const rule = shape.rule ?? `does not have the form ${shape.pattern}`;
  return refuse(shape.secret === true ? rule : `${shown(node)} ${rule}`);
}

function readCount({ least, most }: CountShape, node: unknown, refuse: Refuse): number | undefined {
  if (typeof node === "number" && Number.isInteger(node) && node >= least && node <= most) {
    return node;
  }
  return refuse(`is a whole number from ${least} to ${most}, not ${shown(node)}`);
}

function readDuration(shape: DurationShape, node: unknown, refuse: Refuse): number | undefined {
  if (typeof node !== "string" && typeof node !== "number") return refuse(notText(node));
  const scale = shape.unit === "ms" ? 1000 : 1;
  const milliseconds = shape.unit === "ms" ? /^(\d{1,10})ms$/.exec(String(node))?.[1] : undefined;
  let value: number;
  try {
    value =
      milliseconds === undefined
        ? parseDuration(String(node)) * scale
        : Number.parseInt(milliseconds, 10);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  if (value < shape.least) return refuse(`is shorter than ${shape.least}${shape.unit}`);
  return value;
}

function readList(
  shape: ListShape,
  node: unknown,
  { path, reading, refuse }: Place,
): readonly unknown[] | undefined {
  const items = typeof node === "string" && mayBeCommas(shape) ? commaParts(node) : node;
  if (!Array.isArray(items)) return refuse("is not a list");
  if (items.length < shape.least) return refuse(`has fewer than ${shape.least} items`);
  if (items.length > shape.most) return refuse(`has more than ${shape.most} items`);
  const values = items.map((item: unknown, index) =>
    read(shape.of, item, `${path}[${index}]`, reading),
  );
  return values.includes(undefined) ? undefined : values;
}

function readMap(
  shape: MapShape,
  node: unknown,
  { path, reading, refuse }: Place,
): ReadonlyMap<string, unknown> | undefined {
  if (!isObject(node)) return refuse("is not a mapping");
  const entries = Object.entries(node);
  if (entries.length > shape.most) return refuse(`has more than ${shape.most} keys`);
  const values = new Map<string, unknown>();
  for (const [key, item] of entries) {
    const at = join(path, key);
    if (!new RegExp(shape.keyPattern, "u").test(key)) {
      reading.report(at, `the key does not have the form ${shape.keyPattern}`);
    }
    values.set(key, read(shape.of, item, at, reading));
  }
  return values;
}

/** @param path "" for the file itself */
export function readSection(
  fields: Fields,
  node: unknown,
  path: string,
  reading: Reading,
): Readonly<Record<string, unknown>> | undefined {
  const mapping = node === null && !hasRequired(fields) ? {} : node;
  if (!isObject(mapping)) {
    reading.report(path, "is not a mapping; write one 'key: value' a line");
    return undefined;
  }
  reportStrangers(fields, mapping, path, reading);
  const values: [string, unknown][] = [];
  for (const [key, field] of Object.entries(fields)) {
    const at = join(path, key);
    const value = Object.hasOwn(mapping, key)
      ? read(field.shape, mapping[key], at, reading)
      : readAbsent(field, at, reading);
    if (value !== undefined) values.push([key, value]);
  }
  return Object.fromEntries(values);
}

/** Keys of a mapping that are none of the section's, each with the nearest right one. */
export function reportStrangers(
  fields: Fields,
  mapping: Readonly<Record<string, unknown>>,
  path: string,
  { report }: Pick<Reading, "report">,
): void {
  const known = Object.keys(fields);
  let all = known.length === 0 ? "; there are none here" : `; known are ${known.join(", ")}`;
  for (const key of Object.keys(mapping)) {
    if (Object.hasOwn(fields, key)) continue;
    const meant = nearest(key, known);
    const hint = meant === undefined ? all : `; did you mean '${meant}'?`;
    // Once is enough.
    if (meant === undefined) all = "";
    report(join(path, key.slice(0, MAX_SHOWN)), `is unknown${hint}`);
  }
}

export function hasRequired(fields: Fields): boolean {
  return Object.values(fields).some(({ required }) => required === true);
}

/** The default, if it has one. */
function readAbsent(field: Field, path: string, reading: Reading): unknown {
  if (field.required === true) reading.report(path, "is missing");
  const node = defaultNode(field, reading.context);
  return node === undefined ? undefined : read(field.shape, node, path, reading);
}

/** Nothing written means nothing meant, unless the shape's own pattern takes it. */
export function mayBeEmpty({ pattern }: TextShape): boolean {
  return pattern !== undefined && new RegExp(pattern, "u").test("");
}

/** Whether a file may write the list as one text; a pattern of its items could not be checked by the schema. */
export function mayBeCommas({ of }: ListShape): boolean {
  return of.kind === "text" && of.pattern === undefined;
}

function commaParts(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function notText(node: unknown): string {
  if (node === null) return "has no value; leave it out or give it one";
  return typeof node === "object" ? "is not text" : "is not text; put it in quotes";
}

function shown(node: unknown): string {
  if (node === null) return "nothing";
  if (typeof node === "object") return Array.isArray(node) ? "a list" : "a mapping";
  const text = typeof node === "string" ? node : (JSON.stringify(node) ?? "nothing");
  return `'${text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text}'`;
}

const MAX_SHOWN = 64;
