import { errorFrom, fail, isKind } from "../../base/errors.ts";
import { inTurn } from "../../base/in-parallel.ts";
import type { Logger } from "../../observe/logger.ts";
import type { BatchCreateFederationRelationshipResponse } from "../../rpc/gen/spire/api/server/trustdomain/v1/BatchCreateFederationRelationshipResponse.ts";
import type { TrustDomainHandlers } from "../../rpc/gen/spire/api/server/trustdomain/v1/TrustDomain.ts";
import type { FederationRelationship__Output } from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import type { FederationRelationshipMask__Output } from "../../rpc/gen/spire/api/types/FederationRelationshipMask.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { BundleRefreshes } from "../federation/bundle-refreshes.ts";
import {
  type Relationship,
  type RelationshipDraft,
  type Relationships,
  unknownRelationship,
} from "../federation/relationships.ts";
import { MAX_BATCH, atMost, pageField, trustDomainField } from "./fields.ts";
import { itemResult } from "./item-status.ts";
import {
  relationshipDraft,
  relationshipMessage,
  relationshipPatch,
} from "./relationship-fields.ts";

export interface TrustDomainApiDeps {
  readonly relationships: Relationships;
  readonly refreshes: Pick<BundleRefreshes, "refresh" | "isConfigured">;
  readonly logger: Logger;
}

/** `spire.api.server.trustdomain.v1.TrustDomain`. */
export function trustDomainApi({
  relationships,
  refreshes,
  logger,
}: TrustDomainApiDeps): Implementation<TrustDomainHandlers> {
  const required = async (text: string): Promise<Relationship> => {
    const domain = trustDomainField("trust_domain", text);
    const relationship = await relationships.get(domain);
    if (relationship === undefined) throw unknownRelationship(domain);
    return relationship;
  };

  const createUnlessConfigured = (draft: RelationshipDraft): Promise<Relationship> => {
    if (!refreshes.isConfigured(draft.trustDomain)) return relationships.create(draft);
    throw fail("exists", inFile(draft.trustDomain));
  };

  /** What is not stored may stand in the file, where nobody finds it by this API. */
  const ofApi = async <T>(trustDomain: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      if (!isKind(cause, "not_found") || !refreshes.isConfigured(trustDomain)) throw cause;
      throw fail("precondition", inFile(trustDomain), { cause });
    }
  };

  const writeEach = async (
    messages: readonly FederationRelationship__Output[],
    mask: FederationRelationshipMask__Output | null,
    write: (message: FederationRelationship__Output, domain: string) => Promise<Relationship>,
  ): Promise<BatchCreateFederationRelationshipResponse> => {
    atMost("federation_relationships", messages.length, MAX_BATCH);
    const results = await inTurn(messages, (message) =>
      itemResult(logger, async () => {
        const domain = trustDomainField("trust_domain", message.trust_domain);
        const written = await write(message, domain);
        return { federation_relationship: relationshipMessage(written, mask) };
      }),
    );
    return { results };
  };

  return {
    async ListFederationRelationships(request) {
      const page = await relationships.list(pageField(request));
      return {
        federation_relationships: page.items.map((each) =>
          relationshipMessage(each, request.output_mask),
        ),
        next_page_token: page.nextToken ?? "",
      };
    },

    async GetFederationRelationship({ trust_domain, output_mask }) {
      return relationshipMessage(await required(trust_domain), output_mask);
    },

    BatchCreateFederationRelationship: ({ federation_relationships, output_mask }) =>
      writeEach(federation_relationships, output_mask, (message, trustDomain) =>
        createUnlessConfigured(relationshipDraft(message, trustDomain)),
      ),

    BatchUpdateFederationRelationship: ({ federation_relationships, input_mask, output_mask }) =>
      writeEach(federation_relationships, output_mask, (message, trustDomain) =>
        ofApi(
          trustDomain,
          relationships.update(trustDomain, relationshipPatch(message, input_mask)),
        ),
      ),

    async BatchDeleteFederationRelationship({ trust_domains }) {
      atMost("trust_domains", trust_domains.length, MAX_BATCH);
      const results = await inTurn(trust_domains, async (trust_domain) => ({
        ...(await itemResult(logger, async () => {
          const domain = trustDomainField("trust_domains", trust_domain);
          await ofApi(domain, relationships.delete(domain));
          return {};
        })),
        trust_domain,
      }));
      return { results };
    },

    async RefreshBundle({ trust_domain }, call) {
      const domain = trustDomainField("trust_domain", trust_domain);
      try {
        await refreshes.refresh(domain, call.signal);
      } catch (thrown) {
        if (isKind(thrown, "not_found", "cancelled", "internal")) throw thrown;
        // The endpoint's fault, whatever it was: neither the caller's own standing nor this server's.
        throw fail("precondition", errorFrom(thrown).message, { cause: thrown });
      }
      return {};
    },
  };
}

function inFile(trustDomain: string): string {
  return `the server's configuration file has a relationship with '${trustDomain}'; change it there`;
}
