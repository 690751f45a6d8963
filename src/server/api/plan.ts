import { fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { JwtClaims__Output } from "../../rpc/gen/assay/claims/v1/JwtClaims.ts";
import type { CheckEntriesRequest__Output } from "../../rpc/gen/assay/entry/v1/CheckEntriesRequest.ts";
import type { PlanHandlers } from "../../rpc/gen/assay/entry/v1/Plan.ts";
import type { Template__Output } from "../../rpc/gen/assay/template/v1/Template.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import type { BatchResult, EntryChange, EntryService } from "../entries/entry-service.ts";
import { draftFields, patchFields } from "./entry-fields.ts";
import { MAX_BATCH, atMost } from "./fields.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { templateField } from "./template.ts";

export interface PlanApiDeps {
  readonly entries: Pick<EntryService, "rehearse">;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** `assay.entry.v1.Plan`: what the registry would say to changes. */
export function planApi({
  entries,
  trustDomain,
  logger,
}: PlanApiDeps): Implementation<PlanHandlers> {
  const resultOf = (result: BatchResult<EntryRecord>) =>
    "value" in result
      ? { status: OK_STATUS, warnings: [...(result.warnings ?? [])] }
      : { status: itemStatus(result.error, logger), warnings: [] };

  return {
    async CheckEntries(request) {
      const changes = changesOf(request, trustDomain);
      atMost("changes", changes.length, MAX_BATCH);
      const converted = changes.map((convert) => {
        try {
          return { change: convert() };
        } catch (thrown) {
          return { status: itemStatus(thrown, logger), warnings: [] };
        }
      });
      const good = converted.flatMap((each) => ("change" in each ? [each.change] : []));
      const said = (good.length === 0 ? [] : await entries.rehearse(good)).values();
      const results = converted.map((each) => {
        if ("status" in each) return each;
        const { value } = said.next();
        if (value === undefined) throw new TypeError("each change has its answer");
        return resultOf(value);
      });
      const creates = request.creates.length;
      const changed = creates + request.updates.length;
      return {
        creates: results.slice(0, creates),
        updates: results.slice(creates, changed),
        deletes: results.slice(changed),
      };
    },
  };
}

function changesOf(
  { deletes, creates, updates }: CheckEntriesRequest__Output,
  trustDomain: TrustDomain,
): readonly (() => EntryChange)[] {
  return [
    ...creates.map(({ entry, template, claims }) => () => {
      if (entry === null) throw fail("invalid", "entry: is missing");
      const draft = { ...draftFields(entry, trustDomain), ...beside(template, claims) };
      return { kind: "create", draft } as const;
    }),
    ...updates.map(({ entry, input_mask, template, claims }) => () => {
      if (entry === null) throw fail("invalid", "entry: is missing");
      const patch = {
        ...patchFields(entry, input_mask, trustDomain),
        ...beside(template, claims),
      };
      return { kind: "update", patch } as const;
    }),
    ...deletes.map((id) => () => ({ kind: "delete", id }) as const),
  ];
}

/** What SPIRE's message has no place for. */
function beside(template: Template__Output | null, claims: JwtClaims__Output | null) {
  return {
    ...(template !== null && { template: templateField(template) }),
    ...(claims !== null && { jwtClaims: claims.json }),
  };
}
