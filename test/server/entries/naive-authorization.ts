import type { EntryRecord, NodeRecord } from "../../../src/server/datastore/contract.ts";

/** The rules of authorization once more, as plainly as they can be said: the index's second opinion. */
export function naiveView(
  agentId: string,
  entries: readonly EntryRecord[],
  nodes: readonly NodeRecord[],
  now: number,
): EntryRecord[] {
  const live = entries.filter(({ expiresAt }) => expiresAt === 0 || expiresAt > now);
  const own = new Set([`spiffe_id:${agentId}`]);
  for (const { type, value } of nodes.find(({ spiffeId }) => spiffeId === agentId)?.selectors ??
    []) {
    if (type !== "spiffe_id") own.add(`${type}:${value}`);
  }
  const isAlias = ({ parentId }: EntryRecord): boolean => parentId.endsWith("/spire/server");
  const reached = new Set([agentId]);
  for (const alias of live.filter(isAlias)) {
    if (alias.selectors.every(({ type, value }) => own.has(`${type}:${value}`))) {
      reached.add(alias.spiffeId);
    }
  }
  const found = new Set<EntryRecord>();
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const entry of live) {
      if (isAlias(entry) || !reached.has(entry.parentId)) continue;
      found.add(entry);
      reached.add(entry.spiffeId);
    }
  }
  return [...found].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}
