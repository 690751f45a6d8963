import { fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Member__Output } from "../../rpc/gen/assay/template/v1/Member.ts";
import type { Template__Output } from "../../rpc/gen/assay/template/v1/Template.ts";
import type { TemplatesHandlers } from "../../rpc/gen/assay/template/v1/Templates.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { EntryTemplate } from "../datastore/contract.ts";
import { agentOf } from "../endpoints/caller.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { EntryService } from "../entries/entry-service.ts";
import type { Families, Member } from "../entries/family.ts";
import type { Issuance } from "../issuance/issuance.ts";
import { parseCsrField } from "./attest.ts";
import { draftFields } from "./entry-fields.ts";
import { MAX_BATCH, atMost, textField } from "./fields.ts";
import { jwtSvidMessage, templateMessage, x509SvidMessage } from "./messages.ts";
import { signEach } from "./sign-each.ts";
import { writeEach, writtenEntries, writtenIds } from "./write-each.ts";

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

  const memberOf = (agentId: SpiffeId, member: Member__Output | null, signal: AbortSignal) =>
    families.member(agentId.toString(), memberField(member), signal);

  return {
    async BatchCreateEntry({ entries: messages }, call) {
      atMost("entries", messages.length, MAX_BATCH);
      const results = await writeEach({
        messages,
        convert({ entry, template }) {
          if (entry === null) throw fail("invalid", "entry: is missing");
          return { ...draftFields(entry, trustDomain), template: templateField(template) };
        },
        write: (drafts) => entries.create(drafts),
        call,
        logger,
      });
      return { results: writtenEntries(results) };
    },

    async BatchSetTemplate({ templates }, call) {
      atMost("templates", templates.length, MAX_BATCH);
      const results = await writeEach({
        messages: templates,
        convert: ({ id, template }) => ({ id, template: templateField(template) }),
        write: (patches) => entries.setTemplates(patches),
        call,
        logger,
      });
      return { results: writtenIds(results, templates) };
    },

    async BatchGetTemplate({ ids }) {
      atMost("ids", ids.length, MAX_BATCH);
      const found = await entries.some(ids, ({ template }) => template !== undefined);
      return {
        templates: found.map((entry) => ({
          id: entry.id,
          template: templateMessage(entry) ?? null,
        })),
      };
    },

    BatchNewX509SVID: ({ params }, call) =>
      signEach({
        params,
        call,
        limits,
        logger,
        async sign({ member, csr: bytes }, agentId) {
          const csr = parseCsrField("csr", bytes);
          const entry = await memberOf(agentId, member, call.signal);
          return x509SvidMessage(await issuance.workloadX509({ entry, csr }));
        },
      }),

    async NewJWTSVID({ member, audience }, call) {
      await limits.sign(call, 1);
      const entry = await memberOf(agentOf(call), member, call.signal);
      return { svid: jwtSvidMessage(await issuance.workloadJwt({ entry, audience })) };
    },
  };
}

/** @throws invalid when there is none */
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
