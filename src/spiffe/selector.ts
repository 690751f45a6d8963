import { fail } from "../base/errors.ts";

/** A fact about a node or workload, `type:value`, as an attestor emits it and an entry demands it. */
export interface Selector {
  readonly type: string;
  readonly value: string;
}

/** Parses `type:value`; the value may hold further colons. @throws invalid */
export function parseSelector(text: string): Selector {
  const colon = text.indexOf(":");
  if (colon < 0) {
    throw fail("invalid", `selector '${clip(text)}' has no colon; write it as type:value`);
  }
  return checkSelector({ type: text.slice(0, colon), value: text.slice(colon + 1) });
}

/** @throws invalid */
export function checkSelector(selector: Selector): Selector {
  if (selector.type === "") throw fail("invalid", "selector type is missing");
  if (selector.type.includes(":")) throw fail("invalid", "selector type contains ':'");
  if (selector.value === "") throw fail("invalid", "selector value is missing");
  if (selector.type.length > MAX_TYPE) {
    throw fail("invalid", `selector type is longer than ${MAX_TYPE} characters`);
  }
  if (selector.value.length > MAX_SELECTOR_VALUE) {
    throw fail("invalid", `selector value is longer than ${MAX_SELECTOR_VALUE} characters`);
  }
  return selector;
}

/** Whether a value that an attestor found can be one of a selector that people read: short enough, all in print. */
export function isPrintableValue(value: string): boolean {
  return value.length <= MAX_SELECTOR_VALUE && !CONTROL.test(value);
}

/** As people write it, `type:value`. */
export function formatSelector(selector: Selector): string {
  return `${selector.type}:${selector.value}`;
}

/** Sorted by type, then value, without repetitions: two equal sets have equal lists. */
export function canonicalSelectors(selectors: readonly Selector[]): Selector[] {
  const byText = new Map(selectors.map((selector) => [formatSelector(selector), selector]));
  return [...byText.values()].sort((a, b) => compare(a.type, b.type) || compare(a.value, b.value));
}

/** Identifies a set of selectors, whatever order it came in. That of a frozen array is worked out once. */
export function selectorSetKey(selectors: readonly Selector[]): string {
  const known = keys.get(selectors);
  if (known !== undefined) return known;
  const key = makeKey(selectors);
  if (Object.isFrozen(selectors)) keys.set(selectors, key);
  return key;
}

const keys = new WeakMap<readonly Selector[], string>();

function makeKey(selectors: readonly Selector[]): string {
  return canonicalSelectors(selectors)
    .map(
      (selector) =>
        `${selector.type.length}:${selector.type}${selector.value.length}:${selector.value}`,
    )
    .join("");
}

/** By code unit, so that the order is the same in every locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function clip(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}...` : text;
}

const MAX_TYPE = 255;
/** Of a selector's value, characters. */
export const MAX_SELECTOR_VALUE = 4096;
const CONTROL = /\p{Cc}/u;
