import { fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Member__Output } from "../../rpc/gen/assay/template/v1/Member.ts";
import type { Template__Output } from "../../rpc/gen/assay/template/v1/Template.ts";
import type { TemplatesHandlers } from "../../rpc/gen/assay/template/v1/Templates.ts";
import { type CallContext, type Implementation, WARNINGS } from "../../rpc/service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { EntryRecord, EntryTemplate } from "../datastore/contract.ts";
import { agentOf } from "../endpoints/caller.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { BatchResult, EntryService } from "../entries/entry-service.ts";
import type { Families, Member } from "../entries/family.ts";
import type { Issuance } from "../issuance/issuance.ts";
import { parseCsrField } from "./attest.ts";
import { draftFields } from "./entry-fields.ts";
import { MAX_BATCH, atMost, textField } from "./fields.ts";
import { inParallel } from "./in-parallel.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { entryMessage, jwtSvidMessage, templateMessage, x509SvidMessage } from "./messages.ts";

export interface TemplateApiDeps {
  readonly entries: EntryService;
  readonly families: Families;
  readonly issuance: Issuance;
  readonly limits: Limits;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** `assay.template.v1.Templates`. */
export function templateApi(deps: TemplateApiDeps): Implementation<TemplatesHandlers> {
  const { entries, families, issuance, limits, trustDomain, logger } = deps;

  /** Each good item is written with the others; each has a result of its own. */
  const writeEach = async <M, T>(
    messages: readonly M[],
    convert: (message: M) => T,
    write: (items: readonly T[]) => Promise<BatchResult<EntryRecord>[]>,
    call: CallContext,
  ) => {
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
      }
      return { status: OK_STATUS, entry: result.value };
    });
    if (warned.length > 0) call.store.set(WARNINGS, warned);
    return results;
  };

  return {
    async BatchCreateEntry({ entries: messages }, call) {
      atMost("entries", messages.length, MAX_BATCH);
      const results = await writeEach(
        messages,
        ({ entry, template }) => {
          if (entry === null) throw fail("invalid", "entry: is missing");
          return { ...draftFields(entry, trustDomain), template: templateField(template) };
        },
        (drafts) => entries.create(drafts),
        call,
      );
      return {
        results: results.map(({ status, entry }) => ({
          status,
          ...(entry !== undefined && { entry: entryMessage(entry, null) }),
        })),
      };
    },

    async BatchSetTemplate({ templates }, call) {
      atMost("templates", templates.length, MAX_BATCH);
      const results = await writeEach(
        templates,
        ({ id, template }) => ({ id, template: templateField(template) }),
        (patches) => entries.setTemplates(patches),
        call,
      );
      return {
        results: results.map(({ status }, index) => ({ status, id: templates[index]?.id ?? "" })),
      };
    },

    async BatchGetTemplate({ ids }) {
      atMost("ids", ids.length, MAX_BATCH);
      const found = await entries.withTemplate(ids);
      return {
        templates: found.map((entry) => ({
          id: entry.id,
          template: templateMessage(entry) ?? null,
        })),
      };
    },

    async BatchNewX509SVID({ params }, call) {
      if (params.length === 0) throw fail("invalid", "params: is missing");
      atMost("params", params.length, MAX_BATCH);
      await limits.sign(call, params.length);
      const agentId = agentOf(call).toString();
      const results = await inParallel(params, SIGNATURES_AT_ONCE, async (each) => {
        try {
          const csr = parseCsrField("csr", each.csr);
          const entry = await families.member(agentId, memberField(each.member), call.signal);
          const svid = await issuance.workloadX509({ entry, csr });
          return { status: OK_STATUS, svid: x509SvidMessage(svid) };
        } catch (thrown) {
          return { status: itemStatus(thrown, logger) };
        }
      });
      return { results };
    },

    async NewJWTSVID({ member, audience }, call) {
      await limits.sign(call, 1);
      const agentId = agentOf(call).toString();
      const entry = await families.member(agentId, memberField(member), call.signal);
      return { svid: jwtSvidMessage(await issuance.workloadJwt({ entry, audience })) };
    },
  };
}

export function templateField(template: Template__Output | null): EntryTemplate {
  if (template === null || template.id === "") throw fail("invalid", "template: is missing");
  return { id: template.id, trustAgent: template.trust_agent };
}

/** How long values may be is the template's own rule. */
function memberField(member: Member__Output | null): Member {
  if (member === null || member.entry_id === "") throw fail("invalid", "member: is missing");
  atMost("member.values", member.values.length, MAX_VALUES);
  const values = new Map(member.values.map(({ variable, value }) => [variable, value]));
  if (values.size < member.values.length) {
    throw fail("invalid", "member.values: names a variable twice");
  }
  const entryId = textField("member.entry_id", member.entry_id, MAX_ENTRY_ID);
  if (member.pod === null) return { entryId, values };
  const { namespace, name, uid } = member.pod;
  return { entryId, values, pod: { namespace, name, uid } };
}

const MAX_ENTRY_ID = 255;
const MAX_VALUES = 16;
/** As many as of plain ones. */
const SIGNATURES_AT_ONCE = 16;
