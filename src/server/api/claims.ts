import { fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import type { ClaimsHandlers } from "../../rpc/gen/assay/claims/v1/Claims.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { EntryService } from "../entries/entry-service.ts";
import { draftFields, patchFields } from "./entry-fields.ts";
import { MAX_BATCH, atMost } from "./fields.ts";
import { templateField } from "./template.ts";
import { writeEach, writtenEntries, writtenIds } from "./write-each.ts";

export interface ClaimsApiDeps {
  readonly entries: EntryService;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** `assay.claims.v1.Claims`. */
export function claimsApi(deps: ClaimsApiDeps): Implementation<ClaimsHandlers> {
  const { entries, trustDomain, logger } = deps;
  return {
    async BatchCreateEntry({ entries: messages }, call) {
      atMost("entries", messages.length, MAX_BATCH);
      const results = await writeEach({
        messages,
        convert({ entry, claims, template }) {
          if (entry === null) throw fail("invalid", "entry: is missing");
          return {
            ...draftFields(entry, trustDomain),
            ...(claims !== null && { jwtClaims: claims.json }),
            ...(template !== null && { template: templateField(template) }),
          };
        },
        write: (drafts) => entries.create(drafts),
        call,
        logger,
      });
      return { results: writtenEntries(results) };
    },

    async BatchSetClaims({ claims: messages }, call) {
      atMost("claims", messages.length, MAX_BATCH);
      const results = await writeEach({
        messages,
        convert({ id, claims, entry, input_mask }) {
          if (claims === null) throw fail("invalid", "claims: is missing");
          const patch = entry && patchFields({ ...entry, id }, input_mask, trustDomain);
          return { ...patch, id, jwtClaims: claims.json };
        },
        write: (patches) => entries.update(patches),
        call,
        logger,
      });
      return { results: writtenIds(results, messages) };
    },

    async BatchGetClaims({ ids }) {
      atMost("ids", ids.length, MAX_BATCH);
      const found = await entries.some(ids, ({ jwtClaims = "" }) => jwtClaims !== "");
      return {
        claims: found.map(({ id, jwtClaims = "" }) => ({ id, claims: { json: jwtClaims } })),
      };
    },
  };
}
