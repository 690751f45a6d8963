import { fail } from "../../base/errors.ts";

/**
 * Parses `90`, `90s`, `5m`, `1h`, `2d` and joined forms such as `1h30m` into whole seconds.
 * @throws invalid
 */
export function parseDuration(text: string): number {
  if (/^\d{1,10}$/.test(text)) return bounded(Number(text));
  const parts = [...text.matchAll(/(\d{1,10})([smhd])/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text) {
    throw fail("invalid", `'${text.slice(0, 32)}' is no duration; write it as 90s, 5m, 1h or 2d`);
  }
  const seconds = parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * unitSeconds(unit),
    0,
  );
  return bounded(seconds);
}

/** The longest two units: `1h30m`, `45s`, `2d`. */
export function formatDuration(seconds: number): string {
  let left = Math.round(Math.abs(seconds));
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    left -= count * size;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? "0s" : parts.join("");
}

function bounded(seconds: number): number {
  if (seconds > MAX_SECONDS) throw fail("invalid", "a duration is longer than 100 years");
  return seconds;
}

function unitSeconds(unit: string | undefined): number {
  return UNITS.find(([name]) => name === unit)?.[1] ?? 1;
}

const UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
] as const;
export const MAX_SECONDS = 100 * 366 * 86_400;
