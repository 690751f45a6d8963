import type { GetPartsResponse } from "./gen/assay/health/v1/GetPartsResponse.ts";

/** Something without which a process is of no use. */
export interface HealthPart {
  readonly name: string;
  /** Undefined when all is well. */
  readonly missing: string | undefined;
}

/** As assay.health.v1 has them. */
export function partsMessage(parts: readonly HealthPart[], withReasons: boolean): GetPartsResponse {
  return {
    parts: parts.map(({ name, missing }) => ({
      name,
      serving: missing === undefined,
      reason: withReasons ? (missing ?? "") : "",
    })),
  };
}
