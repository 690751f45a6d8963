import type { Bundle } from "../../spiffe/bundle.ts";
import type { FederationHandlers } from "../../rpc/gen/assay/federation/v1/Federation.ts";
import type { Relationship } from "../../rpc/gen/assay/federation/v1/Relationship.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { RefreshStatus } from "../federation/bundle-refresh.ts";
import type { BundleRefreshes } from "../federation/bundle-refreshes.ts";

export interface FederationApiDeps {
  readonly refreshes: Pick<BundleRefreshes, "statuses" | "isConfigured">;
  readonly bundles: { find(trustDomain: string): Bundle | undefined };
}

/** `assay.federation.v1.Federation`. */
export function federationApi({
  refreshes,
  bundles,
}: FederationApiDeps): Implementation<FederationHandlers> {
  return {
    async ListRelationships({ after }) {
      const rest = refreshes.statuses().filter(({ source }) => source.trustDomain > after);
      return {
        relationships: rest
          .slice(0, PAGE_SIZE)
          .map((status) =>
            relationshipMessage(
              status,
              refreshes.isConfigured(status.source.trustDomain),
              bundles.find(status.source.trustDomain),
            ),
          ),
        more: rest.length > PAGE_SIZE,
      };
    },
  };
}

function relationshipMessage(
  { source, ageMs, isFetched, failures, error, nextMs }: RefreshStatus,
  configured: boolean,
  bundle: Bundle | undefined,
): Relationship {
  return {
    trust_domain: source.trustDomain,
    endpoint_url: source.endpointUrl,
    profile: source.endpointProfile,
    endpoint_spiffe_id: source.endpointSpiffeId,
    configured,
    has_bundle: bundle !== undefined,
    sequence: bundle?.sequence ?? 0,
    refresh_hint: bundle?.refreshHint ?? 0,
    x509_authorities: bundle?.x509Authorities.length ?? 0,
    jwt_authorities: bundle?.jwtAuthorities.length ?? 0,
    fetched: isFetched,
    age_seconds: Math.floor(ageMs / 1000),
    failures,
    error: error?.slice(0, MAX_ERROR) ?? "",
    next_seconds: Math.ceil(nextMs / 1000),
  };
}

const PAGE_SIZE = 500;
const MAX_ERROR = 1024;
