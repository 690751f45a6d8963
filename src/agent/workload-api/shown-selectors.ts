import { type Selector, formatSelector } from "../../spiffe/selector.ts";

/**
 * A caller's selectors for a log line, bounded. What environment variables hold is left out: containers are given their
 * passwords that way, and a log is read by more people than may ask the engine.
 */
export function shownSelectors(selectors: readonly Selector[]): readonly string[] {
  const shown = selectors.slice(0, MAX_SHOWN).map((selector) => clip(withoutSecret(selector)));
  const more = selectors.length - shown.length;
  return more === 0 ? shown : [...shown, `and ${more} more`];
}

function withoutSecret(selector: Selector): string {
  const text = formatSelector(selector);
  return ENVIRONMENT.exec(text)?.[1] ?? text;
}

function clip(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}...` : text;
}

/** `docker:env:NAME=value`, `podman:user:1000:env:NAME=value`: all that stands before the value. */
const ENVIRONMENT = /^((?:docker|podman):(?:user:\d+:)?env:[^=]*)/;
const MAX_SHOWN = 64;
const MAX_LENGTH = 256;
