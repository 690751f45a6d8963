import { type AssayError, errorFrom, fail, isKind } from "../../base/errors.ts";
import type { Channel } from "../../rpc/channel.ts";
import type { EntryRevision__Output } from "../../rpc/gen/spire/api/server/entry/v1/EntryRevision.ts";
import type { GetAuthorizedEntriesResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/GetAuthorizedEntriesResponse.ts";
import type { SyncAuthorizedEntriesRequest } from "../../rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts";
import type { SyncAuthorizedEntriesResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesResponse.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import { type Entry, entryVersion } from "../cache/entry.ts";
import { entryFromMessage } from "./messages.ts";

export interface FetchEntriesParams {
  readonly channel: Channel;
  readonly known: ReadonlyMap<string, Entry>;
  /** An entry that makes no sense is left out and told. */
  readonly onBadEntry: (id: string, error: AssayError) => void;
  readonly signal: AbortSignal;
}

/**
 * All entries the agent is authorized for. A server with many first sends ids and revisions only and is asked for what
 * is new; one without that method is asked for the whole list.
 */
export async function fetchEntries(
  params: FetchEntriesParams,
): Promise<ReadonlyMap<string, Entry>> {
  try {
    return await new EntrySync(params).run();
  } catch (error) {
    if (!isKind(error, "unsupported")) throw error;
  }
  const { channel, known, onBadEntry, signal } = params;
  const { entries } = await channel.unary<GetAuthorizedEntriesResponse__Output>(
    SERVICE,
    "GetAuthorizedEntries",
    { output_mask: ENTRY_MASK },
    { signal, deadlineMs: DEADLINE_MS },
  );
  const found = new Map<string, Entry>();
  for (const message of entries) keep(found, known, message, onBadEntry);
  return found;
}

class EntrySync {
  readonly #params: FetchEntriesParams;
  readonly #found = new Map<string, Entry>();

  constructor(params: FetchEntriesParams) {
    this.#params = params;
  }

  async run(): Promise<ReadonlyMap<string, Entry>> {
    const { channel, signal } = this.#params;
    using stream = channel.stream<
      SyncAuthorizedEntriesRequest,
      SyncAuthorizedEntriesResponse__Output
    >(SERVICE, "SyncAuthorizedEntries", { signal, deadlineMs: DEADLINE_MS });
    const answers = stream[Symbol.asyncIterator]();
    const next = async (): Promise<SyncAuthorizedEntriesResponse__Output> => {
      const { done, value } = await answers.next();
      if (done === true) throw fail("unavailable", "the server ended the sync before its answer");
      return value;
    };
    await stream.send({ output_mask: ENTRY_MASK });
    const needed: string[] = [];
    for (let more = true; more; ) {
      const answer = await next();
      for (const entry of answer.entries) this.#keep(entry);
      for (const revision of answer.entry_revisions) this.#note(revision, needed);
      more = answer.more;
    }
    needed.sort();
    for (let at = 0; at < needed.length; at += MAX_IDS) {
      await stream.send({ ids: needed.slice(at, at + MAX_IDS) });
      for (let more = true; more; ) {
        const answer = await next();
        for (const entry of answer.entries) this.#keep(entry);
        more = answer.more;
      }
    }
    stream.end();
    return this.#found;
  }

  #keep(message: Entry__Output): void {
    keep(this.#found, this.#params.known, message, this.#params.onBadEntry);
  }

  #note(message: EntryRevision__Output, needed: string[]): void {
    const known = this.#params.known.get(message.id);
    const version = entryVersion({
      createdAt: Number(message.created_at),
      revisionNumber: Number(message.revision_number),
    });
    if (known !== undefined && entryVersion(known) === version) this.#found.set(known.id, known);
    else needed.push(message.id);
  }
}

function keep(
  found: Map<string, Entry>,
  known: ReadonlyMap<string, Entry>,
  message: Entry__Output,
  onBadEntry: (id: string, error: AssayError) => void,
): void {
  try {
    const entry = entryFromMessage(message);
    const before = known.get(entry.id);
    const isSame = before !== undefined && JSON.stringify(before) === JSON.stringify(entry);
    found.set(entry.id, isSame ? before : entry);
  } catch (error) {
    onBadEntry(message.id, errorFrom(error));
  }
}

const ENTRY_MASK = {
  spiffe_id: true,
  selectors: true,
  federates_with: true,
  admin: true,
  downstream: true,
  revision_number: true,
  store_svid: true,
  hint: true,
  created_at: true,
  expires_at: true,
  additional_attributes: true,
  dns_names: true,
  x509_svid_ttl: true,
} as const;
const SERVICE = "spire.api.server.entry.v1.Entry";
const DEADLINE_MS = 60_000;
/** Ids in one request: some 40 bytes each, far below a message's 4 MiB. */
const MAX_IDS = 5000;
