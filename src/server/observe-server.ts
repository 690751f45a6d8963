/** What the server shows of itself: readings for metrics, and what it takes to be ready. */
import type { Clock } from "../base/clock.ts";
import { SERVER_METRICS } from "../observe/metric-names.ts";
import type { Metrics } from "../observe/metrics.ts";
import { readProcess } from "../observe/process-metrics.ts";
import { Readiness, type ReadinessCheck } from "../observe/readiness.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import type { AuthoritySet } from "./ca/authority-set.ts";
import type { Datastore } from "./datastore/contract.ts";
import type { KeyManager } from "./keymanager/contract.ts";

export interface ReadServerParams {
  readonly clock: Clock;
  readonly version: string;
  readonly trustDomain: string;
  readonly authorities: ShownAuthorities;
  /** Beside it. */
  readonly otherSets: readonly Pick<ShownAuthorities, "warnings">[];
  /** Why an upstream could not be asked, while that is so. */
  readonly upstreamTrouble: () => string | undefined;
  readonly auditLog: Pick<AuditLog, "lastSeq" | "failing">;
  readonly keyManager: Pick<KeyManager, "problem">;
  readonly revision: () => number;
  /** How many of each are held in memory. */
  readonly entries: () => number;
  readonly nodes: () => number;
  /** Agents on the stream of changes. */
  readonly followers: () => number;
}

type ShownAuthorities = Pick<
  AuthoritySet,
  "activeX509" | "activeJwt" | "upstreamName" | "upstreamNotAfter" | "warnings" | "troubles"
>;

export function readServer(metrics: Metrics, params: ReadServerParams): void {
  const { clock, trustDomain, authorities, auditLog, revision, version } = params;
  const { started, uptime } = SERVER_METRICS;
  readProcess(metrics, { clock, version, trustDomain, started, uptime });
  const secondsUntil = (end: number): number => end - clock.nowMs() / 1000;
  metrics.read(SERVER_METRICS.authorityExpiration, () => [
    { labels: [trustDomain], value: authorities.activeX509().notAfter },
  ]);
  metrics.read(SERVER_METRICS.authorityTtl, () => [
    { labels: [trustDomain], value: secondsUntil(authorities.activeX509().notAfter) },
  ]);
  // 0 when none can sign: an alarm is to hear of that, and of the other kind all the same. Why is what readiness says.
  const secondsLeft = (active: () => { readonly notAfter: number }): number => {
    try {
      return secondsUntil(active().notAfter);
    } catch {
      return 0;
    }
  };
  metrics.read(SERVER_METRICS.authoritySecondsLeft, () => [
    { labels: ["x509"], value: secondsLeft(() => authorities.activeX509()) },
    { labels: ["jwt"], value: secondsLeft(() => authorities.activeJwt()) },
  ]);
  const upstream = authorities.upstreamName;
  metrics.read(SERVER_METRICS.upstreamSecondsLeft, () => {
    const end = authorities.upstreamNotAfter;
    return end === undefined ? [] : [{ labels: [upstream], value: secondsUntil(end) }];
  });
  metrics.read(SERVER_METRICS.upstreamFailing, () => {
    const failing = params.upstreamTrouble() !== undefined || authorities.troubles.length > 0;
    return [{ labels: [upstream], value: failing ? 1 : 0 }];
  });
  metrics.read(SERVER_METRICS.warnings, () => [
    {
      labels: [],
      value: [authorities, ...params.otherSets].flatMap((set) => set.warnings()).length,
    },
  ]);
  metrics.read(SERVER_METRICS.auditRecords, () => [{ labels: [], value: auditLog.lastSeq }]);
  const { keyManager } = params;
  if (keyManager.problem !== undefined) {
    metrics.read(SERVER_METRICS.keyManagerFailing, () => [
      { labels: [], value: keyManager.problem?.() === undefined ? 0 : 1 },
    ]);
  }
  metrics.read(SERVER_METRICS.auditFailing, () => [
    { labels: [], value: auditLog.failing ? 1 : 0 },
  ]);
  metrics.read(SERVER_METRICS.revision, () => [{ labels: [], value: revision() }]);
  for (const name of ["entries", "nodes", "followers"] as const) {
    metrics.read(SERVER_METRICS[name], () => [{ labels: [], value: params[name]() }]);
  }
  metrics.declare(SERVER_METRICS.signedX509);
  metrics.declare(SERVER_METRICS.signedJwt);
}

export interface ServerReadinessParams {
  readonly datastore: Pick<Datastore, "tokens">;
  readonly authorities: ShownAuthorities;
  readonly upstreamTrouble: () => string | undefined;
  readonly auditLog: Pick<AuditLog, "failing">;
  readonly keyManager: Pick<KeyManager, "list" | "problem">;
  readonly clock: Clock;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

export function serverReadiness(params: ServerReadinessParams): Readiness {
  const { datastore, authorities, auditLog, keyManager, clock, stopping } = params;
  const alive = (notAfter: number): string | undefined =>
    notAfter * 1000 > clock.nowMs() ? undefined : "the active authority has ended";
  const warnings = (): readonly string[] => {
    const trouble = params.upstreamTrouble();
    return [
      // That there is no authority is what the check of it says.
      ...(canSign(authorities) ? authorities.warnings() : []),
      ...authorities.troubles.map((why) => `no successor for an authority: ${why}`),
      ...(trouble === undefined ? [] : [`roots of the upstream authority: ${trouble}`]),
    ];
  };
  return new Readiness(clock, [
    { name: "listeners", missing: () => (stopping.aborted ? "the server is stopping" : undefined) },
    {
      name: "datastore",
      missing: async () => {
        await datastore.tokens.get("readiness");
        return undefined;
      },
    },
    { name: "x509 authority", missing: () => alive(authorities.activeX509().notAfter) },
    { name: "jwt authority", missing: () => alive(authorities.activeJwt().notAfter) },
    {
      name: "audit log",
      missing: () =>
        auditLog.failing ? "it cannot be written; free space on the disk" : undefined,
    },
    ...keyManagerCheck(keyManager),
    {
      name: "upstream authority",
      isAdvice: true,
      missing: () => {
        const sentences = warnings();
        return sentences.length === 0 ? undefined : sentences.join("; ");
      },
    },
  ]);
}

function canSign(authorities: Pick<ShownAuthorities, "activeX509">): boolean {
  try {
    authorities.activeX509();
    return true;
  } catch {
    return false; // that is all there is to know
  }
}

/** Only one whose keys are elsewhere can be away. It is asked, as nobody else may do so while the server is not ready. */
function keyManagerCheck(
  keyManager: Pick<KeyManager, "list" | "problem">,
): readonly ReadinessCheck[] {
  if (keyManager.problem === undefined) return [];
  const missing = async (): Promise<string | undefined> => {
    if (keyManager.problem?.() === undefined) return undefined;
    await keyManager.list();
    return keyManager.problem?.();
  };
  return [{ name: "key manager", missing }];
}
