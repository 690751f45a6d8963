import type { FederationRelationship__Output } from "../../rpc/gen/spire/api/types/FederationRelationship.ts";
import { readBundleFile, trustDomainName } from "../bundle/bundle-message.ts";
import { factLines } from "../facts.ts";
import { type OptionSpec, UsageError } from "../grammar.ts";
import type { Options } from "../options.ts";

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

export function relationshipLines(message: FederationRelationship__Output): string[] {
  const { trustDomain, endpointUrl, profile, endpointSpiffeId, bundle } = relationshipJson(message);
  return [
    trustDomain,
    ...factLines(
      [
        ["endpoint", endpointUrl],
        ["profile", profile],
        ["endpoint id", endpointSpiffeId],
        ["bundle", bundle ? "here" : "none yet"],
      ],
      "  ",
    ),
  ];
}
