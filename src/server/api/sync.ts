import type { Clock } from "../../base/clock.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import type { StreamContext } from "../../rpc/service.ts";
import type { SyncAuthorizedEntriesRequest__Output } from "../../rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts";
import type { SyncAuthorizedEntriesResponse } from "../../rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesResponse.ts";
import { entryMessage } from "./messages.ts";
import { withDomainNames, withDomainRevision } from "../entries/every-domain.ts";
import { fail } from "../../base/errors.ts";
import { nextRequest } from "./next-request.ts";

export interface SyncOptions {
  readonly clock: Clock;
  readonly stopping: AbortSignal;
  /** Entries or revisions in one message; SPIRE's size unless given. */
  readonly pageSize?: number;
  /** What `*` stands for. */
  readonly domainNames?: readonly string[];
}

type SyncCall = StreamContext<SyncAuthorizedEntriesRequest__Output, SyncAuthorizedEntriesResponse>;

/**
 * Tells an agent its entries: few of them whole and at once; many as bare revisions, whereupon the agent asks for
 * those that it does not have. Every answer is paged, `more` says that another page of it follows.
 */
export async function syncAuthorizedEntries(
  call: SyncCall,
  records: readonly EntryRecord[],
  { clock, stopping, pageSize = PAGE_SIZE, domainNames = [] }: SyncOptions,
): Promise<void> {
  const requests = call.requests[Symbol.asyncIterator]();
  const next = () => nextRequest(requests, { clock, stopping, timeoutMs: MESSAGE_TIMEOUT_MS });
  const first = await next();
  if (first === undefined) throw fail("invalid", "the stream ended before its first message");
  const { ids, output_mask: mask } = first;
  if (ids.length > 0) throw fail("invalid", "ids: cannot be in the first message");
  if (mask !== null && !mask.revision_number) {
    throw fail("invalid", "output_mask: revision_number cannot be masked");
  }
  const messageOf = (entry: EntryRecord) => entryMessage(entry, mask);
  if (records.length <= pageSize) {
    const named = records.map((entry) => withDomainNames(entry, domainNames));
    await call.send({ entries: named.map(messageOf) });
    return;
  }
  const entries = records.map((entry) => withDomainRevision(entry, domainNames));
  for (const { items, more } of pages(entries, pageSize)) {
    await call.send({ entry_revisions: items.map(revisionOf), more });
  }
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  for (let request = await next(); request !== undefined; request = await next()) {
    const asked = [...new Set(request.ids)].sort().flatMap((id) => byId.get(id) ?? []);
    for (const { items, more } of pages(asked, pageSize)) {
      await call.send({ entries: items.map(messageOf), more });
    }
  }
}

/** At least one page, so that every request has its answer. */
function* pages<T>(items: readonly T[], size: number): Generator<{ items: T[]; more: boolean }> {
  let at = 0;
  do {
    const page = items.slice(at, at + size);
    at += size;
    yield { items: page, more: at < items.length };
  } while (at < items.length);
}

function revisionOf({ id, revisionNumber, createdAt }: EntryRecord) {
  return { id, revision_number: revisionNumber, created_at: createdAt };
}

const PAGE_SIZE = 500;
/** An agent that reads its pages slowly is well within it; one that is gone is not kept for long. */
const MESSAGE_TIMEOUT_MS = 60_000;
