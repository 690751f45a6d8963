/** What the server shows of foreign bundles: how old each is, and which are late. */
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { ReadinessCheck } from "../../observe/readiness.ts";
import type { RefreshStatus } from "./bundle-refresh.ts";
import type { BundleRefreshes } from "./bundle-refreshes.ts";

type Statuses = Pick<BundleRefreshes, "statuses">;

export function readFederation(metrics: Metrics, refreshes: Statuses): void {
  metrics.read(SERVER_METRICS.federatedAge, () =>
    shown(refreshes).map(({ source, ageMs }) => ({
      labels: [source.trustDomain],
      value: ageMs / 1000,
    })),
  );
  metrics.read(SERVER_METRICS.federatedFailures, () =>
    shown(refreshes).map(({ source, failures }) => ({
      labels: [source.trustDomain],
      value: failures,
    })),
  );
  metrics.read(SERVER_METRICS.federatedDomains, () => {
    const all = refreshes.statuses();
    const count = (is: (status: RefreshStatus) => boolean): number => all.filter(is).length;
    return [
      { labels: ["all"], value: all.length },
      { labels: ["failing"], value: count(({ failures }) => failures > 0) },
      { labels: ["late"], value: count(({ isLate }) => isLate) },
    ];
  });
}

/** No reason to think less of the server: its own domain is served as ever. */
export function federationAdvice(refreshes: Statuses): ReadinessCheck {
  return {
    name: "federation",
    isAdvice: true,
    missing: () => {
      const all = refreshes.statuses();
      const bad = all.filter(({ isLate, isEmpty }) => isLate || isEmpty);
      if (bad.length === 0) return undefined;
      const named = bad.slice(0, MAX_NAMED).map(complaint).join("; ");
      const rest = bad.length > MAX_NAMED ? `; and ${bad.length - MAX_NAMED} more` : "";
      return `${bad.length} of ${all.length} foreign bundles need a look: ${named}${rest}`;
    },
  };
}

function complaint({ source, isLate, ageMs, error }: RefreshStatus): string {
  if (!isLate) return `${source.trustDomain} has no authority that is valid`;
  const since = `${source.trustDomain} not fetched for ${Math.floor(ageMs / 1000)} s`;
  return error === undefined ? since : `${since} (${error})`;
}

/** The oldest, where there are more than a scrape should name. */
function shown(refreshes: Statuses): readonly RefreshStatus[] {
  const all = refreshes.statuses();
  if (all.length <= MAX_LABELS) return all;
  return all.toSorted((a, b) => b.ageMs - a.ageMs).slice(0, MAX_LABELS);
}

const MAX_NAMED = 3;
const MAX_LABELS = 500;
