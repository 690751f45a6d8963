/** What values in an entry file may look like. Each throws `invalid` with the rule; the place is the caller's to name. */
import { fail } from "../../base/errors.ts";
import { parseDuration } from "../../config/settings/duration.ts";
import { canonicalSelectors, parseSelector } from "../../spiffe/selector.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";

export function readText(given: unknown): string {
  if (given === undefined) throw fail("invalid", "is missing");
  if (typeof given !== "string") throw fail("invalid", "is not text; put it in quotes");
  return given;
}

export function readTextOrNone(given: unknown): string {
  return given === undefined ? "" : readText(given);
}

export function readTexts(given: unknown): readonly string[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw fail("invalid", "is not a list");
  return given.map(readText);
}

export function readId(given: unknown): string {
  return SpiffeId.parse(readText(given)).toString();
}

/** In canonical order, at least one. */
export function readSelectors(given: unknown): readonly string[] {
  const selectors = canonicalSelectors(readTexts(given).map(parseSelector));
  if (selectors.length === 0) throw fail("invalid", "is missing");
  return selectors.map(({ type, value }) => `${type}:${value}`);
}

/** Sorted, each once. */
export function readTrustDomains(given: unknown): readonly string[] {
  const names = readTexts(given).map((each) =>
    each === "*" ? each : TrustDomain.parse(each).name,
  );
  return [...new Set(names)].sort();
}

export function readFlag(given: unknown): boolean {
  if (given === undefined) return false;
  if (typeof given !== "boolean") throw fail("invalid", "is neither true nor false");
  return given;
}

/** A duration as text, or seconds; nothing is 0. */
export function readSeconds(given: unknown): number {
  if (given === undefined) return 0;
  if (typeof given === "number" && Number.isSafeInteger(given) && given >= 0) return given;
  return parseDuration(readText(given));
}

/** Seconds since 1970; nothing is 0. */
export function readTime(given: unknown): number {
  if (given === undefined) return 0;
  const written = readText(given);
  const ms = TIME.test(written) ? Date.parse(written) : Number.NaN;
  if (Number.isNaN(ms)) throw fail("invalid", "is no time; write it as 2030-01-31T12:00:00Z");
  return Math.floor(ms / 1000);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/;
