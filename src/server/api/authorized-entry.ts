import { fail } from "../../base/errors.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import { textField } from "./fields.ts";

/**
 * The entry that an agent names in `entry_id`, if it may have SVIDs of it.
 * @throws invalid; not_found when it may not, or the entry is a family and no identity
 */
export function authorizedEntry(
  entries: Pick<AuthorizedEntries, "find">,
  agentId: SpiffeId,
  entryId: string,
): EntryRecord {
  if (entryId === "") throw fail("invalid", "entry_id: is missing");
  const id = textField("entry_id", entryId, MAX_ENTRY_ID_LENGTH);
  const entry = entries.find(agentId.toString(), id);
  if (entry === undefined || entry.template !== undefined) {
    throw fail("not_found", "entry not found or not authorized");
  }
  return entry;
}

const MAX_ENTRY_ID_LENGTH = 255;
