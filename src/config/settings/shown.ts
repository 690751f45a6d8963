import { isObject } from "../../base/is-object.ts";
import type { PathContext } from "../paths.ts";
import { defaultNode } from "./read-value.ts";
import { type SettingTable, camelCase } from "./setting.ts";
import type { Shape } from "./shape.ts";
import type { Origin, Settings } from "./source.ts";

/** One value of a configuration, for people and for pipelines. */
export interface ShownValue {
  /** As an error would call it: `nodeAttestors.oidc.issuers[0].url`. */
  readonly path: string;
  /** As it would stand in a file; absent for secrets and for what is not set. */
  readonly value?: unknown;
  /** Of secrets it is only said that they are there. */
  readonly isSecret: boolean;
  /** `unset`: there is no value and no default. */
  readonly from: Origin | "unset";
  /** What holds without a value, in words. */
  readonly fallback?: string;
}

/**
 * The whole configuration, value by value, defaults of nested sections included.
 * @param settings already checked
 */
export function shownValues(
  settings: Settings<SettingTable>,
  context: PathContext,
): readonly ShownValue[] {
  return Object.entries(settings.table).flatMap(([name, setting]) => {
    const path = camelCase(name);
    const from = settings.origin(name);
    if (from !== undefined) {
      return leaves({ shape: setting.shape, node: settings.node(name), path, from }, context);
    }
    return [unset(path, setting.shape, setting.fallback)];
  });
}

/** A sentence about secrets in a file that every user of the host may read; undefined where there is none. */
export function exposedSecrets(
  settings: Settings<SettingTable>,
  context: PathContext,
): string | undefined {
  const { file } = settings;
  if (file?.isPublic !== true) return undefined;
  const secrets = shownValues(settings, context).filter(
    ({ isSecret, from }) => isSecret && from === "file",
  );
  if (secrets.length === 0) return undefined;
  const names = secrets.map(({ path }) => path).join(", ");
  return `${names} in ${file.name}: every user of this host can read it; run 'chmod o-r ${file.name}'`;
}

/** A value as a file would have it, where it stands, and where it was said. */
interface Written {
  readonly shape: Shape;
  readonly node: unknown;
  readonly path: string;
  readonly from: Origin;
}

function leaves(written: Written, context: PathContext): readonly ShownValue[] {
  const entries = parts(written, context)?.flatMap((part) => leaves(part, context));
  if (entries !== undefined && entries.length > 0) return entries;
  const { shape, node, path, from } = written;
  const isSecret = shape.kind === "text" && shape.secret === true;
  return [{ path, ...(isSecret ? {} : { value: node ?? {} }), isSecret, from }];
}

/** Undefined for what has no parts. */
function parts(
  { shape, node, path, from }: Written,
  context: PathContext,
): readonly Written[] | undefined {
  if (shape.kind === "list" && Array.isArray(node) && isNested(shape.of)) {
    const items: readonly unknown[] = node;
    return items.map((item, index) => ({
      shape: shape.of,
      node: item,
      path: `${path}[${index}]`,
      from,
    }));
  }
  if (shape.kind === "map" && isObject(node)) {
    return Object.entries(node).map(([key, item]) => ({
      shape: shape.of,
      node: item,
      path: `${path}.${key}`,
      from,
    }));
  }
  if (shape.kind !== "section") return undefined;
  const mapping = isObject(node) ? node : {};
  return Object.entries(shape.fields).flatMap(([key, field]): Written[] => {
    const at = { shape: field.shape, path: `${path}.${key}` };
    if (Object.hasOwn(mapping, key)) return [{ ...at, node: mapping[key], from }];
    const given = defaultNode(field, context);
    return given === undefined ? [] : [{ ...at, node: given, from: "default" }];
  });
}

/** Lists of texts and numbers are one value; what is secret in a list is not. */
function isNested(shape: Shape): boolean {
  return (
    shape.kind === "section" ||
    shape.kind === "map" ||
    shape.kind === "list" ||
    (shape.kind === "text" && shape.secret === true)
  );
}

function unset(path: string, shape: Shape, fallback: string | undefined): ShownValue {
  return {
    path,
    isSecret: shape.kind === "text" && shape.secret === true,
    from: "unset",
    ...(fallback === undefined ? {} : { fallback }),
  };
}
