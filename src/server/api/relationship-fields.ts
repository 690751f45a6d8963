/** Relationships with other trust domains as `spire.api.server.trustdomain.v1` writes them: fields read, messages made. */
import { fail } from "../../base/errors.ts";
import type {
  FederationRelationship,
  FederationRelationship__Output,
} from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import type { FederationRelationshipMask__Output } from "../../rpc/gen/spire/api/types/FederationRelationshipMask.ts";
import { checkEndpointUrl } from "../../spiffe/endpoint-url.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type {
  Endpoint,
  Relationship,
  RelationshipDraft,
  RelationshipPatch,
} from "../federation/relationships.ts";
import { foreignBundle } from "./bundle-fields.ts";
import { inField, trustDomainField } from "./fields.ts";
import { bundleMessage } from "./messages.ts";

/** @param trustDomain the message's own, read. @throws invalid */
export function relationshipDraft(
  message: FederationRelationship__Output,
  trustDomain: string,
): RelationshipDraft {
  return {
    trustDomain,
    endpointUrl: endpointUrlField(message),
    endpoint: endpointField(message),
    ...bundleField(message),
  };
}

/** What the mask names; without one, all but the trust domain. @throws invalid */
export function relationshipPatch(
  message: FederationRelationship__Output,
  mask: FederationRelationshipMask__Output | null,
): RelationshipPatch {
  return {
    ...(isWanted(mask, "bundle_endpoint_url") ? { endpointUrl: endpointUrlField(message) } : {}),
    ...(isWanted(mask, "bundle_endpoint_profile") ? { endpoint: endpointField(message) } : {}),
    ...(isWanted(mask, "trust_domain_bundle") ? bundleField(message) : {}),
  };
}

/** Without a mask: every field. The trust domain is never masked. */
export function relationshipMessage(
  { record, bundle }: Relationship,
  mask: FederationRelationshipMask__Output | null,
): FederationRelationship {
  return {
    trust_domain: record.trustDomain,
    ...(isWanted(mask, "bundle_endpoint_url") ? { bundle_endpoint_url: record.endpointUrl } : {}),
    ...(isWanted(mask, "bundle_endpoint_profile") ? profileMessage(record) : {}),
    ...(isWanted(mask, "trust_domain_bundle") && bundle !== undefined
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

function isWanted(
  mask: FederationRelationshipMask__Output | null,
  field: keyof FederationRelationshipMask__Output,
): boolean {
  return mask === null || mask[field];
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

/** Nothing where the message has no bundle. */
function bundleField({ trust_domain_bundle: message }: FederationRelationship__Output) {
  if (message === null) return {};
  const domain = trustDomainField("trust_domain_bundle.trust_domain", message.trust_domain);
  return { bundle: inField("trust_domain_bundle", () => foreignBundle(message, domain)) };
}
