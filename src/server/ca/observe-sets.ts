/** What is shown of the authority sets beside the trust domain's own: readings for metrics, and sentences for health. */
import type { Clock } from "../../base/clock.ts";
import { errorFrom } from "../../base/errors.ts";
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Readiness } from "../../observe/readiness.ts";
import type { AuthoritySet } from "./authority-set.ts";

export type ShownSet = Pick<AuthoritySet, "name" | "activeX509" | "warnings" | "troubles">;

/** No set keeps the server from being ready: agents and their workloads need none of them. */
export function observeSets(
  sets: readonly ShownSet[],
  { metrics, readiness, clock }: { metrics: Metrics; readiness: Readiness; clock: Clock },
): void {
  if (sets.length === 0) return;
  metrics.read(SERVER_METRICS.setSecondsLeft, () =>
    sets.flatMap((set) => {
      const end = endOf(set);
      return typeof end === "number"
        ? [{ labels: [set.name], value: end - clock.nowMs() / 1000 }]
        : [];
    }),
  );
  metrics.read(SERVER_METRICS.setFailing, () =>
    sets.map((set) => ({
      labels: [set.name],
      value: typeof endOf(set) === "string" || set.troubles.length > 0 ? 1 : 0,
    })),
  );
  readiness.add({
    name: "authority sets",
    isAdvice: true,
    missing: () => {
      const sentences = sets.flatMap(sentencesOf);
      return sentences.length === 0 ? undefined : sentences.join("; ");
    },
  });
}

function sentencesOf(set: ShownSet): readonly string[] {
  const warnings = set.warnings();
  const end = endOf(set);
  return [
    ...warnings,
    // Where it is an operator who is waited for, the warning says so already.
    ...(typeof end === "string" && warnings.length === 0 ? [end] : []),
    ...set.troubles.map((why) => `no successor for an authority of set '${set.name}': ${why}`),
  ];
}

/** Epoch seconds, or why none can sign. */
function endOf(set: ShownSet): number | string {
  try {
    return set.activeX509().notAfter;
  } catch (thrown) {
    return errorFrom(thrown).message;
  }
}
