import type { Logger } from "../../observe/logger.ts";
import type { Entry } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { Status } from "../../rpc/gen/spire/api/types/Status.ts";
import { type CallContext, WARNINGS } from "../../rpc/service.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import type { BatchResult } from "../entries/entry-service.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { entryMessage } from "./messages.ts";

export interface WriteEachParams<M, T> {
  readonly messages: readonly M[];
  /** @throws what is wrong with the item, which then has that as its result */
  readonly convert: (message: M) => T;
  readonly write: (items: readonly T[]) => Promise<BatchResult<EntryRecord>[]>;
  readonly call: CallContext;
  readonly logger: Logger;
}

/** Each good item is written with the others; each has a result of its own, in order. */
export async function writeEach<M, T>(
  params: WriteEachParams<M, T>,
): Promise<{ status: Status; entry?: EntryRecord }[]> {
  const { messages, convert, write, call, logger } = params;
  const converted = messages.map((message) => {
    try {
      return { item: convert(message) };
    } catch (thrown) {
      return { error: itemStatus(thrown, logger) };
    }
  });
  const good = converted.flatMap((each) => ("item" in each ? [each.item] : []));
  const written = (good.length === 0 ? [] : await write(good)).values();
  const warned: string[] = [];
  const results = converted.map((each) => {
    if (each.error !== undefined) return { status: each.error };
    const { value: result } = written.next();
    if (result === undefined) throw new TypeError("a batch answers each of its items");
    if ("error" in result) {
      const { error, existing } = result;
      return { status: itemStatus(error, logger), ...(existing && { entry: existing }) };
    }
    for (const warning of result.warnings ?? []) {
      warned.push(`entry ${result.value.id}: ${warning}`);
      logger.warn("entry accepted with a warning", { entryId: result.value.id, warning });
    }
    return { status: OK_STATUS, entry: result.value };
  });
  if (warned.length > 0) call.store.set(WARNINGS, warned);
  return results;
}

/** Each with the entry that was written, or the one that stands in its way. */
export function writtenEntries(
  results: Awaited<ReturnType<typeof writeEach>>,
  shown: (entry: EntryRecord) => Entry = (entry) => entryMessage(entry, null),
) {
  return results.map(({ status, entry }) => ({
    status,
    ...(entry !== undefined && { entry: shown(entry) }),
  }));
}

/** Each with the id that its message names. */
export function writtenIds(
  results: Awaited<ReturnType<typeof writeEach>>,
  messages: readonly { readonly id: string }[],
) {
  return results.map(({ status }, index) => ({ status, id: messages[index]?.id ?? "" }));
}
