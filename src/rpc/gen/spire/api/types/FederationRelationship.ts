// Original file: proto/spire/api/types/federationrelationship.proto

import type { HTTPSWebProfile as _spire_api_types_HTTPSWebProfile, HTTPSWebProfile__Output as _spire_api_types_HTTPSWebProfile__Output } from '../../../spire/api/types/HTTPSWebProfile.ts';
import type { HTTPSSPIFFEProfile as _spire_api_types_HTTPSSPIFFEProfile, HTTPSSPIFFEProfile__Output as _spire_api_types_HTTPSSPIFFEProfile__Output } from '../../../spire/api/types/HTTPSSPIFFEProfile.ts';
import type { Bundle as _spire_api_types_Bundle, Bundle__Output as _spire_api_types_Bundle__Output } from '../../../spire/api/types/Bundle.ts';

/**
 * Where the bundle of a foreign trust domain is fetched, and how that place proves itself.
 */
export interface FederationRelationship {
  /**
   * Name of the foreign trust domain.
   */
  'trust_domain'?: (string);
  /**
   * An https URL.
   */
  'bundle_endpoint_url'?: (string);
  'https_web'?: (_spire_api_types_HTTPSWebProfile | null);
  'https_spiffe'?: (_spire_api_types_HTTPSSPIFFEProfile | null);
  /**
   * The bundle held now, or the first one when the relationship is made.
   */
  'trust_domain_bundle'?: (_spire_api_types_Bundle | null);
  'bundle_endpoint_profile'?: "https_web"|"https_spiffe";
}

/**
 * Where the bundle of a foreign trust domain is fetched, and how that place proves itself.
 */
export interface FederationRelationship__Output {
  /**
   * Name of the foreign trust domain.
   */
  'trust_domain': (string);
  /**
   * An https URL.
   */
  'bundle_endpoint_url': (string);
  'https_web'?: (_spire_api_types_HTTPSWebProfile__Output | null);
  'https_spiffe'?: (_spire_api_types_HTTPSSPIFFEProfile__Output | null);
  /**
   * The bundle held now, or the first one when the relationship is made.
   */
  'trust_domain_bundle': (_spire_api_types_Bundle__Output | null);
  'bundle_endpoint_profile'?: "https_web"|"https_spiffe";
}
