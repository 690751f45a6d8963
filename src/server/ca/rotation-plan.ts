/**
 * When an authority's successor is prepared and activated, as pure arithmetic. All numbers are seconds.
 */
import type { EpochSeconds } from "../../base/clock.ts";

export interface RotationPlanParams {
  /** The authority's whole life. */
  readonly life: number;
  /** The longest SVID that a profile lets it sign. */
  readonly longestTtl: number;
  /** Added to the longest SVID: clock skew and the time between two looks at the clock. */
  readonly margin: number;
  /** The most that the successor is published before it signs. */
  readonly lead?: number;
}

/** Thresholds on the authority's remaining life. */
export interface RotationPlan {
  /** The successor is made and published when no more than this remains. */
  readonly prepareAt: number;
  /** The successor starts to sign when no more than this remains; below `prepareAt` by at least `lead`. */
  readonly activateAt: number;
  /** How long the successor is in everyone's bundle before it signs. */
  readonly lead: number;
  /** The longest SVID that is never cut short by the authority's end. */
  readonly reach: number;
  /** How long after its end the authority stays in the bundle. */
  readonly grace: number;
}

/**
 * SPIRE's fractions (prepare at min(life/2, 30 d), activate at min(life/6, 7 d)) bind only as far as no SVID is cut
 * short by them: the successor is active before the remaining life falls below the longest SVID plus margin, and that
 * even when it has to wait a lead longer (`shouldActivate`). That has an end at two thirds of the life, where
 * authorities follow each other so fast that bundles would grow; what a profile wants beyond it is cut, and `reach`
 * tells.
 */
export function planRotation(params: RotationPlanParams): RotationPlan {
  const { life, longestTtl, margin } = params;
  const lead = Math.min(params.lead ?? PUBLISH_LEAD, Math.floor(life / 6));
  const wanted = Math.max(Math.min(life / 6, 7 * DAY), longestTtl + margin + lead);
  const activateAt = Math.floor(Math.min(wanted, (life * 2) / 3));
  const prepareAt = Math.floor(Math.max(Math.min(life / 2, 30 * DAY), activateAt + lead));
  const reach = Math.max(0, activateAt - lead - margin);
  return { prepareAt, activateAt, lead, reach, grace: Math.min(DAY, life) };
}

export interface Lifetime {
  readonly createdAt: EpochSeconds;
  readonly notAfter: EpochSeconds;
}

export function lifeOf(authority: Lifetime): number {
  return Math.max(1, authority.notAfter - authority.createdAt);
}

/** Whether the successor is due to be made. */
export function shouldPrepare(plan: RotationPlan, active: Lifetime, now: EpochSeconds): boolean {
  return active.notAfter - now <= plan.prepareAt;
}

/**
 * Whether the successor is due to sign: late enough in the active one's life and published long enough, by a server
 * that could be asked for it since `servingSince`. An agent that never saw the authority that signs the server's own
 * certificate is shut out for good, so a server that went away right after publishing begins to count anew, for one lead
 * at most. When the active one is all but over (a server that was down for long), signing with a root that has not
 * reached everyone is better than not signing.
 */
export function shouldActivate(
  plan: RotationPlan,
  active: Lifetime,
  prepared: Lifetime,
  { now, servingSince }: { readonly now: EpochSeconds; readonly servingSince: EpochSeconds },
): boolean {
  const remaining = active.notAfter - now;
  if (remaining > plan.activateAt) return false;
  if (remaining <= plan.lead / 4) return true;
  const counts = remaining > plan.activateAt - plan.lead ? servingSince : prepared.createdAt;
  return now - Math.max(counts, prepared.createdAt) >= plan.lead;
}

const DAY = 24 * 3600;
/** More than three refresh hints of a federated domain (300 s each) and an agent's sync. */
const PUBLISH_LEAD = 3 * 300 + 60;
