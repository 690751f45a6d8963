import type { EpochSeconds } from "../../base/clock.ts";
import type { Selector } from "../../spiffe/selector.ts";

/** In place of a trust domain's name: every foreign domain whose bundle the server has. */
export const EVERY_DOMAIN = "*";

/** What the server is told of a member; it makes the SPIFFE ID of it by itself. */
export interface Member {
  readonly entryId: string;
  readonly values: readonly { readonly variable: string; readonly value: string }[];
  /** The workload's; there unless the template trusts the agent. */
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
}

/** A registration entry as the agent needs it. */
export interface Entry {
  readonly id: string;
  readonly spiffeId: string;
  readonly selectors: readonly Selector[];
  /** Trust domain names, or `EVERY_DOMAIN`. */
  readonly federatesWith: readonly string[];
  readonly hint: string;
  readonly admin: boolean;
  readonly downstream: boolean;
  readonly storeSvid: boolean;
  /** Another name of agents, for entries to have as their parent: no workload can match it. */
  readonly isNodeAlias: boolean;
  readonly disableX509SvidPrefetch: boolean;
  readonly jwtSvidIncludeJti: boolean;
  /** Of the SVIDs that the server signs for it. */
  readonly dnsNames: readonly string[];
  /** Of its X.509-SVIDs, seconds; 0 = the server's default. */
  readonly x509SvidTtl: number;
  readonly revisionNumber: number;
  /** Epoch seconds; 0 where the server does not say. */
  readonly createdAt: number;
  /** Epoch seconds from which on it gives nothing; 0 = never. */
  readonly expiresAt: number;
  /** The SPIFFE ID is a prefix then, and nobody's: workloads match members of the family. */
  readonly template?: { readonly id: string; readonly trustAgent: boolean };
  /** Of which family this is a member; such an entry is made here and not told by the server. */
  readonly member?: Member;
}

export function isExpired({ expiresAt }: Entry, now: EpochSeconds): boolean {
  return expiresAt !== 0 && expiresAt <= now;
}

/** Changes whenever an SVID made for the entry is out of date: an id may be used again for another entry. */
export function entryVersion(entry: Pick<Entry, "createdAt" | "revisionNumber">): string {
  return `${entry.createdAt}.${entry.revisionNumber}`;
}

/**
 * True for one update that leaves all as it was that stands in an X.509-SVID, and those who get it: the one made for
 * `before` is what the server would make for `after`. An update that changes nothing to be seen has a reason that is
 * not told here (an operator wants new ones), and so may several at once: then false.
 */
export function hasSameSvid(before: Entry, after: Entry): boolean {
  const { revisionNumber } = after;
  return (
    before.createdAt === after.createdAt &&
    before.revisionNumber + 1 === revisionNumber &&
    before.spiffeId === after.spiffeId &&
    // Others get the identity then: not with a key that those before them had.
    JSON.stringify(before.selectors) === JSON.stringify(after.selectors) &&
    before.x509SvidTtl === after.x509SvidTtl &&
    before.dnsNames.join() === after.dnsNames.join() &&
    JSON.stringify({ ...before, revisionNumber }) !== JSON.stringify(after)
  );
}

/** By creation, then id: the order SVIDs are handed out in, stable across messages and restarts. */
export function compareEntries(a: Entry, b: Entry): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Of entries with the same hint only the oldest is kept (SPIFFE Workload API §5.2); no hint is no duplicate. */
export function withoutDuplicateHints(ordered: readonly Entry[]): readonly Entry[] {
  const hints = new Set<string>();
  return ordered.filter((entry) => {
    if (entry.hint === "") return true;
    if (hints.has(entry.hint)) return false;
    hints.add(entry.hint);
    return true;
  });
}
