// Original file: proto/spire/api/types/agent.proto

import type { SPIFFEID as _spire_api_types_SPIFFEID, SPIFFEID__Output as _spire_api_types_SPIFFEID__Output } from '../../../spire/api/types/SPIFFEID.ts';
import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * An attested node.
 */
export interface Agent {
  'id'?: (_spire_api_types_SPIFFEID | null);
  /**
   * Name of the node attestor, such as `join_token`.
   */
  'attestation_type'?: (string);
  /**
   * Serial number of the active SVID, in hexadecimal.
   */
  'x509svid_serial_number'?: (string);
  /**
   * Seconds since 1970.
   */
  'x509svid_expires_at'?: (number | string | Long);
  'selectors'?: (_spire_api_types_Selector)[];
  'banned'?: (boolean);
  'can_reattest'?: (boolean);
  'agent_version'?: (string);
}

/**
 * An attested node.
 */
export interface Agent__Output {
  'id': (_spire_api_types_SPIFFEID__Output | null);
  /**
   * Name of the node attestor, such as `join_token`.
   */
  'attestation_type': (string);
  /**
   * Serial number of the active SVID, in hexadecimal.
   */
  'x509svid_serial_number': (string);
  /**
   * Seconds since 1970.
   */
  'x509svid_expires_at': (string);
  'selectors': (_spire_api_types_Selector__Output)[];
  'banned': (boolean);
  'can_reattest': (boolean);
  'agent_version': (string);
}
