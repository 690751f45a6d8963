import type { EpochSeconds } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import type { JwtClaims } from "./jws-parts.ts";

/** A NumericDate (RFC 7519 §2), which may have a fraction. @returns undefined when there is none @throws invalid */
export function numericDate(claims: JwtClaims, name: string): EpochSeconds | undefined {
  const value = claims[name];
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    throw fail("invalid", `token claim ${name} is not a time`);
  }
  return value;
}
