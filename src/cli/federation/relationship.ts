import type { FederationRelationship__Output } from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import { formatDuration } from "../../config/settings/duration.ts";
import type { Relationship__Output } from "../../rpc/gen/assay/federation/v1/Relationship.ts";
import { readBundleFile, trustDomainName } from "../bundle/bundle-message.ts";
import { factLines } from "../text/facts.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import type { Options } from "../program/options.ts";

export const TRUST_DOMAIN_SERVICE = "spire.api.server.trustdomain.v1.TrustDomain";

export const TRUST_DOMAIN_OPTION: OptionSpec = {
  name: "trust-domain",
  value: "TD",
  help: "the foreign trust domain",
  required: true,
};

/** What `create` and `update` say about a relationship. */
export const RELATIONSHIP_OPTIONS: readonly OptionSpec[] = [
  {
    name: "profile",
    value: "PROFILE",
    help: "how the endpoint proves itself: a web certificate, or an SVID",
    choices: ["https_web", "https_spiffe"],
  },
  {
    name: "endpoint-spiffe-id",
    value: "ID",
    help: "the endpoint's SPIFFE ID; needed with https_spiffe",
  },
  {
    name: "bundle",
    value: "FILE",
    help: "the domain's bundle of today: SPIFFE bundle document or PEM certificates; - for standard input",
  },
];

/** The profile that the options ask for; nothing when they say nothing. @throws UsageError */
export function profileFields(options: Options): Record<string, unknown> {
  const profile = options.text("profile");
  const id = options.text("endpoint-spiffe-id");
  if (profile === undefined && id === undefined) return {};
  if (profile === "https_web") {
    if (id !== undefined) {
      throw new UsageError("--endpoint-spiffe-id goes with https_spiffe; leave one of them out");
    }
    return { https_web: {} };
  }
  if (id === undefined) {
    throw new UsageError("--endpoint-spiffe-id is missing; https_spiffe needs it");
  }
  return { https_spiffe: { endpoint_spiffe_id: id } };
}

export function bundleFields(options: Options): Record<string, unknown> {
  const file = options.text("bundle");
  if (file === undefined) return {};
  const domain = trustDomainName(options.required("trust-domain"), "trust-domain");
  return { trust_domain_bundle: readBundleFile(domain, file, "bundle") };
}

/** A relationship as `--output json` prints it. */
export interface RelationshipJson {
  readonly trustDomain: string;
  readonly endpointUrl: string;
  readonly profile: "https_web" | "https_spiffe";
  /** Absent with `https_web`. */
  readonly endpointSpiffeId?: string;
  /** Whether the server has a bundle of the domain. */
  readonly bundle: boolean;
  /** Where it is from, and how its bundle is kept; absent where the server does not tell. */
  readonly source?: "file" | "api";
  readonly refresh?: RefreshJson;
}

export interface RefreshJson {
  /** Since the last fetch that went well; absent when there was none since the server started. */
  readonly ageSeconds?: number;
  readonly nextSeconds: number;
  readonly refreshHint: number;
  readonly sequence: number;
  /** In a row. */
  readonly failures: number;
  /** Why the last one failed. */
  readonly error?: string;
}

export function relationshipJson(message: FederationRelationship__Output): RelationshipJson {
  const id = message.https_spiffe?.endpoint_spiffe_id;
  return {
    trustDomain: message.trust_domain,
    endpointUrl: message.bundle_endpoint_url,
    profile: message.bundle_endpoint_profile ?? "https_web",
    ...(id === undefined ? {} : { endpointSpiffeId: id }),
    bundle: message.trust_domain_bundle !== null,
  };
}

/** As our own server tells it. */
export function refreshedJson(message: Relationship__Output): RelationshipJson {
  const { endpoint_spiffe_id: id, error } = message;
  return {
    trustDomain: message.trust_domain,
    endpointUrl: message.endpoint_url,
    profile: message.profile === "https_spiffe" ? "https_spiffe" : "https_web",
    ...(id === "" ? {} : { endpointSpiffeId: id }),
    bundle: message.has_bundle,
    source: message.configured ? "file" : "api",
    refresh: {
      ...(message.fetched ? { ageSeconds: Number(message.age_seconds) } : {}),
      nextSeconds: Number(message.next_seconds),
      refreshHint: Number(message.refresh_hint),
      sequence: Number(message.sequence),
      failures: message.failures,
      ...(error === "" ? {} : { error }),
    },
  };
}

export function relationshipLines(relationship: RelationshipJson): string[] {
  const { trustDomain, endpointUrl, profile, endpointSpiffeId, bundle } = relationship;
  const { source, refresh } = relationship;
  return [
    trustDomain,
    ...factLines(
      [
        ["endpoint", endpointUrl],
        ["profile", profile],
        ["endpoint id", endpointSpiffeId],
        ["bundle", bundle ? "here" : "none yet"],
        ["from", source === "file" ? "the server's configuration file" : undefined],
        ["fetched", refresh && fetchedText(refresh)],
        ["next", refresh && `in ${formatDuration(refresh.nextSeconds)}`],
        ["trouble", refresh?.error],
      ],
      "  ",
    ),
  ];
}

function fetchedText({ ageSeconds, failures }: RefreshJson): string {
  const when =
    ageSeconds === undefined ? "not since the server started" : `${formatDuration(ageSeconds)} ago`;
  return failures === 0 ? when : `${when}; ${failures} failed since`;
}
