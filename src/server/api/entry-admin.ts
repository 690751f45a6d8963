import type { BatchResult, EntryService } from "../entries/entry-service.ts";
import type { Entry } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { EntryHandlers } from "../../rpc/gen/assay/entry/v1/Entry.ts";
import type { EntryMask__Output } from "../../rpc/gen/spire/api/types/EntryMask.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import { type CallContext, type Implementation, WARNINGS } from "../../rpc/service.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { withDomainNames } from "../entries/every-domain.ts";
import { MAX_BATCH, atMost, pageField } from "./fields.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { type EntryDialect, draftFields, patchFields } from "./entry-fields.ts";
import { entryFilter } from "./filters.ts";
import { entryMessage } from "./messages.ts";

export interface EntryAdminApiDeps {
  readonly entries: EntryService;
  /** Foreign trust domains that have a bundle. */
  readonly bundles: { foreignNames(): readonly string[] };
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** What administrators do to entries: `assay.entry.v1.Entry`, and the same part of SPIRE's by SPIRE's rules. */
export function entryAdminApi(
  { entries, bundles, trustDomain, logger }: EntryAdminApiDeps,
  dialect: EntryDialect,
): Implementation<EntryHandlers> {
  const rules = dialect === "spire" ? ({ bundlesRequired: true } as const) : {};

  const shown = (entry: EntryRecord, mask: EntryMask__Output | null): Entry =>
    entryMessage(
      dialect === "spire" ? withDomainNames(entry, bundles.foreignNames()) : entry,
      mask,
    );

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
      return { status: OK_STATUS, entry: shown(result.value, mask) };
    }
    const entry = result.existing === undefined ? null : shown(result.existing, mask);
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
        entries: page.items.map((entry) => shown(entry, request.output_mask)),
        next_page_token: page.nextToken ?? "",
      };
    },

    async GetEntry({ id, output_mask }, call) {
      const entry = await entries.get(id);
      const doubts = await entries.doubts(entry);
      if (doubts.length > 0) call.store.set(WARNINGS, doubts);
      return shown(entry, output_mask);
    },

    BatchCreateEntry: (request, call) =>
      writeEach(
        request.entries,
        request.output_mask,
        call,
        (entry) => draftFields(entry, trustDomain, dialect),
        (drafts) => entries.create(drafts, rules),
      ),

    BatchUpdateEntry: (request, call) =>
      writeEach(
        request.entries,
        request.output_mask,
        call,
        (entry) => patchFields(entry, request.input_mask, trustDomain, dialect),
        (patches) => entries.update(patches, rules),
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
  };
}
