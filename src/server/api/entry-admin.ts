import type { EntryService } from "../entries/entry-service.ts";
import type { Entry } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { EntryHandlers } from "../../rpc/gen/assay/entry/v1/Entry.ts";
import type { EntryMask__Output } from "../../rpc/gen/spire/api/types/EntryMask.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import { type Implementation, WARNINGS } from "../../rpc/service.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { withDomainNames } from "../entries/every-domain.ts";
import { MAX_BATCH, atMost, pageField } from "./fields.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { type EntryDialect, draftFields, patchFields } from "./entry-fields.ts";
import { entryFilter } from "./filters.ts";
import { entryMessage } from "./messages.ts";
import { type WriteEachParams, writeEach, writtenEntries } from "./write-each.ts";

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

  const written = async <M, T>(
    params: Omit<WriteEachParams<M, T>, "logger">,
    mask: EntryMask__Output | null,
  ) => {
    atMost("entries", params.messages.length, MAX_BATCH);
    const results = await writeEach({ ...params, logger });
    return { results: writtenEntries(results, (entry) => shown(entry, mask)) };
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
      written(
        {
          messages: request.entries,
          convert: (entry) => draftFields(entry, trustDomain, dialect),
          write: (drafts) => entries.create(drafts, rules),
          call,
        },
        request.output_mask,
      ),

    BatchUpdateEntry: (request, call) =>
      written(
        {
          messages: request.entries,
          convert: (entry) => patchFields(entry, request.input_mask, trustDomain, dialect),
          write: (patches) => entries.update(patches, rules),
          call,
        },
        request.output_mask,
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
