import type { BatchCreateFederationRelationshipResponse } from "../../rpc/gen/spire/api/server/trustdomain/v1/BatchCreateFederationRelationshipResponse.ts";
import type { FederationRelationship } from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import type { FederationRelationshipMask__Output } from "../../rpc/gen/spire/api/types/FederationRelationshipMask.ts";
import type { FederationRelationship__Output } from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomainHandlers } from "../../rpc/gen/spire/api/server/trustdomain/v1/TrustDomain.ts";
import {
  type Endpoint,
  type Relationship,
  type RelationshipDraft,
  type Relationships,
} from "../federation/relationships.ts";
import { MAX_BATCH, atMost, inField, pageField, trustDomainField } from "./fields.ts";
import { OK_STATUS, itemStatus } from "./item-status.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { bundleMessage } from "./messages.ts";
import { checkEndpointUrl } from "../../spiffe/endpoint-url.ts";
import { errorFrom, fail, isKind } from "../../base/errors.ts";
import type { BundleRefreshes } from "../federation/bundle-refreshes.ts";
import { foreignBundle } from "./bundle-fields.ts";
import { unknownRelationship } from "../federation/relationships.ts";

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
    const results = [];
    for (const message of messages) {
      try {
        const domain = trustDomainField("trust_domain", message.trust_domain);
        const written = await write(message, domain);
        const relationship = relationshipMessage(written, mask);
        results.push({ status: OK_STATUS, federation_relationship: relationship });
      } catch (thrown) {
        results.push({ status: itemStatus(thrown, logger) });
      }
    }
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
        createUnlessConfigured({
          trustDomain,
          endpointUrl: endpointUrlField(message),
          endpoint: endpointField(message),
          ...bundleField(message),
        }),
      ),

    BatchUpdateFederationRelationship: ({ federation_relationships, input_mask, output_mask }) => {
      const wanted = (field: keyof FederationRelationshipMask__Output) =>
        input_mask === null || input_mask[field];
      return writeEach(federation_relationships, output_mask, (message, trustDomain) =>
        ofApi(
          trustDomain,
          relationships.update(trustDomain, {
            ...(wanted("bundle_endpoint_url") ? { endpointUrl: endpointUrlField(message) } : {}),
            ...(wanted("bundle_endpoint_profile") ? { endpoint: endpointField(message) } : {}),
            ...(wanted("trust_domain_bundle") ? bundleField(message) : {}),
          }),
        ),
      );
    },

    async BatchDeleteFederationRelationship({ trust_domains }) {
      atMost("trust_domains", trust_domains.length, MAX_BATCH);
      const results = [];
      for (const trust_domain of trust_domains) {
        try {
          const domain = trustDomainField("trust_domains", trust_domain);
          await ofApi(domain, relationships.delete(domain));
          results.push({ status: OK_STATUS, trust_domain });
        } catch (thrown) {
          results.push({ status: itemStatus(thrown, logger), trust_domain });
        }
      }
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

function endpointUrlField({ bundle_endpoint_url: url }: FederationRelationship__Output): string {
  return inField("bundle_endpoint_url", () => checkEndpointUrl(url));
}

function endpointField(message: FederationRelationship__Output): Endpoint {
  switch (message.bundle_endpoint_profile) {
    case "https_web":
      return { endpointProfile: "https_web", endpointSpiffeId: "" };
    case "https_spiffe": {
      const text = message.https_spiffe?.endpoint_spiffe_id ?? "";
      const id = inField("endpoint_spiffe_id", () => SpiffeId.parse(text));
      return { endpointProfile: "https_spiffe", endpointSpiffeId: id.toString() };
    }
    case undefined:
    default:
      throw fail("invalid", "bundle_endpoint_profile: is missing");
  }
}

function bundleField({ trust_domain_bundle: message }: FederationRelationship__Output) {
  if (message === null) return {};
  const domain = trustDomainField("trust_domain_bundle.trust_domain", message.trust_domain);
  return { bundle: inField("trust_domain_bundle", () => foreignBundle(message, domain)) };
}

/** Without a mask: every field. The trust domain is never masked. */
function relationshipMessage(
  { record, bundle }: Relationship,
  mask: FederationRelationshipMask__Output | null,
): FederationRelationship {
  const wanted = (field: keyof FederationRelationshipMask__Output) => mask === null || mask[field];
  return {
    trust_domain: record.trustDomain,
    ...(wanted("bundle_endpoint_url") ? { bundle_endpoint_url: record.endpointUrl } : {}),
    ...(wanted("bundle_endpoint_profile") ? profileMessage(record) : {}),
    ...(wanted("trust_domain_bundle") && bundle !== undefined
      ? { trust_domain_bundle: bundleMessage(bundle, null) }
      : {}),
  };
}

function profileMessage({
  endpointProfile,
  endpointSpiffeId,
}: Relationship["record"]): FederationRelationship {
  return endpointProfile === "https_web"
    ? { https_web: {} }
    : { https_spiffe: { endpoint_spiffe_id: endpointSpiffeId } };
}
