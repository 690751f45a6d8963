import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { BatchResult, EntryService } from "../entries/entry-service.ts";
import type { Clock } from "../../base/clock.ts";
import type { EntryHandlers } from "../../rpc/gen/spire/api/server/entry/v1/Entry.ts";
import type { EntryMask__Output } from "../../rpc/gen/spire/api/types/EntryMask.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import { type CallContext, type Implementation, WARNINGS } from "../../rpc/service.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { MAX_BATCH, atMost, pageField } from "./fields.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { agentOf } from "../endpoints/caller.ts";
import { draftFields, patchFields } from "./entry-fields.ts";
import { entryFilter } from "./filters.ts";
import { entryMessage } from "./messages.ts";
import { syncAuthorizedEntries } from "./sync.ts";

export interface EntryApiDeps {
  readonly entries: EntryService;
  readonly authorizedEntries: Pick<AuthorizedEntries, "forAgent">;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** `spire.api.server.entry.v1.Entry`. */
export function entryApi(deps: EntryApiDeps): Implementation<EntryHandlers> {
  const { entries, authorizedEntries, trustDomain, logger } = deps;

  /** Without its template an entry would pass for an identity. */
  const plainEntries = (agentId: string): readonly EntryRecord[] =>
    authorizedEntries.forAgent(agentId).filter(({ template }) => template === undefined);

  const itemResult = (
    result: BatchResult<EntryRecord>,
    mask: EntryMask__Output | null,
    warned: string[],
  ) => {
    if ("value" in result) {
      for (const warning of result.warnings ?? []) {
        warned.push(`entry ${result.value.id}: ${warning}`);
        logger.warn("entry accepted with a warning", { entryId: result.value.id, warning });
      }
      return { status: OK_STATUS, entry: entryMessage(result.value, mask) };
    }
    const entry = result.existing === undefined ? null : entryMessage(result.existing, mask);
    return { status: itemStatus(result.error, logger), entry };
  };

  /** Converts each item, hands the good ones over together, and gives every item its own result. */
  const writeEach = async <M, T>(
    messages: readonly M[],
    mask: EntryMask__Output | null,
    call: CallContext,
    convert: (message: M) => T,
    write: (items: readonly T[]) => Promise<BatchResult<EntryRecord>[]>,
  ) => {
    atMost("entries", messages.length, MAX_BATCH);
    const converted = messages.map((message) => {
      try {
        return { item: convert(message) };
      } catch (thrown) {
        return { status: itemStatus(thrown, logger) };
      }
    });
    const good = converted.flatMap((each) => ("item" in each ? [each.item] : []));
    const written = (good.length === 0 ? [] : await write(good)).values();
    const warned: string[] = [];
    const results = converted.map((each) => {
      if (each.status !== undefined) return { status: each.status };
      const { value } = written.next();
      if (value === undefined) throw new TypeError("a batch answers each of its items");
      return itemResult(value, mask, warned);
    });
    if (warned.length > 0) call.store.set(WARNINGS, warned);
    return { results };
  };

  return {
    async CountEntries({ filter }) {
      return { count: await entries.count(entryFilter(filter, trustDomain)) };
    },

    async ListEntries(request) {
      const page = await entries.list(entryFilter(request.filter, trustDomain), pageField(request));
      return {
        entries: page.items.map((entry) => entryMessage(entry, request.output_mask)),
        next_page_token: page.nextToken ?? "",
      };
    },

    async GetEntry({ id, output_mask }, call) {
      const entry = await entries.get(id);
      const doubts = await entries.doubts(entry);
      if (doubts.length > 0) call.store.set(WARNINGS, doubts);
      return entryMessage(entry, output_mask);
    },

    BatchCreateEntry: (request, call) =>
      writeEach(
        request.entries,
        request.output_mask,
        call,
        (entry) => draftFields(entry, trustDomain),
        (drafts) => entries.create(drafts),
      ),

    BatchUpdateEntry: (request, call) =>
      writeEach(
        request.entries,
        request.output_mask,
        call,
        (entry) => patchFields(entry, request.input_mask, trustDomain),
        (patches) => entries.update(patches),
      ),

    async BatchDeleteEntry({ ids }) {
      atMost("ids", ids.length, MAX_BATCH);
      const results = await entries.delete(ids);
      return {
        results: results.map((result, index) => ({
          id: ids[index] ?? "",
          status: "value" in result ? OK_STATUS : itemStatus(result.error, logger),
        })),
      };
    },

    async GetAuthorizedEntries({ output_mask }, call) {
      const authorized = plainEntries(agentOf(call).toString());
      return { entries: authorized.map((entry) => entryMessage(entry, output_mask)) };
    },

    SyncAuthorizedEntries: (call) =>
      syncAuthorizedEntries(call, plainEntries(agentOf(call).toString()), deps),
  };
}
