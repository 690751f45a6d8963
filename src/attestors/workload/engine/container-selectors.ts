import { MAX_SELECTOR_VALUE, type Selector } from "../../../spiffe/selector.ts";
import type { ContainerDetails } from "./engine.ts";

/** Names of the selectors that an engine's containers have. */
export const CONTAINER_NAMES = ["label", "env", "image_id", "image_config_digest", "name"] as const;

export interface ContainerSelectors {
  readonly selectors: readonly Selector[];
  /** Names of which some values are left out, for being longer or more than can be served. */
  readonly leftOut: readonly string[];
}

/** SPIRE's selectors of its docker attestor, and the container's name. */
export function containerSelectors(
  type: string,
  prefix: string,
  details: ContainerDetails,
): ContainerSelectors {
  const values: (readonly [name: string, value: string])[] = [
    ["name", details.name],
    ["image_id", details.image],
    ["image_config_digest", details.imageDigest],
    ...[...details.labels].map(([key, value]) => ["label", `${key}:${value}`] as const),
    ...details.env.map((line) => ["env", line] as const),
  ];
  const leftOut = new Set<string>();
  const selectors: Selector[] = [];
  let room = MAX_CHARACTERS;
  for (const [name, text] of values) {
    if (text === "") continue;
    const value = `${prefix}${name}:${text}`;
    if (value.length > MAX_SELECTOR_VALUE || value.length > room) {
      leftOut.add(name);
    } else {
      selectors.push(Object.freeze({ type, value }));
      room -= value.length + OVERHEAD;
    }
  }
  return { selectors: Object.freeze(selectors), leftOut: [...leftOut] };
}

/** Of one container's selectors together, each with what it costs to hold. */
const MAX_CHARACTERS = 256 * 1024;
const OVERHEAD = 128;
