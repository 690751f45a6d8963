// Original file: proto/spire/api/types/federationrelationship.proto


/**
 * Which fields of `FederationRelationship` to fill or change; the trust domain is always there.
 */
export interface FederationRelationshipMask {
  'bundle_endpoint_url'?: (boolean);
  'bundle_endpoint_profile'?: (boolean);
  'trust_domain_bundle'?: (boolean);
}

/**
 * Which fields of `FederationRelationship` to fill or change; the trust domain is always there.
 */
export interface FederationRelationshipMask__Output {
  'bundle_endpoint_url': (boolean);
  'bundle_endpoint_profile': (boolean);
  'trust_domain_bundle': (boolean);
}
