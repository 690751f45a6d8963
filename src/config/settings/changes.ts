import { isDeepStrictEqual } from "node:util";
import { fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import { type ReloadRule, type Setting, type SettingTable, camelCase } from "./setting.ts";
import type { Settings } from "./source.ts";

/** What differs between two readings of the same settings, by what that means to a running process. */
export interface SettingChanges {
  /** Names as a file has them. */
  readonly now: readonly string[];
  readonly start: readonly string[];
}

/** @throws precondition, naming every setting that differs and cannot change in a running process */
export function settingChanges<T extends SettingTable>(
  before: Settings<T>,
  after: Settings<T>,
  role: string,
): SettingChanges {
  const differing = (rule: ReloadRule | undefined): string[] =>
    Object.entries<Setting>(before.table).flatMap(([name, setting]) =>
      differencesOf(setting, before.get(name), after.get(name), camelCase(name)).filter(
        (path) => ruleOf(setting, path) === rule,
      ),
    );
  const fixed = differing(undefined);
  if (fixed.length > 0) {
    throw fail(
      "precondition",
      `${fixed.join(", ")} cannot change while the ${role} runs; restart it, or take ${fixed.length === 1 ? "that change" : "those changes"} back`,
    );
  }
  return { now: differing("now"), start: differing("start") };
}

function ruleOf({ reload, reloadParts = [] }: Setting, path: string): ReloadRule | undefined {
  const isPart = reloadParts.some((part) => path === part || path.startsWith(`${part}.`));
  return isPart ? "now" : reload;
}

/** Of one with parts, a part may be all that there is. */
function differencesOf(
  { reloadParts }: Setting,
  before: unknown,
  after: unknown,
  path: string,
): readonly string[] {
  if (reloadParts === undefined) return differences(before, after, path);
  return differences(before ?? {}, after ?? {}, path);
}

/** Where two values differ, not how they are written: 60m is 1h. Of sections the keys, of lists the whole. */
function differences(before: unknown, after: unknown, path: string): readonly string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isSection(before) || !isSection(after)) return [path];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
    differences(before[key], after[key], `${path}.${key}`),
  );
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && !(value instanceof Map);
}
