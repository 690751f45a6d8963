import type { EntryRecord, Writers } from "../datastore/contract.ts";

/**
 * Deletes the entry that a join token made for its agent (`JoinTokens.create`), a second ID of the agent itself; other
 * entries below the agent stay.
 * @returns what was deleted: one, or none
 */
export async function deleteTokenAliases(
  { entries }: Pick<Writers, "entries">,
  agentId: string,
): Promise<readonly EntryRecord[]> {
  const below = await entries.list({ parentId: agentId });
  const aliases = below.items.filter(({ selectors: [only, ...others] }) => {
    return only?.type === "spiffe_id" && only.value === agentId && others.length === 0;
  });
  for (const { id } of aliases) await entries.delete(id);
  return aliases;
}
