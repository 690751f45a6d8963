import { formatDuration } from "../../config/settings/duration.ts";

/** `name   value` lines with the values in one column; values that are undefined are left out. */
export function factLines(
  facts: readonly (readonly [name: string, value: string | undefined])[],
  indent = "",
): string[] {
  const shown = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}`);
}

/** `2026-11-22T16:19:51Z (in 1h)`. */
export function timeText(epochSeconds: number, nowMs: number): string {
  const delta = epochSeconds - Math.round(nowMs / 1000);
  const relative =
    delta === 0
      ? "now"
      : delta > 0
        ? `in ${formatDuration(delta)}`
        : `${formatDuration(delta)} ago`;
  return `${isoTime(epochSeconds)} (${relative})`;
}

export function isoTime(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace(".000Z", "Z");
}
