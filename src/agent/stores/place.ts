import { fail } from "../../base/errors.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Place } from "./contract.ts";

/**
 * Where an entry's selectors have its SVID go.
 * @throws invalid when they are of several types, or name something twice or without a value
 */
export function placeOf(selectors: readonly Selector[]): {
  readonly store: string;
  readonly place: Place;
} {
  const store = selectors[0]?.type;
  if (store === undefined || selectors.some(({ type }) => type !== store)) {
    throw fail("invalid", "the selectors of an entry with a stored SVID are not all of one type");
  }
  const place = new Map<string, string>();
  for (const { value } of selectors) {
    const at = value.indexOf(":");
    const [name, text] = at < 0 ? [value, ""] : [value.slice(0, at), value.slice(at + 1)];
    if (text === "") throw fail("invalid", `selector ${store}:${name} has no value`);
    if (place.has(name)) throw fail("invalid", `selector ${store}:${name} stands there twice`);
    place.set(name, text);
  }
  return { store, place };
}

/** Equal for the same place. */
export function placeKey(store: string, place: Place): string {
  return JSON.stringify([store, ...[...place].sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/**
 * The values that a store needs, each of its form.
 * @throws invalid, naming the selector
 */
export function valuesOf<Name extends string>(
  store: string,
  place: Place,
  forms: Readonly<Record<Name, RegExp>>,
): Readonly<Record<Name, string>> {
  const stray = [...place.keys()].find((name) => !Object.hasOwn(forms, name));
  if (stray !== undefined) throw fail("invalid", `selector type ${store} has no '${stray}'`);
  const values: [string, string][] = [];
  for (const [name, form] of Object.entries<RegExp>(forms)) {
    const value = place.get(name);
    if (value === undefined) throw fail("invalid", `selector ${store}:${name} is missing`);
    if (!form.test(value)) throw fail("invalid", `selector ${store}:${name} has no such value`);
    values.push([name, value]);
  }
  // Every name of the forms was given a value.
  return Object.fromEntries(values) as Record<Name, string>;
}
